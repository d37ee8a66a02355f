"""Priors in closed form: Gaussians and their mixtures, whose denoisers and posteriors are exact."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import linear

from priors.base import Prior, Shape
from priors.schedule import Level, Schedule


class LinearMeasurement(Protocol):
    """y = A x + N(0, sigma^2), with a linear or affine `operator`; what `posterior` reads."""

    @property
    def y(self) -> Tensor: ...
    @property
    def operator(self) -> Callable[[Tensor], Tensor]: ...
    @property
    def sigma(self) -> float: ...
    @property
    def image_shape(self) -> Shape: ...


@dataclass(frozen=True, eq=False)
class LinearDecoder:
    """picture = matrix @ state + offset: matrix (N, D) of full column rank, offset (N,).

    shape is (C, H, W) of the picture, with N = C H W. The encoder is the pseudo-inverse.
    """

    matrix: Tensor
    offset: Tensor
    shape: Shape

    def __post_init__(self) -> None:
        if self.matrix.shape[0] != math.prod(self.shape) or len(self.offset) != len(self.matrix):
            raise ValueError(
                f"matrix {tuple(self.matrix.shape)} and offset {tuple(self.offset.shape)} "
                f"do not fit pictures of shape {self.shape}"
            )

    @cached_property
    def inverse(self) -> Tensor:
        inverse: Tensor = torch.linalg.pinv(self.matrix.double())
        return inverse

    def __call__(self, x: Tensor) -> Tensor:
        flat: Tensor = linear(x, self.matrix.to(x), self.offset.to(x))
        picture: Tensor = flat.view(-1, *self.shape)
        return picture

    def encode(self, image: Tensor) -> Tensor:
        state: Tensor = linear(image.flatten(1) - self.offset.to(image), self.inverse.to(image))
        return state


@dataclass(frozen=True, eq=False)
class GaussianMixturePrior(Prior):
    """x_0 ~ sum_k weights_k N(means_k, covariances_k) on flattened states.

    weights (K,) sum to 1, means are (K, D), covariances (K, D, D).
    With a decoder states are (B, D) and pictures its output; without one, states are pictures with
    D = C H W. Matrices are held and inverted in float64; states keep their own dtype.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor
    schedule: Schedule
    decoder: LinearDecoder | None = None
    multiple: int = field(default=1, init=False)
    unit: float = field(default=1.0, init=False)

    def __post_init__(self) -> None:
        count, size = self.means.shape
        if self.weights.shape != (count,) or self.covariances.shape != (count, size, size):
            raise ValueError(
                f"weights {tuple(self.weights.shape)}, means {tuple(self.means.shape)} and "
                f"covariances {tuple(self.covariances.shape)} must be (K,), (K, D) and (K, D, D)"
            )
        if self.decoder is not None:
            rows = self.decoder.matrix.double()
            object.__setattr__(self, "unit", rows.square().sum(1).mean().sqrt().item())

    @cached_property
    def _spectra(self) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eigh(self.covariances.double())
        return values.clamp(min=0), vectors

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        values, vectors = (part.to(x.device) for part in self._spectra)
        noisy = level.alpha**2 * values + level.sigma**2
        means, flat = self.means.to(x), x.flatten(1)
        apart = flat - level.alpha * means[:, None]  # (K, B, D)
        gain = vectors * (level.alpha * values / noisy)[:, None] @ vectors.mT
        each = means[:, None] + apart @ gain.to(x)
        if len(means) == 1:
            return each[0].view_as(x)
        whitened = apart.double() @ vectors * noisy.rsqrt()[:, None]
        score = self.weights.double().to(x.device).log() - noisy.log().sum(-1) / 2
        share = torch.softmax(score[:, None] - whitened.square().sum(-1) / 2, dim=0)
        return (share.to(x)[..., None] * each).sum(0).view_as(x)

    def encode(self, image: Tensor) -> Tensor:
        return image if self.decoder is None else self.decoder.encode(image)

    def decode(self, x: Tensor) -> Tensor:
        return x if self.decoder is None else self.decoder(x)

    def state_shape(self, image_shape: Shape) -> Shape:
        if math.prod(image_shape[1:]) != self._pixels:
            raise ValueError(f"this prior is of {self._pixels} values a picture, not {image_shape}")
        return image_shape if self.decoder is None else (image_shape[0], self.means.shape[1])

    @property
    def _pixels(self) -> int:
        return self.means.shape[1] if self.decoder is None else len(self.decoder.matrix)

    def components(self, measurement: LinearMeasurement) -> tuple[Tensor, Tensor, Tensor]:
        """The exact posterior of the state: weights (B, K), means (B, K, D), covariances (K, D, D).

        The operator is made dense, column by column, in float64.
        """
        dimension = self.means.shape[1]
        shape = self.state_shape(measurement.image_shape)[1:]
        probes = torch.eye(dimension, dtype=torch.float64).view(-1, *shape)
        offset = measurement.operator(self.decode(torch.zeros_like(probes[:1]))).flatten(1)
        dense = (measurement.operator(self.decode(probes)).flatten(1) - offset).T  # (m, D)
        means, prior = self.means.double(), self.covariances.double()
        noise = measurement.sigma**2 * torch.eye(len(dense), dtype=torch.float64)
        spread = dense @ prior @ dense.T + noise  # (K, m, m): of y, under each component
        gain = torch.linalg.solve(spread, dense @ prior).mT  # (K, D, m)
        apart = measurement.y.double().flatten(1)[:, None] - offset - means @ dense.T  # (B, K, m)
        posterior_means = means + (gain @ apart[..., None]).squeeze(-1)
        posterior = prior - gain @ dense @ prior
        energy = (apart * torch.linalg.solve(spread, apart[..., None]).squeeze(-1)).sum(-1)
        log_weights = self.weights.double().log() - (energy + torch.logdet(spread)) / 2
        return torch.softmax(log_weights, dim=-1), posterior_means, (posterior + posterior.mT) / 2


class GaussianPrior(GaussianMixturePrior):
    """x_0 ~ N(mean, covariance): (D,) and (D, D), on flattened states; the mixture of one."""

    def __init__(
        self,
        mean: Tensor,
        covariance: Tensor,
        schedule: Schedule,
        decoder: LinearDecoder | None = None,
    ) -> None:
        one = torch.ones(1, dtype=torch.float64)
        super().__init__(one, mean[None], covariance[None], schedule, decoder)

    def posterior(self, measurement: LinearMeasurement) -> tuple[Tensor, Tensor]:
        """Exact posterior of the flattened state: mean (B, D), covariance (D, D), in float64."""
        _, means, covariances = self.components(measurement)
        return means[:, 0], covariances[0]
