"""Diffusion posterior sampling (Chung et al., ICLR 2023, arXiv:2209.14687); with latents, LDPS.

    for t in falling levels:
        x0^ <- E[x0 | x_t]
        x0^ <- x0^ + zeta s_t grad_{x_t} log p(y | D(x0^))
        x_s ~ p(x_s | x_t, x0^)

The paper divides a zeta of each task by |y - A x0^|. Here s_t is that of the first of the conjugate
gradients which `restore.solvers.mmps` takes (`restore.solvers.guidance`): it knows how much of
the misfit is noise and how far x0^ may move, costs nothing more, and zeta = 1 serves all tasks.

The paper spends 1,000 levels from pure noise. Levels and start are those of
`restore.solvers.diffpir`: with 100 levels from noise, large holes are filled wrongly.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch

from operators.base import Operator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import State, noise_at, reverse
from restore.solvers.diffpir import falling
from restore.solvers.guidance import guided
from restore.solvers.smooth import first_guess


@torch.no_grad()
def dps(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 100,
    zeta: float = 1.0,
    eta: float = 1.0,
    start_sigma: float = 0.4,
    end_sigma: float = 0.02,
) -> Iterator[State]:
    """Sample by the gradient of the likelihood through network and decoder.

    steps >= 1 network evaluations; zeta > 0 is the strength of the data; eta in [0, 1] the share
    of fresh noise; start_sigma >= end_sigma > 0 are noise levels in the picture on [0, 1]. Any
    operator, any noise with a log-likelihood. ValueError when a level or steps is not positive.
    """
    levels = falling(prior, steps, start_sigma, end_sigma)
    x = noise_at(first_guess(measurement), prior, levels[0], seeds)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0, pull = guided(measurement, prior, x, t)
        x0 = x0 + zeta * pull
        x = reverse(x, x0, t, s, eta, seeds)
        yield State(step, steps, x, x0)
