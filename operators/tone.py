"""What a camera does to brightness: the sRGB curve, saturation, a few bits."""

from dataclasses import dataclass

import torch
from torch import Tensor

from operators.base import Operator, Shape


@dataclass(frozen=True, eq=False)
class Pointwise(Operator):
    """An operator that acts on every value by itself."""

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape."""
        return y_shape


@dataclass(frozen=True, eq=False)
class Gamma(Pointwise):
    """Encode linear light as sRGB (IEC 61966-2-1); both on [0, 1], straight on below 0."""

    def __call__(self, x: Tensor) -> Tensor:
        """Encode."""
        # The clamp keeps the power's infinite slope at 0 out of the gradient.
        curve = 1.055 * x.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
        return torch.where(x <= 0.0031308, 12.92 * x, curve)

    def inverse(self, y: Tensor) -> Tensor:
        """Decode sRGB to linear light."""
        curve = ((y.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
        return torch.where(y <= 0.04045, y / 12.92, curve)


@dataclass(frozen=True, eq=False)
class Clip(Pointwise):
    """Saturate to [0, 1]; the gradient vanishes outside, where the sensor saw nothing."""

    def __call__(self, x: Tensor) -> Tensor:
        """Clip."""
        return x.clamp(0, 1)


@dataclass(frozen=True, eq=False)
class Quantize(Pointwise):
    """Round [0, 1] to 2^bits levels; gradients pass straight through the rounding.

    bits from 1 to 16, else ValueError.
    """

    bits: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 16:
            raise ValueError(f"bits: got {self.bits}; pass 1 to 16")

    def __call__(self, x: Tensor) -> Tensor:
        """Round."""
        steps = (1 << self.bits) - 1
        return straight_through_round(x * steps) / steps


def straight_through_round(x: Tensor) -> Tensor:
    """Round, with the gradient of the identity (Bengio et al. 2013, arXiv:1308.3432)."""
    return x + (x.round() - x).detach()
