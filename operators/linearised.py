"""Operators that bend, as linear ones near a picture x: A(z) ~ A(x) + J (z - x)."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, overload

import torch
from torch import Tensor

from operators.base import DiagonalGramOperator, LinearOperator, Operator, Shape
from operators.measurement import Measurement
from operators.noise import Gaussian, Uneven


@dataclass(frozen=True, eq=False)
class Bent(Operator):
    """An operator that is not linear and knows how to look like one near a picture."""

    @abstractmethod
    def linearised(
        self, measurement: Measurement[Any], x: Tensor | None, spread: float | None = None
    ) -> "Seen":
        """Give the measurement as J z + noise near the picture x (B, C, H, W).

        J x + y' = y - A(x): what is left to be explained. Values may be weighed, so that the noise
        is white, and weigh 0 where x explains all that they say. x None: nothing is known yet.
        spread > 0: by how much x may be wrong, on [0, 1], for what bends within it; None: not at
        all. The noise does not depend on x and spread.
        """

    def headroom(self, measurement: Measurement[Any]) -> Tensor | None:
        """Give how bright pictures may be, (B, 1, 1, 1), 1 for white; None: no image exceeds it."""
        return None

    def projected(self, measurement: Measurement[Any], x: Tensor) -> Tensor:
        """Give the picture nearest to x that keeps what is certain, not only likely, of y."""
        return x

    def told(self, measurement: Measurement[Any], x: Tensor) -> dict[str, Any]:
        """Give what is worth telling of the picture x besides the residual, JSON-able."""
        return {}

    def upright(self, measurement: Measurement[Any], residual: Tensor) -> Tensor:
        """Give values (B, C, h, w) of the residual of `linearised` where they lie in y."""
        return residual

    def chance(self, measurement: Measurement[Any], x: Tensor) -> Tensor:
        """Give the mean square that the residual of `linearised` has at the true x, in units of
        its variance; to broadcast against it: 1 where its noise is not bounded. A scalar where
        what is left is white.
        """
        return x.new_ones(())


Seen = Measurement[LinearOperator]
Linearisable = LinearOperator | Bent


@dataclass(frozen=True, eq=False)
class Diagonal(DiagonalGramOperator):
    """Multiply every value by one of its own: values (B or 1, C or 1, H or 1, W or 1)."""

    values: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Multiply."""
        return self.values.to(x) * x

    def adjoint(self, y: Tensor) -> Tensor:
        """Multiply."""
        return self.values.to(y) * y

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape."""
        return y_shape

    def gram(self, y: Tensor) -> Tensor:
        """Give the squares."""
        return self.values.to(y).square()


@overload
def linearised(
    measurement: Measurement[Linearisable], x: Tensor | None = None, spread: float | None = None
) -> Seen: ...
@overload
def linearised(
    measurement: Measurement[Operator], x: Tensor | None = None, spread: float | None = None
) -> Measurement[Operator]: ...
def linearised(
    measurement: Measurement[Any], x: Tensor | None = None, spread: float | None = None
) -> Measurement[Any]:
    """Give the measurement near the picture x, give or take a spread; weighed where its noise is
    uneven, else itself where its operator is not Bent.
    """
    operator, noise = measurement.operator, measurement.noise
    if isinstance(operator, Bent):
        return operator.linearised(measurement, x, spread)
    if not isinstance(noise, Uneven) or not isinstance(operator, LinearOperator):
        return measurement
    weights = 1 / noise.relative(measurement.y)
    seen = Diagonal(weights) @ operator
    return Measurement(weights * measurement.y, seen, Gaussian(noise.sigma))


def projected(measurement: Measurement[Any], x: Tensor) -> Tensor:
    """Give x with what is certain of y kept; itself where the operator is not Bent."""
    operator = measurement.operator
    return operator.projected(measurement, x) if isinstance(operator, Bent) else x


def expected(measurement: Measurement[Any], x: Tensor) -> Tensor | float:
    """Give the mean square of the residual of `linearised` at the true x over its variance."""
    operator = measurement.operator
    return operator.chance(measurement, x) if isinstance(operator, Bent) else 1.0


def upright(measurement: Measurement[Any], residual: Tensor) -> Tensor:
    """Give values of the residual of `linearised` where they lie in y."""
    operator = measurement.operator
    return operator.upright(measurement, residual) if isinstance(operator, Bent) else residual


def tangent(f: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Give f(x) and its slope where f acts on every value by itself."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = f(x)
        (slope,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), slope
