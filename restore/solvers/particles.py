"""Particles: P states an image, shaped (B, P, ...), with log-weights (B, P).

Every image has its own particles, weights and stream of numbers: alone it is what it is in a batch.
"""

from typing import Any, Self

import torch
from torch import Tensor

from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import Level
from restore.solvers.base import Function, State


class Cloud(State):
    """A State of one particle that knows them all, for those who ask how many there really are.

    particles (B, P, ...) are states at the level of x, weights (B, P) sum to 1.
    """

    particles: Tensor
    weights: Tensor

    @property
    def effective(self) -> Tensor:
        """The effective sample size (B,): from 1, where one particle has all the weight, to P."""
        return effective(self.weights)

    def _replace(self, **changes: Any) -> Self:
        """With other fields; the particles stay."""
        cloud: Self = super()._replace(**changes)
        cloud.particles, cloud.weights = self.particles, self.weights
        return cloud


def heaviest(step: int, steps: int, x: Tensor, x0: Tensor, log_weights: Tensor) -> Cloud:
    """The particle of most weight, of all x and x0 (B, P, ...)."""
    weights = log_weights.double().softmax(1)
    return _cloud(step, steps, x, x0, weights, weights.argmax(1, keepdim=True))


def drawn(steps: int, x: Tensor, log_weights: Tensor, seeds: Seeds) -> Cloud:
    """The end of a solver: a particle drawn by weight, of all x (B, P, ...)."""
    weights = log_weights.double().softmax(1)
    index = _first_above(weights, seeds.uniform_like(weights[:, :1]))
    return _cloud(steps, steps, x, x, weights, index)


def start(
    measurement: Measurement[Any], prior: Prior, level: Level, seeds: Seeds, count: int
) -> Tensor:
    """Particles (B, count, ...) of pure noise of the level's sigma; ValueError for count < 1."""
    if count < 1:
        raise ValueError(f"particles: got {count}; at least 1 is needed")
    images, *shape = prior.state_shape(measurement.image_shape)
    return level.sigma * seeds.normal_like(measurement.y.new_empty(images, count, *shape))


def denoised(prior: Prior, x: Tensor, level: Level) -> Tensor:
    """E[x_0 | x_t] of all particles, in one batch of B P states."""
    return prior.denoise(x.flatten(0, 1), level).view_as(x)


def each(f: Function, x: Tensor) -> Tensor:
    """f of all particles (B, P, ...), for an f that knows the B images, as an operator may.

    A call a particle, or a single one where there is one image.
    """
    if len(x) == 1:
        return f(x[0])[None]
    return torch.stack([f(particle) for particle in x.unbind(1)], dim=1)


def survivors(log_weights: Tensor, threshold: float, seeds: Seeds) -> tuple[Tensor, Tensor]:
    """Indices (B, P) of the particles that go on, and their log-weights.

    Where the effective sample size is below threshold P, systematic resampling: particle p occurs
    P weight_p times, rounded up or down, and all weigh the same; elsewhere all go on as they are.
    """
    weights = log_weights.double().softmax(1)
    count = weights.shape[1]
    order = torch.arange(count, device=weights.device)
    index = _first_above(weights, (seeds.uniform_like(weights[:, :1]) + order) / count)
    poor = (effective(weights) < threshold * count)[:, None]
    return torch.where(poor, index, order), torch.where(poor, 0.0, log_weights)


def effective(weights: Tensor) -> Tensor:
    """Effective sample size (B,) of weights (B, P) of sum 1."""
    return weights.square().sum(1).reciprocal()


def take(x: Tensor, index: Tensor) -> Tensor:
    """The particles (B, Q, ...) of the indices (B, Q)."""
    return x.take_along_dim(index.view(*index.shape, *[1] * (x.ndim - 2)), 1)


def _first_above(weights: Tensor, places: Tensor) -> Tensor:
    """The first index at which the cumulated weights (B, P) exceed the places (B, Q) in [0, 1)."""
    index = torch.searchsorted(weights.cumsum(1), places, right=True)
    return index.clamp(max=weights.shape[1] - 1)


def _cloud(step: int, steps: int, x: Tensor, x0: Tensor, weights: Tensor, index: Tensor) -> Cloud:
    cloud = Cloud(step, steps, take(x, index).squeeze(1), take(x0, index).squeeze(1))
    cloud.particles, cloud.weights = x, weights
    return cloud
