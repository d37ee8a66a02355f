"""Diffusion posterior sampling (Chung et al., ICLR 2023, arXiv:2209.14687); with latents, LDPS.

    for t in falling levels:
        x0^ <- E[x0 | x_t]
        x0^ <- x0^ + zeta c_t grad_{x_t} log p(y | D(x0^))
        x_s ~ p(x_s | x_t, x0^)

The paper divides a hand-set zeta by |y - A x0^|. The expectation of its square is the variance of
the noise and of x0^ together; c_t (`pull_scale`) divides by a bound of that, and one zeta serves
all tasks. As the bound is about twice the truth, 2 is the default; 1 never overshoots.

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
from restore.solvers.base import State, column, noise_at, pull_scale, reverse, sensitivity
from restore.solvers.diffpir import falling
from restore.solvers.smooth import first_guess


@torch.no_grad()
def dps(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 100,
    zeta: float = 2.0,
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
    gain = sensitivity(measurement, prior)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            x0 = prior.denoise(x, t)
            likelihood = measurement.log_likelihood(prior.decode(x0))
            (pull,) = torch.autograd.grad(likelihood.sum(), x)
        scale = zeta * column(pull_scale(measurement, t, gain), pull)
        x0 = x0.detach() + scale * pull
        x = reverse(x.detach(), x0, t, s, eta, seeds)
        yield State(step, steps, x, x0)
