"""A cheap first picture: argmin_x |y - A x|^2 / (2 sigma^2) + |grad x|^2 / (2 slope^2).

It is the posterior mean under a Gaussian prior with a 1 / f^2 spectrum: it fills holes,
interpolates and deblurs without amplifying noise.
"""

from math import ceil

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from operators.base import LinearOperator, conjugate_gradients
from operators.measurement import Measurement
from restore.solvers.base import deviation, inner


def smooth_estimate(
    measurement: Measurement[LinearOperator], *, slope: float = 0.05, iterations: int = 6
) -> Tensor:
    """The smooth picture (B, C, H, W) that explains y.

    slope > 0 is the usual difference between neighbouring pixels on [0, 1]. From the flat picture
    that fits best, corrections are found by `iterations` of conjugate gradients on grids of every
    16th, 8th, 4th, 2nd and every pixel: a hole of any size is filled on the grid where it is small.
    """
    operator, y = measurement.operator, measurement.y
    stiffness = (deviation(measurement) / slope) ** 2
    ones = y.new_ones(measurement.image_shape)
    seen, target = operator(ones), operator.adjoint(y)
    x = inner(y, seen) / inner(seen, seen).clamp(min=1e-12) * ones
    weight = operator.adjoint(seen).clamp(min=0)  # how much the data say of each pixel
    for factor in (16, 8, 4, 2, 1):
        x = corrected(x, operator, target, weight, stiffness, factor, iterations)
    return x


def corrected(
    x: Tensor,
    operator: LinearOperator,
    target: Tensor,
    weight: Tensor,
    stiffness: float,
    factor: int,
    iterations: int,
) -> Tensor:
    """x plus the coarse picture that brings (A^T A + stiffness L) x closest to `target`.

    Preconditioned by the diagonal (lumped into `weight`), as known pixels outweigh those in a hole
    a thousand times.
    """

    def normal(x: Tensor) -> Tensor:
        return operator.adjoint(operator(x)) + stiffness * laplacian(x)

    diagonal = coarsened(weight, factor) + 4 * stiffness
    change = conjugate_gradients(
        lambda c: coarsened(normal(refined(c, x)), factor),
        coarsened(target - normal(x), factor),
        preconditioner=lambda r: r / diagonal,
        iterations=iterations,
    )
    return x + refined(change, x)


def laplacian(x: Tensor) -> Tensor:
    """-div grad with free borders: the gradient of |grad x|^2 / 2; zero on flat pictures."""
    rows, columns = pad(x.diff(dim=-2), (0, 0, 1, 1)), pad(x.diff(dim=-1), (1, 1))
    return -rows.diff(dim=-2) - columns.diff(dim=-1)


def refined(coarse: Tensor, like: Tensor) -> Tensor:
    """A coarse picture in the size of `like`, by bilinear interpolation."""
    if coarse.shape == like.shape:
        return coarse
    return interpolate(coarse, like.shape[-2:], mode="bilinear", align_corners=False)


def coarsened(fine: Tensor, factor: int) -> Tensor:
    """The transpose of `refined`, from a picture to one of every factor-th pixel."""
    if factor == 1:
        return fine
    height, width = fine.shape[-2:]
    with torch.enable_grad():
        coarse = fine.new_zeros(
            *fine.shape[:2], ceil(height / factor), ceil(width / factor), requires_grad=True
        )
        (result,) = torch.autograd.grad(refined(coarse, fine), coarse, fine)
    return result
