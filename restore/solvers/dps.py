"""Diffusion posterior sampling (Chung et al., ICLR 2023, arXiv:2209.14687); with latents, LDPS.

    for t in falling levels:
        x0^ <- E[x0 | x_t]
        x0^ <- x0^ + s_t grad_{x_t} log p(y | D(x0^))
        x_s ~ p(x_s | x_t, x0^)

The paper divides a zeta of each task by |y - A x0^|. Here s_t ends where a line search does, or at
zeta > 1 goes on from there (`restore.solvers.line_search`), and one zeta serves all tasks.

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
from restore.solvers.line_search import LineSearch
from restore.solvers.smooth import first_guess


@torch.no_grad()
def dps(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 100,
    zeta: float = 3.0,
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
    search = LineSearch(measurement, prior, zeta)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            x0 = prior.denoise(x, t)
            seen = measurement.operator(prior.decode(x0))
            likelihood = measurement.noise.log_likelihood(measurement.y, seen)
            push, pull = torch.autograd.grad(likelihood.sum(), (seen, x))
        x0 = x0.detach()
        x0 = x0 + search(step, t, s, x0, seen.detach(), push, pull) * pull
        x = reverse(x.detach(), x0, t, s, eta, seeds)
        yield State(step, steps, x, x0)
