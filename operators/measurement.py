"""A measurement: what was observed, by which operator, with which noise. y = A(x) + noise."""

from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Self, TypeVar

from torch import Tensor

from operators.base import Operator, Shape
from operators.moving import Target, moved
from operators.noise import Noise
from operators.seeds import Seeds

A = TypeVar("A", bound=Operator)
A_co = TypeVar("A_co", bound=Operator, covariant=True)


@dataclass(frozen=True, eq=False)
class Measurement(Generic[A_co]):
    """The observed y (B, ...), the operator and the noise that made it.

    ValueError when y holds NaN or infinity.
    """

    y: Tensor
    operator: A_co
    noise: Noise

    def __post_init__(self) -> None:
        require_finite("y", self.y)

    def residual(self, x: Tensor) -> Tensor:
        """Give y - A(x), shaped as y."""
        return self.y - self.operator(x)

    def misfit(self, x: Tensor) -> Tensor:
        """Give |y - A(x)|_2 per image, shape (B,); not squared."""
        distance: Tensor = self.residual(x).flatten(1).norm(dim=1)
        return distance

    def log_likelihood(self, x: Tensor) -> Tensor:
        """Give log p(y | x) per image, shape (B,); ValueError when the noise has sigma 0."""
        return self.noise.log_likelihood(self.y, self.operator(x))

    @property
    def image_shape(self) -> Shape:
        """The shape (B, C, H, W) of the images that are sought."""
        return self.operator.image_shape(tuple(self.y.shape))

    @cached_property
    def sigma(self) -> float:
        """The root of the mean noise variance, in the unit of the image; y stands for A(x)."""
        return float(self.noise.variance(self.y.double()).mean().sqrt())

    def to(self, *target: Target) -> Self:
        """Give a copy whose tensors, the operator's included, are moved as by Tensor.to."""
        return moved(self, *target)


def simulate(operator: A, noise: Noise, x: Tensor, seeds: Seeds) -> Measurement[A]:
    """Observe the images x (B, C, H, W): the noise is added to A(x) and never clipped.

    ValueError when x holds NaN or infinity, or seeds has not one seed an image.
    """
    require_finite("x", x)
    return Measurement(noise.sample(operator(x), seeds), operator, noise)


def require_finite(name: str, values: Tensor) -> None:
    """Raise ValueError when values holds NaN or infinity; a tensor without data passes."""
    wrong = 0 if values.is_meta else values.numel() - int(values.isfinite().sum())
    if wrong:
        raise ValueError(
            f"{name}: {wrong} of {values.numel()} values are NaN or infinite; put numbers there,"
            " and hide them behind a Mask where they are not known"
        )
