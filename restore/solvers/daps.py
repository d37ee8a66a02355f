"""Decoupled annealing posterior sampling (Zhang et al., CVPR 2025, arXiv:2407.01521); with latents,
LatentDAPS.

    for t in falling levels:
        z0^ <- a short probability-flow ODE from z_t
        z0  ~  exp(-|z0 - z0^|^2 / (2 r^2)) p(y | D(z0)), r = sigma_t / alpha_t, by Langevin steps
        z_s ~ N(alpha_s z0, sigma_s^2 I)

The last z0 is the sample. The Langevin step is `rate` times the inverse of the curvature
1 / r^2 + |d A(D(z)) / dz|^2 / sigma^2.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch

from operators.base import Operator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import (
    State,
    column,
    deviation,
    likelihood_score,
    move,
    sensitivity,
    start,
    to_clean,
)


@torch.no_grad()
def daps(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 50,
    ode_steps: int = 2,
    langevin_steps: int = 100,
    rate: float = 0.1,
) -> Iterator[State]:
    """Sample by annealing, with the likelihood sampled apart from the network.

    steps, ode_steps >= 1 with steps * ode_steps network evaluations; langevin_steps >= 0
    gradients through the decoder at every level; rate in (0, 1) their size, whose excess of
    variance is about rate / 2.
    """
    levels = prior.schedule.levels(steps)
    x = start(measurement, prior, levels[0], seeds)
    curvature = sensitivity(measurement, prior) / deviation(measurement) ** 2
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        guess = to_clean(x, prior, t, ode_steps, seeds)
        precision = 1 / t.ratio**2
        size = rate / (precision + column(curvature, x))
        x0 = guess
        for _ in range(langevin_steps):
            pull, _ = likelihood_score(measurement, prior.decode, x0)
            drift = size * (pull - precision * (x0 - guess))
            x0 = x0 + drift + (2 * size).sqrt() * seeds.normal_like(x0)
        x = move(x, x0, t, s, 0.0, s.sigma, seeds)
        yield State(step, steps, x, x0)
