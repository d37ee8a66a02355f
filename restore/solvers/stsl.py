"""Second-order Tweedie sampler from surrogate loss, STSL (Rout et al., "Beyond first-order Tweedie:
solving inverse problems using latent diffusion", CVPR 2024, arXiv:2312.00852).

    for t in falling levels:
        x0^ <- E[x0 | x_t];   V = sigma_t^2 / alpha_t  d x0^ / d x_t         the covariance of x0
        l   <- log p(y | D(x0^)) - gamma gain / (2 sigma^2) trace V
        x0^ <- x0^ + zeta s_t grad_{x_t} l
        x_s ~ p(x_s | x_t, x0^)

Of the mean of log p(y | D(x0)) over p(x0 | x_t) the first term is the zeroth order, and the second
a bound of the second one, -trace(G V G^T) / (2 sigma^2) with G = d A(D(x0^)) / d x0^, as gain is at
least the largest eigenvalue of G^T G (`sensitivity`). Its gradient leads to where x_t leaves less
open. gamma = 0 is DPS (`restore.solvers.dps`), and so are Gaussian priors, of which V is constant.

The trace is that of one probe n ~ N(0, I), n^T (x0^(x_t + h n) - x0^(x_t)) / h, at the price of a
second evaluation; h goes with sigma_t. The paper sets the weights of both terms by hand; here they
follow from the noise, and zeta, s_t, levels and start are those of DPS. One step is made a level.
Of photos, gamma = 1 leaves blurs; the small default is smoother than DPS, and a little closer.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from operators.base import Operator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import Level
from restore.solvers.base import State, deviation, noise_at, reverse, sensitivity
from restore.solvers.diffpir import falling
from restore.solvers.guidance import descent
from restore.solvers.smooth import first_guess

PROBE = 0.1
"""h in sigmas of the level."""


@torch.no_grad()
def stsl(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 100,
    zeta: float = 1.0,
    gamma: float = 0.01,
    eta: float = 1.0,
    start_sigma: float = 0.4,
    end_sigma: float = 0.02,
) -> Iterator[State]:
    """Sample by the gradients of the likelihood and of what is left open, through the network.

    steps >= 1, each of two network evaluations; zeta > 0 is the strength of the data; gamma >= 0
    that of the trace, 0 for one evaluation a step; eta in [0, 1] the share of fresh noise;
    start_sigma >= end_sigma > 0 are noise levels in the picture on [0, 1]. Any operator, any noise
    with a log-likelihood. ValueError when a level or steps is not positive.
    """
    levels = falling(prior, steps, start_sigma, end_sigma)
    x = noise_at(first_guess(measurement), prior, levels[0], seeds)
    gain = sensitivity(measurement, prior)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            x0 = prior.denoise(x, t)
            estimate = x0.view_as(x0)
            seen = measurement.operator(prior.decode(estimate))
            surrogate = measurement.noise.log_likelihood(measurement.y, seen)
            if gamma > 0:
                weight = gamma * gain / (2 * deviation(measurement) ** 2) * t.sigma**2 / t.alpha
                surrogate = surrogate - weight * trace(prior, x, x0, t, seeds.normal_like(x))
            g, pull = torch.autograd.grad(surrogate.sum(), (estimate, x))
        pull = descent(measurement, seen.detach(), g, pull, t) * pull
        x0 = x0.detach() + zeta * pull
        x = reverse(x.detach(), x0, t, s, eta, seeds)
        yield State(step, steps, x, x0)


def trace(prior: Prior, x: Tensor, x0: Tensor, level: Level, probe: Tensor) -> Tensor:
    """The trace of d x0^ / d x_t at x, per image (B,): its mean over probes n ~ N(0, I)."""
    length = PROBE * level.sigma
    moved = prior.denoise(x + length * probe, level) - x0
    return (probe * moved).flatten(1).sum(1) / length
