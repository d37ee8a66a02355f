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
from operators.blur import Blur
from operators.colour import Grayscale, Mosaic
from operators.decimate import Decimate
from operators.exposure import Camera, Exposure
from operators.jpeg import Jpeg
from operators.mask import Crop, Mask, box_mask, brush_mask, random_mask
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian, Noise, PoissonGaussian, Uneven
from operators.resize import Downsample, Resize
from operators.seeds import Seeds
from operators.testing import check_operator
from operators.tone import Clip, Gamma, Quantize
from operators.varying import GridBlur, VaryingBlur

__all__ = [
    "Blur",
    "Camera",
    "Clip",
    "ClosedFormOperator",
    "Crop",
    "Decimate",
    "DiagonalGramOperator",
    "Downsample",
    "Exposure",
    "Gamma",
    "Gaussian",
    "Grayscale",
    "GridBlur",
    "Identity",
    "Jpeg",
    "LinearOperator",
    "Mask",
    "Measurement",
    "Mosaic",
    "Noise",
    "Operator",
    "PoissonGaussian",
    "Quantize",
    "Resize",
    "Seeds",
    "Shape",
    "Uneven",
    "VaryingBlur",
    "box_mask",
    "brush_mask",
    "check_operator",
    "conjugate_gradients",
    "kernels",
    "random_mask",
    "simulate",
]
