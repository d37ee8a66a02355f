"""A cheap first picture: the mean of x given y under a Gaussian prior with a 1 / f^2 spectrum.

    argmin_x |y - A x|^2 / (2 sigma^2) + (|grad x|^2 + |x - flat|^2 / reach^2) / (2 slope^2)

It fills holes, interpolates and deblurs without amplifying noise; flat is the best flat picture.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from operators.base import LinearOperator, conjugate_gradients
from operators.linearised import linearised
from operators.measurement import Measurement
from restore.solvers.base import Function, deviation, inner

REACH = 100.0
"""Pixels after which the flat picture is as good a guess as the last known pixel."""


def smooth_estimate(
    measurement: Measurement[LinearOperator], *, slope: float = 0.05, iterations: int = 6
) -> Tensor:
    """The smooth picture (B, C, H, W) that explains y.

    slope > 0 is the usual difference between neighbouring pixels on [0, 1]. From the flat picture
    corrections are found by `iterations` of conjugate gradients on grids of every 16th, 8th, 4th,
    2nd and every pixel: a hole of any size is filled on the grid where it is small.
    """
    operator, y = measurement.operator, measurement.y
    ones = y.new_ones(measurement.image_shape)
    seen = operator(ones)
    flat = inner(y, seen) / inner(seen, seen).clamp(min=1e-12) * ones
    stiffness = (deviation(measurement) / slope) ** 2
    weight = operator.adjoint(seen).clamp(min=0)  # how much the data say of each pixel

    def normal(x: Tensor) -> Tensor:
        return operator.adjoint(operator(x)) + stiffness * (laplacian(x) + x / REACH**2)

    target = operator.adjoint(y - operator(flat))
    x = torch.zeros_like(flat)
    for factor in (16, 8, 4, 2, 1):
        # |grad x|^2 is the same on every grid, and 4 its diagonal
        grid = [ceil(side / factor) for side in weight.shape[-2:]]
        x = corrected(normal, x, target, coarsened(weight, grid) + 4 * stiffness, iterations)
    return flat + x


def has_holes(measurement: Measurement[LinearOperator]) -> bool:
    """Whether nothing is told of some pixel, but of others on three sides of it.

    What only pads a picture, and the corners of blur that reaches beyond its frame, are no holes.
    """
    ones = measurement.y.new_ones(measurement.image_shape)
    weight = measurement.operator.adjoint(measurement.operator(ones)).abs().amax(1, keepdim=True)
    told = (weight > 1e-6 * weight.max()).float()
    ways = ((2, False), (2, True), (3, False), (3, True))
    sides = torch.stack([_sofar(told, *way) for way in ways]).sum(0)
    return bool(((told == 0) & (sides >= 3)).any())


def _sofar(x: Tensor, dim: int, backwards: bool) -> Tensor:
    """The largest along a dimension, up to each place."""
    return x.flip(dim).cummax(dim).values.flip(dim) if backwards else x.cummax(dim).values


def first_guess(measurement: Measurement[Any]) -> Tensor:
    """The smooth picture where the operator is linear or looks so, a grey one elsewhere."""
    seen = linearised(measurement)
    if isinstance(seen.operator, LinearOperator):
        return smooth_estimate(seen)
    return measurement.y.new_full(measurement.image_shape, 0.5)


def corrected(
    normal: Function, x: Tensor, target: Tensor, diagonal: Tensor, iterations: int
) -> Tensor:
    """x plus the picture, on the grid of `diagonal`, that brings normal(x) closest to target.

    Preconditioned by the diagonal, as a known pixel may outweigh one in a hole a thousand times.
    """
    grid = diagonal.shape[-2:]
    change = conjugate_gradients(
        lambda c: coarsened(normal(refined(c, x)), grid),
        coarsened(target - normal(x), grid),
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


def coarsened(fine: Tensor, grid: Sequence[int]) -> Tensor:
    """The transpose of `refined`: a picture of the sides in `grid`."""
    if tuple(grid) == fine.shape[-2:]:
        return fine
    if fine.is_cuda:
        return coarsened_in_order(fine, grid)
    # What autograd calls, without the forward pass that it needs first.
    sides, coarse = list(fine.shape[-2:]), [*fine.shape[:2], *grid]
    result: Tensor = torch.ops.aten.upsample_bilinear2d_backward(fine, sides, coarse, False)
    return result


def coarsened_in_order(fine: Tensor, grid: Sequence[int]) -> Tensor:
    """`coarsened` by products of matrices: a graphics card's kernel adds as parts happen to be
    done, and two runs would differ."""
    units = (torch.eye(side, dtype=fine.dtype, device=fine.device)[None] for side in grid)
    rows, columns = (
        interpolate(unit, side, mode="linear", align_corners=False)[0]
        for unit, side in zip(units, fine.shape[-2:], strict=True)
    )
    return rows @ fine @ columns.mT
