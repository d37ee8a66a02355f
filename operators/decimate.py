"""Every so many pixels kept, after a blur or none."""

from dataclasses import dataclass
from typing import overload

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
from operators.resize import enlarged, require_factor, require_multiple
from operators.solve import damped_reciprocal


@dataclass(frozen=True, eq=False)
class Decimate(DiagonalGramOperator):
    """Keep every factor-th pixel, from (0, 0) on; behind a circular Blur still in closed form.

    ValueError for a factor below 1, and for sides that the factor does not divide.
    """

    factor: int

    def __post_init__(self) -> None:
        require_factor(self.factor)

    @property
    def gram_scale(self) -> float:
        """One: A A^T = I."""
        return 1.0

    def __call__(self, x: Tensor) -> Tensor:
        """Keep pixels of images (B, C, H, W)."""
        require_multiple(x, self.factor)
        return x[..., :: self.factor, :: self.factor]

    def adjoint(self, y: Tensor) -> Tensor:
        """Put zeros between the pixels."""
        x = y.new_zeros(self.image_shape(tuple(y.shape)))
        x[..., :: self.factor, :: self.factor] = y
        return x

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape with the sides times factor."""
        return enlarged(y_shape, self.factor)

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
