"""Blur that varies over the image: every output pixel sees its own mixture of a few kernels.

    y = sum_k w_k (kernel_k * x)

Each kernel is applied only where its weights are not 0, so that many local ones cost little more
than one: the efficient filter flow of Hirsch, Sra, Schölkopf and Harmeling (CVPR 2010), with the
weights on the side of y.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from operators.base import LinearOperator, Shape
from operators.blur import Blur
from operators.convolution import Boundary, Size, fold, pad

RAMP = 0.5
"""Width of the border in which the kernels of two parts are mixed, in parts. Of 1, bilinear, the
windows are twice as large together, for little less error."""

SMALL = 64
"""Pixels a side up to which a kernel may be larger than any photo."""


class Part(NamedTuple):
    """Weights (h, w) of one kernel, and where they lie in y."""

    top: int
    left: int
    weights: Tensor
    blur: Blur


class Patchwork(LinearOperator):
    """What mixtures of kernels have in common; `_parts` tells the mixture."""

    kernels: Tensor
    boundary: Boundary

    def __call__(self, x: Tensor) -> Tensor:
        """Mix the blurred images (B, C, H, W)."""
        wide = self._padded(x)
        down, right = self._margin
        y = x.new_zeros(*wide.shape[:2], wide.shape[2] - 2 * down, wide.shape[3] - 2 * right)
        self._require(y)
        for top, left, weights, blur in self._parts:
            height, width = weights.shape
            seen = wide[..., top : top + height + 2 * down, left : left + width + 2 * right]
            y[..., top : top + height, left : left + width] += weights.to(x) * blur(seen)
        return y

    def adjoint(self, y: Tensor) -> Tensor:
        """Weigh, correlate with each kernel, and add."""
        self._require(y)
        down, right = self._margin
        wide = y.new_zeros(*y.shape[:2], y.shape[2] + 2 * down, y.shape[3] + 2 * right)
        for top, left, weights, blur in self._parts:
            height, width = weights.shape
            part = blur.adjoint(weights.to(y) * y[..., top : top + height, left : left + width])
            wide[..., top : top + part.shape[2], left : left + part.shape[3]] += part
        if self.boundary == "circular":
            return _wrapped(wide, self._margin)
        return fold(wide, self._margin, self._margin, self.boundary)

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape, larger by the kernels' sides minus one where the boundary is valid."""
        if self.boundary != "valid":
            return y_shape
        *batch, height, width = y_shape
        down, right = self._margin
        return (*batch, height + 2 * down, width + 2 * right)

    def _padded(self, x: Tensor) -> Tensor:
        if self.boundary != "circular":
            return pad(x, self._margin, self._margin, self.boundary)
        down, right = self._margin
        if down > x.shape[2] or right > x.shape[3]:
            raise ValueError(f"kernels: larger than twice the image of {tuple(x.shape[2:])}")
        return torch.nn.functional.pad(x, (right, right, down, down), mode="circular")

    def _require(self, y: Tensor) -> None:
        if tuple(y.shape[-2:]) != self._size:
            raise ValueError(f"weights: of {self._size} pixels where y has {tuple(y.shape[-2:])}")

    @property
    def _margin(self) -> Size:
        return (self.kernels.shape[-2] // 2, self.kernels.shape[-1] // 2)

    @property
    def _size(self) -> Size:
        raise NotImplementedError

    @property
    def _parts(self) -> list[Part]:
        raise NotImplementedError


@dataclass(frozen=True, eq=False, repr=False)
class VaryingBlur(Patchwork):
    """A mixture with any weights: y = sum_k weights_k (kernel_k * x).

    kernels (K, kh, kw) with odd sides; weights (K, H, W) of the size of y, which should sum to
    one over K. boundary as in Blur. ValueError when the counts differ, and as of Blur.
    """

    kernels: Tensor
    weights: Tensor
    boundary: Boundary = "reflect"

    def __post_init__(self) -> None:
        kernels, weights = tuple(self.kernels.shape), tuple(self.weights.shape)
        if len(kernels) != 3 or len(weights) != 3 or kernels[0] != weights[0]:
            raise ValueError(
                f"weights: got {weights} for kernels {kernels}; pass (K, H, W) for (K, kh, kw)"
            )
        for kernel in self.kernels:
            Blur(kernel, self.boundary)  # refuses what is no kernel

    @property
    def _size(self) -> Size:
        return (self.weights.shape[1], self.weights.shape[2])

    @cached_property
    def _parts(self) -> list[Part]:
        parts = []
        for kernel, weights in zip(self.kernels, self.weights, strict=True):
            used = weights != 0
            rows, columns = (used.any(axis).nonzero()[:, 0].tolist() for axis in (1, 0))
            if rows:
                box = weights[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                parts.append(Part(rows[0], columns[0], box, Blur(kernel, "valid")))
        return parts


@dataclass(frozen=True, eq=False, repr=False)
class GridBlur(Patchwork):
    """A blur whose kernels are known in R x C parts of the image, and mixed at their borders.

    kernels (R, C, kh, kw) with odd sides, of the middles of R x C equal parts of y, which has
    height x width pixels. boundary as in Blur. ValueError for other shapes.
    """

    kernels: Tensor
    height: int
    width: int
    boundary: Boundary = "valid"

    def __post_init__(self) -> None:
        shape = tuple(self.kernels.shape)
        if len(shape) != 4 or shape[0] > self.height or shape[1] > self.width:
            raise ValueError(
                f"kernels: got {shape} for {self.height} x {self.width}; pass (R, C, kh, kw),"
                " with no more knots than pixels"
            )
        for kernel in self.kernels.flatten(0, 1):
            Blur(kernel, self.boundary)

    @property
    def _size(self) -> Size:
        return (self.height, self.width)

    @cached_property
    def _parts(self) -> list[Part]:
        rows, columns = (
            _shares(knots, side, self.kernels)
            for knots, side in zip(self.kernels.shape, self._size, strict=False)
        )
        return [
            Part(top, left, down[:, None] * right, Blur(self.kernels[row, column], "valid"))
            for row, (top, down) in enumerate(rows)
            for column, (left, right) in enumerate(columns)
        ]


def blur_by(kernel: Tensor, y: Tensor, boundary: Boundary) -> LinearOperator:
    """Give the blur of y (B, C, H, W) by one kernel (kh, kw), or by those of parts.

    ValueError for one of more than `SMALL` pixels that is more than twice as large as y.
    """
    sides, most = kernel.shape[-2:], [max(SMALL, 2 * side) for side in y.shape[-2:]]
    if sides[0] > most[0] or sides[1] > most[1]:
        raise ValueError(
            f"kernel: of {sides[1]} x {sides[0]} pixels for a photo of {y.shape[3]} x {y.shape[2]};"
            " give it in pixels of this photo"
        )
    if kernel.ndim == 2:
        return Blur(kernel.to(y), boundary)
    return GridBlur(kernel.to(y), y.shape[2], y.shape[3], boundary)


def _shares(knots: int, side: int, like: Tensor) -> list[tuple[int, Tensor]]:
    """The first place and the values of each knot's share along an axis."""
    places = (torch.arange(side).to(like) + 0.5) * knots / side - 0.5
    apart = (places.clamp(0, knots - 1) - torch.arange(knots).to(like)[:, None]).abs()
    shares = ((0.5 - apart) / RAMP + 0.5).clamp(0, 1)
    inside = [share.nonzero()[:, 0] for share in shares]
    return [
        (int(at[0]), share[at[0] : at[-1] + 1]) for at, share in zip(inside, shares, strict=True)
    ]


def _wrapped(wide: Tensor, margin: Size) -> Tensor:
    """The transpose of circular padding."""
    for axis, n in ((-2, margin[0]), (-1, margin[1])):
        if n:
            inner = wide.shape[axis] - 2 * n
            body = wide.narrow(axis, n, inner).clone()
            body.narrow(axis, inner - n, n).add_(wide.narrow(axis, 0, n))
            body.narrow(axis, 0, n).add_(wide.narrow(axis, n + inner, n))
            wide = body
    return wide
