"""Operators A: what happened to the photo, y = A(x), and what is known of it (A^T, A^+, prox)."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import ClassVar, Self, overload

import torch
from torch import Tensor

from operators.moving import Target, moved
from operators.solve import conjugate_gradients, damped_reciprocal

__all__ = [
    "ClosedFormOperator",
    "Composed",
    "ComposedLinear",
    "DiagonalGramOperator",
    "Identity",
    "LinearOperator",
    "Operator",
    "Shape",
    "conjugate_gradients",
]

Shape = tuple[int, ...]
Weight = float | Tensor


@dataclass(frozen=True, eq=False)
class Operator(ABC):
    """A degradation of images x (B, C, H, W) in [0, 1]; a value, differentiable in x.

    The result follows the dtype and device of x. `A @ B` first applies B, then A.
    """

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Apply the operator to images (B, C, H, W)."""

    @abstractmethod
    def image_shape(self, y_shape: Shape) -> Shape:
        """Give the shape of the images whose measurements have shape y_shape."""

    def __matmul__(self, inner: "Operator") -> "Operator":
        return Composed(self, inner)

    def __repr__(self) -> str:
        shown = [f"{f.name}={_shown(getattr(self, f.name))}" for f in fields(self) if f.repr]
        return f"{type(self).__name__}({', '.join(shown)})"

    def to(self, *target: Target) -> Self:
        """Give a copy whose tensors are moved, as by Tensor.to; those of masks keep theirs."""
        return moved(self, *target)


@dataclass(frozen=True, eq=False, repr=False)
class LinearOperator(Operator):
    """A linear operator: __call__, image_shape and adjoint are all that an author must write.

    The rest follows by conjugate gradients; a closed form of gram_solve makes prox exact.
    """

    tolerance: ClassVar[float] = 0.05
    """Relative residual that `gram_solve` leaves: `photomend demo` is as good as with 0.02."""

    @property
    def gram_scale(self) -> float | None:
        """The number c where A A^T = c I (cropping: 1), which keeps closed forms through `@`."""
        return None

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the exact transpose: <A x, y> = <x, A^T y>."""

    def gram_solve(self, r: Tensor, damping: Tensor, start: Tensor | None = None) -> Tensor:
        """Solve (A A^T + damping I) s = r per image; damping >= 0 has shape (B or 1, 1, 1, 1).

        By conjugate gradients from start on, to a residual of `tolerance` |r|, 1e-4 in float64.
        """
        return conjugate_gradients(
            lambda s: torch.addcmul(self(self.adjoint(s)), damping, s),
            r,
            x0=start,
            preconditioner=self.preconditioner(r, damping),
            tolerance=1e-4 if r.dtype == torch.float64 else self.tolerance,
        )

    def preconditioner(self, r: Tensor, damping: Tensor) -> Callable[[Tensor], Tensor]:
        """Give a cheap positive definite approximation of (A A^T + damping I)^-1."""
        return lambda s: s

    def pinv(self, y: Tensor) -> Tensor:
        """Apply the pseudo-inverse: the shortest of the images that come closest to y."""
        return conjugate_gradients(lambda x: self.adjoint(self(x)), self.adjoint(y))

    def prox(self, x: Tensor, y: Tensor, weight: Weight) -> Tensor:
        """Minimise weight/2 |A z - y|^2 + 1/2 |z - x|^2 over z.

        weight >= 0 (infinity projects) is a number, or one an image (B,); ValueError when negative.
        By Woodbury z = x + A^T s with (A A^T + I / weight) s = y - A x, a system of the size of y.
        """
        return self.prox_from(x, y, weight)[0]

    def prox_from(
        self, x: Tensor, y: Tensor, weight: Weight, left: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """prox, and s / weight, which is y - A z: for a near x and a finite weight a start."""
        damping = _damping(weight, x)
        s = self.gram_solve(y - self(x), damping, None if left is None else left / damping)
        return x + self.adjoint(s), damping * s

    @overload
    def __matmul__(self, inner: "LinearOperator") -> "LinearOperator": ...
    @overload
    def __matmul__(self, inner: Operator) -> Operator: ...
    def __matmul__(self, inner: Operator) -> Operator:
        if isinstance(inner, LinearOperator):
            return ComposedLinear(self, inner)
        return Composed(self, inner)


@dataclass(frozen=True, eq=False, repr=False)
class ClosedFormOperator(LinearOperator):
    """A linear operator that solves its Gram system exactly, damping 0 meaning (A A^T)^+."""

    @abstractmethod
    def gram_solve(self, r: Tensor, damping: Tensor, start: Tensor | None = None) -> Tensor:
        """Apply (A A^T + damping I)^-1, or (A A^T)^+ where damping is 0."""

    def pinv(self, y: Tensor) -> Tensor:
        """Apply the pseudo-inverse A^T (A A^T)^+."""
        return self.adjoint(self.gram_solve(y, _damping(torch.inf, y)))


@dataclass(frozen=True, eq=False, repr=False)
class DiagonalGramOperator(ClosedFormOperator):
    """A linear operator whose A A^T is diagonal: masks, crops, colour mixing."""

    @abstractmethod
    def gram(self, y: Tensor) -> Tensor:
        """Give the diagonal of A A^T, which broadcasts against y and follows its dtype."""

    def gram_solve(self, r: Tensor, damping: Tensor, start: Tensor | None = None) -> Tensor:
        """Divide by the diagonal."""
        return r * damped_reciprocal(self.gram(r), damping)


@dataclass(frozen=True, eq=False)
class Identity(DiagonalGramOperator):
    """Nothing happened but noise: y = x."""

    @property
    def gram_scale(self) -> float:
        """One: A A^T = I."""
        return 1.0

    def __call__(self, x: Tensor) -> Tensor:
        """Give x."""
        return x

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape."""
        return y_shape

    def adjoint(self, y: Tensor) -> Tensor:
        """Give y."""
        return y

    def gram(self, y: Tensor) -> Tensor:
        """Give one."""
        return y.new_ones(())


@dataclass(frozen=True, eq=False)
class Composed(Operator):
    """outer(inner(x)), written outer @ inner."""

    outer: Operator
    inner: Operator

    def __call__(self, x: Tensor) -> Tensor:
        """Apply inner, then outer."""
        return self.outer(self.inner(x))

    def image_shape(self, y_shape: Shape) -> Shape:
        """Walk back through both operators."""
        return self.inner.image_shape(self.outer.image_shape(y_shape))


@dataclass(frozen=True, eq=False)
class ComposedLinear(Composed, LinearOperator):
    """outer(inner(x)) of two linear operators."""

    outer: LinearOperator
    inner: LinearOperator

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply inner^T outer^T."""
        return self.inner.adjoint(self.outer.adjoint(y))

    @property
    def gram_scale(self) -> float | None:
        """The product of both scales, where both have one."""
        outer, inner = self.outer.gram_scale, self.inner.gram_scale
        return None if outer is None or inner is None else outer * inner

    def gram_solve(self, r: Tensor, damping: Tensor, start: Tensor | None = None) -> Tensor:
        """Use outer's solution where inner inner^T = c I, as then A A^T = c outer outer^T."""
        scale = self.inner.gram_scale
        if scale is None:
            return super().gram_solve(r, damping, start)
        started = None if start is None else start * scale
        return self.outer.gram_solve(r, damping / scale, started) / scale

    def pinv(self, y: Tensor) -> Tensor:
        """Use inner^+ outer^+ where inner inner^T = c I, conjugate gradients otherwise."""
        if self.inner.gram_scale is None:
            return super().pinv(y)
        return self.inner.pinv(self.outer.pinv(y))


def _shown(value: object) -> str:
    if isinstance(value, Tensor):
        return f"<{' x '.join(map(str, value.shape))} {str(value.dtype).removeprefix('torch.')}>"
    return repr(value)


def _damping(weight: Weight, x: Tensor) -> Tensor:
    if not isinstance(weight, Tensor) and not weight >= 0:
        raise ValueError(f"weight: got {weight}; pass a number >= 0, or one an image (B,)")
    # A number is written on x's device: were it copied there, a graphics card would be waited for.
    weights = weight.to(x) if isinstance(weight, Tensor) else x.new_full((1,), weight)
    weights = weights.reshape(-1, *[1] * (x.ndim - 1))
    return weights.reciprocal().clamp(max=1e12)  # 0 leaves x as it is: infinity would make it NaN
