"""Noise models p(y | clean), clean = A(x): samples, log-likelihood and its gradient in clean."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from operators.seeds import Seeds


class Noise(Protocol):
    """What a measurement asks of its noise; tensors are (B, ...) and sums keep the batch axis."""

    def sample(self, clean: Tensor, seeds: Seeds) -> Tensor:
        """Draw y given the clean measurement, never clipped."""
        ...

    def variance(self, clean: Tensor) -> Tensor:
        """Give the noise variance of every value, shaped as clean."""
        ...

    def log_likelihood(self, y: Tensor, clean: Tensor) -> Tensor:
        """Give log p(y | clean) per image, shape (B,)."""
        ...

    def score(self, y: Tensor, clean: Tensor) -> Tensor:
        """Give the gradient of log_likelihood in clean, shaped as clean."""
        ...


@dataclass(frozen=True)
class Gaussian:
    """White Gaussian noise: y = clean + sigma n, sigma >= 0 in the unit of the image ([0, 1])."""

    sigma: float

    def __post_init__(self) -> None:
        _require_non_negative("Gaussian.sigma", self.sigma)

    def sample(self, clean: Tensor, seeds: Seeds) -> Tensor:
        """Draw y, shaped as clean; ValueError when seeds does not match the batch."""
        return clean + self.sigma * seeds.normal_like(clean)

    def variance(self, clean: Tensor) -> Tensor:
        """Give sigma^2 everywhere."""
        return torch.full_like(clean, self.sigma**2)

    def log_likelihood(self, y: Tensor, clean: Tensor) -> Tensor:
        """Give log N(y; clean, sigma^2 I) per image (B,); ValueError when sigma is 0."""
        _require_positive("Gaussian.sigma", self.sigma, _ADVICE)
        return _normal_log_density(y - clean, self.variance(clean))

    def score(self, y: Tensor, clean: Tensor) -> Tensor:
        """Give (y - clean) / sigma^2; ValueError when sigma is 0."""
        _require_positive("Gaussian.sigma", self.sigma, _ADVICE)
        return (y - clean) / self.sigma**2


@dataclass(frozen=True)
class PoissonGaussian:
    """Shot and read noise: y = gain Poisson(clean / gain) + sigma n.

    gain > 0 is the signal of one photon on the [0, 1] scale, sigma >= 0 the read noise. The
    likelihood is the usual heteroscedastic Gaussian with variance gain clean + sigma^2
    (Foi et al., IEEE TIP 2008), negative clean values counting as 0 in the variance.
    """

    gain: float
    sigma: float

    def __post_init__(self) -> None:
        _require_positive("PoissonGaussian.gain", self.gain)
        _require_non_negative("PoissonGaussian.sigma", self.sigma)

    def sample(self, clean: Tensor, seeds: Seeds) -> Tensor:
        """Draw y, shaped as clean; ValueError when seeds does not match the batch."""
        shot = self.gain * seeds.poisson(clean.clamp(min=0) / self.gain)
        return shot + self.sigma * seeds.normal_like(clean)

    def variance(self, clean: Tensor) -> Tensor:
        """Give gain clean + sigma^2."""
        return self.gain * clean.clamp(min=0) + self.sigma**2

    def log_likelihood(self, y: Tensor, clean: Tensor) -> Tensor:
        """Give log N(y; clean, gain clean + sigma^2) per image (B,); ValueError when sigma is 0."""
        _require_positive("PoissonGaussian.sigma", self.sigma, _ADVICE)
        return _normal_log_density(y - clean, self.variance(clean))

    def score(self, y: Tensor, clean: Tensor) -> Tensor:
        """Give the gradient, the variance's own share included; ValueError when sigma is 0."""
        _require_positive("PoissonGaussian.sigma", self.sigma, _ADVICE)
        variance, difference = self.variance(clean), y - clean
        slope = self.gain * (clean > 0).to(clean)
        return difference / variance + slope / 2 * (difference**2 / variance - 1) / variance


@dataclass(frozen=True, eq=False)
class Uneven:
    """White Gaussian noise of an image that is stronger in some places: sigma times a factor.

    factors > 0 (B or 1, 1, rows, columns): of places that divide the image evenly, linear between
    their middles. sigma > 0 in the unit of the image. ValueError for others.
    """

    sigma: float
    factors: Tensor

    def __post_init__(self) -> None:
        _require_positive("Uneven.sigma", self.sigma)
        shape = tuple(self.factors.shape)
        least = math.inf if self.factors.is_meta else float(self.factors.min())
        if len(shape) != 4 or shape[1] != 1 or not least > 0:
            raise ValueError(
                f"Uneven.factors: got shape {shape}, least {least:.3g}; pass (B, 1, rows, columns)"
                " of factors > 0"
            )

    def __repr__(self) -> str:
        """Tell the range of factors."""
        least, most = (float(one) for one in self.factors.aminmax())
        return f"Uneven(sigma={self.sigma:.4g}, factors={least:.3g} to {most:.3g})"

    def relative(self, image: Tensor) -> Tensor:
        """Give the factor of every pixel of an image (B, C, h, w), (B or 1, 1, h, w)."""
        size = tuple(image.shape[2:])
        return interpolate(self.factors.to(image), size, mode="bilinear", align_corners=False)

    def sample(self, clean: Tensor, seeds: Seeds) -> Tensor:
        """Draw y, shaped as clean; ValueError when seeds does not match the batch."""
        return clean + self.sigma * self.relative(clean) * seeds.normal_like(clean)

    def variance(self, clean: Tensor) -> Tensor:
        """Give (sigma factor)^2."""
        return (self.sigma * self.relative(clean)).square().expand_as(clean)

    def log_likelihood(self, y: Tensor, clean: Tensor) -> Tensor:
        """Give log p(y | clean) per image (B,)."""
        return _normal_log_density(y - clean, self.variance(clean))

    def score(self, y: Tensor, clean: Tensor) -> Tensor:
        """Give (y - clean) / (sigma factor)^2."""
        return (y - clean) / self.variance(clean)


_ADVICE = ", as a likelihood has noise; the rounding of 8 bits alone is one of 0.0011"


def _normal_log_density(difference: Tensor, variance: Tensor) -> Tensor:
    terms = difference**2 / variance + torch.log(2 * math.pi * variance)
    return -terms.flatten(1).sum(1) / 2


def _require_non_negative(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name}: got {value}; pass a finite number >= 0 on the [0, 1] scale")


def _require_positive(name: str, value: float, advice: str = "") -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name}: got {value}; a finite number > 0 is needed here{advice}")
