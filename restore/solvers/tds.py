"""Twisted diffusion sampler (Wu et al., NeurIPS 2023, arXiv:2306.17775): sequential Monte Carlo.

    for particles p = 1 .. P, all x_t ~ N(0, sigma_t^2 I) and w = 1, and levels t > s:
        x0^ <- E[x0 | x_t];   h_t <- p(y | D(x0^))^b_t;   p(x_s | x_t) = N(m(x0^), v I)
        w   <- w h_t;         resample by w where the effective sample size is below P / 2
        x_s ~  q = N(m(x0^ + sigma_t^2 / alpha_t grad_{x_t} log h_t), v I)
        w   <- w p(x_s | x_t) / (q(x_s) h_t)
    the sample is one of the last particles, drawn by w p(y | D(x_0))

As P grows the weighted particles tend to the posterior under the chain p(x_s | x_t), for any h_t
and q. The paper has b_t = 1, which takes x0^ for the truth; b_t = 1 / (1 + c gain (ratio_t / s)^2),
s the noise of the data, allows for what is unknown of x0 (`restore.solvers.base.pull_scale`). And
it has q of mean m(x0^) + v grad log h_t, the same in the limit of many steps; the one above is
that of p(x_s | x_t, y) if h_t is p(y | x_t), by Tweedie's formula. On the toy of three modes their
weights are wrong by 0.33, 0.18 and 0.01 with 1, 4 and 32 particles (tests/solvers/test_tds.py); of
a photo all but one particle soon weigh nothing, and the draw is hardly better than DPS.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from operators.base import Operator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import Level
from restore.solvers.base import ancestral, column, move, sensitivity
from restore.solvers.guidance import pull_scale
from restore.solvers.particles import Cloud, denoised, drawn, each, heaviest, start, survivors, take


@torch.no_grad()
def tds(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 100,
    particles: int = 8,
    threshold: float = 0.5,
    caution: float = 1.0,
) -> Iterator[Cloud]:
    """Sample by particles that are guided, weighed and resampled; exact for many.

    steps >= 1 network evaluations of `particles` >= 1 states an image, with their gradients;
    threshold in [0, 1]: resampled where the effective sample size is below that share of them;
    caution >= 0 is c, 0 for the paper's b_t. Any operator, any noise with a log-likelihood.
    `state.effective` is the effective sample size (B,) at the level of the state.
    """
    levels = prior.schedule.levels(steps)
    x = start(measurement, prior, levels[0], seeds, particles)
    log_w = x.new_zeros(x.shape[:2])
    gain = (caution * sensitivity(measurement, prior)).clamp(min=1e-12)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x, x0, log_h, shift = twisted(measurement, prior, x, t, gain)
        log_w = log_w + log_h
        if step < steps:
            yield heaviest(step, steps, x, x0, log_w)
        index, log_w = survivors(log_w, threshold, seeds)
        x, x0, log_h, shift = (take(part, index) for part in (x, x0, log_h, shift))
        spread = ancestral(t, s)
        m = move(x, x0, t, s, math.sqrt(s.sigma**2 - spread**2), 0.0, seeds)
        n = seeds.normal_like(x)
        tilt = s.alpha * spread / max(s.sigma, 1e-12) ** 2 * shift
        x = m + spread * (n + tilt)
        log_w = log_w - log_h - (tilt * (n + tilt / 2)).flatten(2).sum(2)
    log_w = log_w + each(lambda z: measurement.log_likelihood(prior.decode(z)), x)
    yield drawn(steps, x, log_w, seeds)


def twisted(
    measurement: Measurement[Operator], prior: Prior, x: Tensor, t: Level, gain: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x_t, E[x0 | x_t], log h_t (B, P), and sigma_t^2 / alpha_t times its gradient."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        x0 = denoised(prior, x, t)
        likelihood = each(lambda z: measurement.log_likelihood(prior.decode(z)), x0)
        (pull,) = torch.autograd.grad(likelihood.sum(), x)
    scale = pull_scale(measurement, t, gain)
    log_h = column(scale * t.alpha / t.sigma**2, likelihood) * likelihood.detach()
    return x.detach(), x0.detach(), log_h, column(scale, pull) * pull
