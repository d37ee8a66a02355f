"""Decoupled annealing posterior sampling (Zhang et al., CVPR 2025, arXiv:2407.01521); with latents,
LatentDAPS.

    for t in falling levels:
        z0^ <- a short probability-flow ODE from z_t
        z0  ~  exp(-|z0 - z0^|^2 / (2 r^2)) p(y | D(z0))
        z_s ~ N(alpha_s z0, sigma_s^2 I)

The last z0^ is the sample. Five things differ from the paper.

- z0 is drawn by perturbation and conjugate gradients, not by Langevin steps: with G the derivative
  of A D at z0^ the density is Gaussian, and z0^ + d with
  (I + r^2 G^T G / sigma^2) d = r n + r^2 G^T (y - A D(z0^) + sigma n') / sigma^2
  is an exact draw of it (Orieux et al. 2012, arXiv:1105.5887). A hundred Langevin steps are not,
  where A is ill-conditioned, and cost as many gradients.
- D is its linear part where it has one (`priors.linear`); G would otherwise hold its whims.
- r^2 = 1 / (alpha_t^2 / sigma_t^2 + unit^2 / reach^2): a photo leaves no more open than its own
  spread, and at alpha_t = 0 the draw is still finite. For a Gaussian prior of that spread it is
  exact.
- n and n' are multiplied by a temperature. What a photo leaves open is no white noise, and white
  noise of r that the next level is not told of is not removed again. 1 is for Gaussian priors,
  whose posterior it samples all but exactly.
- The sample is the estimate before the last draw, as that one returns noise of the data.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from operators.base import Operator, conjugate_gradients
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.linear import linear
from priors.schedule import Level
from restore.solvers.base import (
    QUANTISATION,
    Function,
    State,
    linearised,
    move,
    start,
    to_clean,
)

TOLERANCE = 0.01
"""Relative residual at which conjugate gradients stop; the same in float32 and float64."""


@torch.no_grad()
def daps(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 30,
    ode_steps: int = 1,
    iterations: int = 30,
    reach: float = 0.25,
    temperature: float = 0.2,
) -> Iterator[State]:
    """Sample by annealing, with the likelihood sampled apart from the network.

    steps, ode_steps >= 1 with steps * ode_steps network evaluations; iterations >= 1 of conjugate
    gradients a step, at most; reach > 0 is the spread of photos, on [0, 1]; temperature in [0, 1],
    0 for the mode in the place of the draw, 1 for the draw itself. Any operator and noise.
    """
    levels = prior.schedule.levels(steps)
    x = start(measurement, prior, levels[0], seeds)
    decode = linear(prior, measurement.y).decode
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        guess = to_clean(x, prior, t, ode_steps, seeds)
        if step == steps:
            yield State(step, steps, guess, guess)
            return
        spread = left_open(prior, t, reach)
        x0 = conditional_draw(
            measurement,
            decode,
            guess,
            spread,
            seeds,
            iterations=iterations,
            temperature=temperature,
        )
        x = move(x, x0, t, s, 0.0, s.sigma, seeds)
        yield State(step, steps, x, x0)


def left_open(prior: Prior, level: Level, reach: float) -> float:
    """Standard deviation of z0 given z_t, where photos spread by `reach` on [0, 1], evenly."""
    return level.sigma / math.hypot(level.alpha, level.sigma * prior.unit / reach)


def conditional_draw(
    measurement: Measurement[Operator],
    decode: Function,
    mean: Tensor,
    spread: float,
    seeds: Seeds,
    *,
    iterations: int,
    temperature: float = 0.0,
) -> Tensor:
    """z ~ N(mean, spread^2 I) given y, with A D taken for its derivative at the mean.

    The standard deviation is multiplied by the temperature; 0 draws nothing and gives the mode.
    """
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
