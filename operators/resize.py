"""Fewer pixels: y = W_h x W_w^T for separable filters, and plain decimation."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args, overload

import torch
from torch import Tensor

from operators.base import (
    ClosedFormOperator,
    DiagonalGramOperator,
    LinearOperator,
    Operator,
    Shape,
)
from operators.blur import Blur
from operators.convolution import filtered
from operators.separable import SeparableGram, separable_gram
from operators.solve import damped_reciprocal

Filter = Literal["box", "bicubic", "lanczos"]


@dataclass(frozen=True, eq=False)
class Downsample(ClosedFormOperator):
    """Shrink by an integer factor with an antialiased separable filter.

    Output pixel k is centred on factor k + (factor - 1) / 2; the weights sum to one; borders are
    mirrored with the edge repeated. filter: box, bicubic (a = -0.5) or lanczos (three lobes). The
    Gram matrix W_h W_h^T (x) W_w W_w^T is solved by the eigenvectors of its two small factors.
    ValueError for another factor or filter, and for sides that the factor does not divide.
    """

    factor: int
    filter: Filter = "bicubic"

    def __post_init__(self) -> None:
        _require_factor(self.factor)
        if self.filter not in get_args(Filter):
            raise ValueError(
                f"filter: got {self.filter!r}; use one of {', '.join(get_args(Filter))}"
            )

    def __call__(self, x: Tensor) -> Tensor:
        """Shrink images (B, C, H, W) to (B, C, H / factor, W / factor)."""
        _require_multiple(x, self.factor)
        rows, columns = (self._matrix(side, x) for side in x.shape[-2:])
        return rows @ (x @ columns.mT)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply W_h^T y W_w."""
        rows, columns = (self._matrix(self.factor * side, y) for side in y.shape[-2:])
        return rows.mT @ (y @ columns)

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape with the sides times factor."""
        return _enlarged(y_shape, self.factor)

    def gram_solve(self, r: Tensor, damping: Tensor, start: Tensor | None = None) -> Tensor:
        """Solve by the eigenvectors of the two axes."""
        height, width = (self.factor * side for side in r.shape[-2:])
        gram = _gram(height, width, self.factor, self.filter, r.dtype, r.device)
        return gram.solve(r, damping)

    def _matrix(self, side: int, like: Tensor) -> Tensor:
        return _matrix(side, self.factor, self.filter, like.dtype, like.device)


@dataclass(frozen=True, eq=False)
class Decimate(DiagonalGramOperator):
    """Keep every factor-th pixel, from (0, 0) on; behind a circular Blur still in closed form.

    ValueError for a factor below 1, and for sides that the factor does not divide.
    """

    factor: int

    def __post_init__(self) -> None:
        _require_factor(self.factor)

    @property
    def gram_scale(self) -> float:
        """One: A A^T = I."""
        return 1.0

    def __call__(self, x: Tensor) -> Tensor:
        """Keep pixels of images (B, C, H, W)."""
        _require_multiple(x, self.factor)
        return x[..., :: self.factor, :: self.factor]

    def adjoint(self, y: Tensor) -> Tensor:
        """Put zeros between the pixels."""
        x = y.new_zeros(self.image_shape(tuple(y.shape)))
        x[..., :: self.factor, :: self.factor] = y
        return x

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape with the sides times factor."""
        return _enlarged(y_shape, self.factor)

    def gram(self, y: Tensor) -> Tensor:
        """Give one."""
        return y.new_ones(())

    @overload
    def __matmul__(self, inner: LinearOperator) -> LinearOperator: ...
    @overload
    def __matmul__(self, inner: Operator) -> Operator: ...
    def __matmul__(self, inner: Operator) -> Operator:
        if isinstance(inner, Blur) and inner.boundary == "circular":
            return DecimatedBlur(inner, self)
        return super().__matmul__(inner)


@dataclass(frozen=True, eq=False)
class DecimatedBlur(ClosedFormOperator):
    """A circular blur, then decimation; write Decimate(factor) @ Blur(kernel, "circular").

    A A^T is circulant on the small grid: its eigenvalues are the means of |F k|^2 over the
    frequencies that alias (Zhao et al., IEEE TIP 2016; Zhang et al., CVPR 2020, arXiv:2003.10428).
    """

    blur: Blur
    decimate: Decimate

    def __call__(self, x: Tensor) -> Tensor:
        """Blur and decimate images (B, C, H, W)."""
        return self.decimate(self.blur(x))

    def adjoint(self, y: Tensor) -> Tensor:
        """Put zeros between the pixels and correlate."""
        return self.blur.adjoint(self.decimate.adjoint(y))

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape with the sides times factor."""
        return self.decimate.image_shape(y_shape)

    def gram_solve(self, r: Tensor, damping: Tensor, start: Tensor | None = None) -> Tensor:
        """Divide by the aliased power spectrum."""
        factor, (height, width) = self.decimate.factor, r.shape[-2:]
        size = (factor * height, factor * width)
        power = _full_spectrum(self.blur.power(size, r), size[1])
        aliased = power.reshape(factor, height, factor, width).mean((0, 2))
        inverse = damped_reciprocal(aliased[:, : width // 2 + 1], damping)
        return filtered(r, inverse, (height, width))


def _full_spectrum(half: Tensor, width: int) -> Tensor:
    """Complete the even function that rfft2 gives for half of the columns only."""
    mirrored = half.roll(-1, 0).flip(0)
    return torch.cat([half, mirrored[:, 1 : (width + 1) // 2].flip(1)], dim=1)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _matrix(
    side: int, factor: int, name: Filter, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Give the matrix (side / factor, side) of the filter, with mirrored borders."""
    kernel, support = _FILTERS[name]
    outputs = torch.arange(side // factor, dtype=torch.float64)
    centres = factor * outputs + (factor - 1) / 2
    reach = int(support * factor) + 1
    taps = torch.arange(-reach, reach + factor, dtype=torch.float64) + factor * outputs[:, None]
    weights = kernel((taps - centres[:, None]) / factor)
    weights = weights / weights.sum(1, keepdim=True)
    position = taps.long() % (2 * side)
    position = torch.minimum(position, 2 * side - 1 - position)
    matrix = weights.new_zeros(len(outputs), side).scatter_add_(1, position, weights)
    return matrix.to(device, dtype)


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _gram(
    height: int, width: int, factor: int, name: Filter, dtype: torch.dtype, device: torch.device
) -> SeparableGram:
    exact = (factor, name, torch.float64, torch.device("cpu"))
    like = torch.empty(0, dtype=dtype, device=device)
    return separable_gram(_matrix(height, *exact), _matrix(width, *exact), like)


def _box(t: Tensor) -> Tensor:
    return (t.abs() < 0.5).to(t)


def _bicubic(t: Tensor) -> Tensor:
    """Keys' cubic convolution with a = -1/2 (IEEE TASSP 1981)."""
    t = t.abs()
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return torch.where(t < 1, near, torch.where(t < 2, far, 0))


def _lanczos(t: Tensor) -> Tensor:
    return torch.where(t.abs() < 3, torch.sinc(t) * torch.sinc(t / 3), 0)


_FILTERS: dict[Filter, tuple[Callable[[Tensor], Tensor], float]] = {
    "box": (_box, 0.5),
    "bicubic": (_bicubic, 2),
    "lanczos": (_lanczos, 3),
}


def _enlarged(shape: Shape, factor: int) -> Shape:
    *batch, height, width = shape
    return (*batch, factor * height, factor * width)


def _require_factor(factor: int) -> None:
    if factor < 1 or factor != int(factor):
        raise ValueError(f"factor: got {factor}; pass an integer >= 1")


def _require_multiple(x: Tensor, factor: int) -> None:
    height, width = x.shape[-2:]
    if height % factor or width % factor:
        raise ValueError(
            f"x: sides {height} x {width} are no multiples of the factor {factor};"
            " cut or pad the image first"
        )
