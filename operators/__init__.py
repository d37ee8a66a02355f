"""Known degradations of photos: operators A, noise models, and measurements y = A(x) + noise."""

from operators.base import Identity, LinearOperator, Operator, Shape, conjugate_gradients
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian, Noise, PoissonGaussian
from operators.seeds import Seeds

__all__ = [
    "Gaussian",
    "Identity",
    "LinearOperator",
    "Measurement",
    "Noise",
    "Operator",
    "PoissonGaussian",
    "Seeds",
    "Shape",
    "conjugate_gradients",
    "simulate",
]
