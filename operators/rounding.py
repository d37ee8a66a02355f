"""What is known of values that were rounded: normal ones inside bins, and what rounding took away.

    c ~ N(mean, spread^2), low <= c <= high          `inside`: its mean and variance
    c ~ Laplace, of which a share was rounded to 0   `lost`: the mean square of the error

Of the second, J. Lam and J. Goodman, "A mathematical analysis of the DCT coefficient distributions
for images" (IEEE Transactions on Image Processing 2000): cosine coefficients of photos are so.
"""

from numpy.polynomial.legendre import leggauss
from torch import Tensor

REACH, NODES = 6.0, 16
"""Deviations beyond which a normal density is nothing; points of the quadrature between."""


def inside(mean: Tensor, spread: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Give the mean and the variance of normal values given that they lie in bins.

    Bounds may be infinite. By Gauss-Legendre quadrature around the most probable value, which
    keeps its digits in float32 where differences of error functions lose them.
    """
    a, b = (low - mean) / spread, (high - mean) / spread
    mode = mean.new_zeros(()).clamp(a, b)
    # Beside a mode at -20 the density falls by e every 1/20.
    reach = 2 * REACH / (2 + mode.abs())
    a, b = a.maximum(mode - reach), b.minimum(mode + reach)
    middle, half = (a + b) / 2, (b - a) / 2
    mass, first, second = (mean.new_zeros(half.shape) for _ in range(3))
    for place, weight in zip(*(each.tolist() for each in leggauss(NODES)), strict=True):
        step = place * half
        share = weight * ((mode.square() - (middle + step).square()) / 2).exp()
        mass += share
        first += share * step
        second += share * step.square()
    first, second = first / mass, second / mass
    return mean + spread * (middle + first), spread.square() * (second - first.square())


def lost(rounded: Tensor, step: Tensor) -> Tensor:
    """Give the mean square of the errors of values that were rounded to multiples of a step.

    rounded (count, ...), step (...): the mean is taken over the first axis. Those that were not
    rounded to 0 have step^2 / 12; b is the scale of the Laplacian of which as many lie beyond
    step / 2.
    """
    zero = (rounded.abs() < step / 2).to(step)
    share = (1 - zero.mean(0)).clamp(1e-12, 1 - 0.5 / len(zero))
    half = step / 2
    b = half / -share.log()
    kept = 2 * b.square() - share * (half.square() + 2 * b * half + 2 * b.square())
    return kept + share * step.square() / 12
