"""z ~ N(mean, r^2 I) given y: the likelihood step that several solvers share.

With G the derivative of A D at the mean the density is Gaussian, and mean + d with

    (I + r^2 G^T G / sigma^2) d = r n + r^2 G^T (y - A D(mean) + sigma n') / sigma^2

is an exact draw of it (Orieux et al. 2012, arXiv:1105.5887); without n and n' it is the mode. Where
A is linear, its noise Gaussian and D has a linear part, G is known once for all, and the same draw
is a prox of the perturbed mean with perturbed data: in closed form, or with A's preconditioner,
where the general way takes two passes of automatic differentiation an iteration.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from operators.base import LinearOperator, Operator, conjugate_gradients
from operators.linearised import Bent
from operators.linearised import linearised as seen_near
from operators.measurement import Measurement
from operators.noise import Gaussian
from operators.seeds import Seeds
from priors.base import Prior
from priors.linear import Linear, linear
from priors.schedule import Level
from restore.solvers.base import QUANTISATION, deviation, linearised
from restore.solvers.space import Space, space

TOLERANCE = 0.01
"""Relative residual at which conjugate gradients stop; the same in float32 and float64."""

Draw = Callable[[Tensor, float], Tensor]
"""(mean, r) -> z, shaped as the mean."""


def conditional(
    measurement: Measurement[Any],
    prior: Prior,
    seeds: Seeds,
    *,
    iterations: int,
    temperature: float = 0.0,
) -> Draw:
    """The draw of z, D being its linear part where it has one, and A near the mean if it is Bent.

    n and n' are multiplied by the temperature; 0 draws nothing and gives the mode. iterations >= 1
    of conjugate gradients at most, where A is not linear or its noise not Gaussian.
    """
    if isinstance(measurement.operator, Bent):

        def draw(x: Tensor, spread: float) -> Tensor:
            seen = seen_near(measurement, prior.decode(x), spread * prior.unit)
            near = conditional(seen, prior, seeds, iterations=iterations, temperature=temperature)
            return near(x, spread)

        return draw
    if isinstance(measurement.operator, LinearOperator) and isinstance(measurement.noise, Gaussian):
        try:
            Linear(prior, measurement.y)
        except ValueError:  # states are no grid of patches, or the encoder bends
            pass
        else:
            return _by_prox(measurement, space(measurement, prior), seeds, temperature)
    return _by_derivative(measurement, prior, seeds, iterations, temperature)


def left_open(prior: Prior, level: Level, reach: float) -> float:
    """Standard deviation of z0 given z_t, where photos spread by `reach` on [0, 1], evenly."""
    return level.sigma / math.hypot(level.alpha, level.sigma * prior.unit / reach)


def _by_prox(
    measurement: Measurement[LinearOperator], where: Space, seeds: Seeds, temperature: float
) -> Draw:
    sigma = deviation(measurement)

    def draw(mean: Tensor, spread: float) -> Tensor:
        u = where.enter(mean)
        width = spread * where.unit
        error: Tensor | float = 0.0
        if temperature > 0:
            error = temperature * sigma * seeds.normal_like(measurement.y)
            u = u + temperature * width * seeds.normal_like(u)
        return where.leave(where.prox(u, (width / sigma) ** 2, error))

    return draw


def _by_derivative(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    iterations: int,
    temperature: float,
) -> Draw:
    decode = linear(prior, measurement.y).decode

    def draw(mean: Tensor, spread: float) -> Tensor:
        seen = measurement.operator(decode(mean))
        back, push = linearised(lambda z: measurement.operator(decode(z)), mean)
        variance = measurement.noise.variance(seen).clamp(min=QUANTISATION**2)
        residual, free = measurement.y - seen, torch.zeros_like(mean)
        if temperature > 0:
            residual = residual + temperature * variance.sqrt() * seeds.normal_like(seen)
            free = temperature * spread * seeds.normal_like(mean)
        return mean + conjugate_gradients(
            lambda d: d + spread**2 * back(push(d) / variance),
            free + spread**2 * back(residual / variance),
            x0=free,
            tolerance=TOLERANCE,
            iterations=iterations,
        )

    return draw
