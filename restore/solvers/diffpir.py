"""Denoising diffusion models for plug-and-play restoration (Zhu et al., CVPRW 2023,
arXiv:2305.08995).

    x0^ <- E[x0 | x_t]
    x^  <- argmin_x |y - A x|^2 / (2 sigma^2) + lambda / (2 sigma_t^2) |x - D(x0^)|^2
    eps <- (x_t - alpha_t E(x^)) / sigma_t
    x_s <- alpha_s E(x^) + sigma_s (sqrt(1 - zeta) eps + sqrt(zeta) n)

The paper sets lambda and zeta task by task. With lambda = zeta = 1 the residual is that of the
noise (tests/solvers/test_posterior.py); lambda = 7, zeta = 0.3 leave 2.5 times as much.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch

from operators.base import LinearOperator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import State, move, start, trust


@torch.no_grad()
def diffpir(
    measurement: Measurement[LinearOperator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 100,
    lambda_: float = 1.0,
    zeta: float = 1.0,
) -> Iterator[State]:
    """Restore by a prox in the picture at every level, then noise again.

    steps >= 1 network evaluations; lambda_ > 0 is the strength of the prior; zeta in [0, 1] the
    share of fresh noise. No gradients.
    """
    levels = prior.schedule.levels(steps)
    x = start(measurement, prior, levels[0], seeds)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        image = prior.decode(prior.denoise(x, t))
        weight = trust(measurement, prior, t) / lambda_
        x0 = prior.encode(measurement.operator.prox(image, measurement.y, weight))
        kept, fresh = math.sqrt(1 - zeta) * s.sigma, math.sqrt(zeta) * s.sigma
        x = move(x, x0, t, s, kept, fresh, seeds)
        yield State(step, steps, x, x0)
