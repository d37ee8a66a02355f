"""Known degradations of photos: operators A, noise models, and measurements y = A(x) + noise."""

from operators import kernels
from operators.base import (
    ClosedFormOperator,
    DiagonalGramOperator,
    Identity,
    LinearOperator,
    Operator,
    Shape,
    conjugate_gradients,
)
from operators.blur import Blur, VaryingBlur
from operators.mask import Crop, Mask, box_mask, brush_mask, random_mask
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian, Noise, PoissonGaussian
from operators.resize import Decimate, Downsample
from operators.seeds import Seeds

__all__ = [
    "Blur",
    "ClosedFormOperator",
    "Crop",
    "Decimate",
    "DiagonalGramOperator",
    "Downsample",
    "Gaussian",
    "Identity",
    "LinearOperator",
    "Mask",
    "Measurement",
    "Noise",
    "Operator",
    "PoissonGaussian",
    "Seeds",
    "Shape",
    "VaryingBlur",
    "box_mask",
    "brush_mask",
    "conjugate_gradients",
    "kernels",
    "random_mask",
    "simulate",
]
