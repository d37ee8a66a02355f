"""Fewer pixels: y = W_h x W_w^T for separable filters, by whole factors and by any."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from operators.base import ClosedFormOperator, Shape
from operators.separable import SeparableGram, separable_gram

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
        require_factor(self.factor)
        _require_filter(self.filter)

    def __call__(self, x: Tensor) -> Tensor:
        """Shrink images (B, C, H, W) to (B, C, H / factor, W / factor)."""
        require_multiple(x, self.factor)
        rows, columns = (self._matrix(side, x) for side in x.shape[-2:])
        return rows @ (x @ columns.mT)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply W_h^T y W_w."""
        rows, columns = (self._matrix(self.factor * side, y) for side in y.shape[-2:])
        return rows.mT @ (y @ columns)

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape with the sides times factor."""
        return enlarged(y_shape, self.factor)

    def gram_solve(self, r: Tensor, damping: Tensor, start: Tensor | None = None) -> Tensor:
        """Solve by the eigenvectors of the two axes."""
        down, right = (_Axis.by(self.factor * side, self.factor) for side in r.shape[-2:])
        return _gram(down, right, self.filter, r.dtype, r.device).solve(r, damping)

    def _matrix(self, side: int, like: Tensor) -> Tensor:
        axis = _Axis.by(side, self.factor)
        return _matrix(axis, self.filter, like.dtype, like.device)


@dataclass(frozen=True, eq=False)
class Resize(ClosedFormOperator):
    """Shrink images of one size to another, by factors >= 1 that need not be whole.

    image: (H, W); size: (h, w); factors: of height and width, by default H / h and W / w; offsets:
    pixels of the image, down and right, by which all of size is moved over it. Output pixel k is
    centred on factor (k + 1/2) - 1/2 + offset; filters, borders and the Gram matrix are those of
    `Downsample`, which it is where factors are whole. ValueError for sizes or factors below one,
    an unknown filter, and images of another size.
    """

    image: tuple[int, int]
    size: tuple[int, int]
    filter: Filter = "bicubic"
    factors: tuple[float, float] | None = None
    offsets: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        _require_filter(self.filter)
        if min(self.size) < 1 or min(axis.factor for axis in self._axes) < 1:
            raise ValueError(f"size: got {self.size} of {self.image}; pass one that is smaller")

    def __call__(self, x: Tensor) -> Tensor:
        """Shrink images (B, C, H, W) to (B, C, h, w)."""
        if tuple(x.shape[-2:]) != self.image:
            raise ValueError(f"x: sides {tuple(x.shape[-2:])}; pass images of {self.image}")
        rows, columns = self._matrices(x)
        return rows @ (x @ columns.mT)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply W_h^T y W_w."""
        rows, columns = self._matrices(y)
        return rows.mT @ (y @ columns)

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape with the sides of the images."""
        return (*y_shape[:-2], *self.image)

    def gram_solve(self, r: Tensor, damping: Tensor, start: Tensor | None = None) -> Tensor:
        """Solve by the eigenvectors of the two axes."""
        return _gram(*self._axes, self.filter, r.dtype, r.device).solve(r, damping)

    @property
    def _axes(self) -> tuple["_Axis", "_Axis"]:
        return _axes(self.image, self.size, self.factors, self.offsets)

    def _matrices(self, like: Tensor) -> tuple[Tensor, Tensor]:
        down, right = (_matrix(axis, self.filter, like.dtype, like.device) for axis in self._axes)
        return down, right


class _Axis(NamedTuple):
    """Of `side` pixels `outputs` are made, whose centres lie a factor apart, moved by an offset."""

    side: int
    outputs: int
    factor: float
    offset: float = 0.0

    @classmethod
    def by(cls, side: int, factor: int) -> "_Axis":
        return cls(side, side // factor, factor)


def _axes(
    image: tuple[int, int],
    size: tuple[int, int],
    factors: tuple[float, float] | None,
    offsets: tuple[float, float],
) -> tuple[_Axis, _Axis]:
    each = factors or (image[0] / size[0], image[1] / size[1])
    down, right = map(_Axis, image, size, each, offsets)
    return down, right


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _matrix(axis: _Axis, name: Filter, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Give the matrix (outputs, side) of the filter, with mirrored borders."""
    kernel, support = _FILTERS[name]
    side, outputs, factor, offset = axis
    centres = factor * torch.arange(outputs, dtype=torch.float64) + (factor - 1) / 2 + offset
    reach = int(support * factor) + 1
    near = torch.arange(-reach, reach + 2, dtype=torch.float64)
    taps = centres.floor()[:, None] + near
    weights = kernel((taps - centres[:, None]) / factor)
    weights = weights / weights.sum(1, keepdim=True)
    position = taps.long() % (2 * side)
    position = torch.minimum(position, 2 * side - 1 - position)
    matrix = weights.new_zeros(outputs, side).scatter_add_(1, position, weights)
    return matrix.to(device, dtype)


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _gram(
    down: _Axis, right: _Axis, name: Filter, dtype: torch.dtype, device: torch.device
) -> SeparableGram:
    exact = (name, torch.float64, torch.device("cpu"))
    like = torch.empty(0, dtype=dtype, device=device)
    return separable_gram(_matrix(down, *exact), _matrix(right, *exact), like)


def _box(t: Tensor) -> Tensor:
    return (t.abs() < 0.5).to(t)


def bicubic(t: Tensor) -> Tensor:
    """Keys' cubic convolution with a = -1/2 (IEEE TASSP 1981)."""
    t = t.abs()
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return torch.where(t < 1, near, torch.where(t < 2, far, 0))


def lanczos(t: Tensor) -> Tensor:
    """A sinc of three lobes, by a wider one."""
    return torch.where(t.abs() < 3, torch.sinc(t) * torch.sinc(t / 3), 0)


_FILTERS: dict[Filter, tuple[Callable[[Tensor], Tensor], float]] = {
    "box": (_box, 0.5),
    "bicubic": (bicubic, 2),
    "lanczos": (lanczos, 3),
}


def enlarged(shape: Shape, factor: int) -> Shape:
    """The shape (..., H, W) with both sides times a factor."""
    *batch, height, width = shape
    return (*batch, factor * height, factor * width)


def _require_filter(name: Filter) -> None:
    if name not in get_args(Filter):
        raise ValueError(f"filter: got {name!r}; use one of {', '.join(get_args(Filter))}")


def require_factor(factor: int) -> None:
    """ValueError for what is no whole number >= 1."""
    if factor < 1 or factor != int(factor):
        raise ValueError(f"factor: got {factor}; pass an integer >= 1")


def require_multiple(x: Tensor, factor: int) -> None:
    """ValueError for images (..., H, W) whose sides a factor does not divide."""
    height, width = x.shape[-2:]
    if height % factor or width % factor:
        raise ValueError(
            f"x: sides {height} x {width} are no multiples of the factor {factor};"
            " cut or pad the image first"
        )
