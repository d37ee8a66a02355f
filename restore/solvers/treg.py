"""Regularization by texts, TReg (Kim, Park, Chung & Ye, ICLR 2025, arXiv:2311.15658).

    x_t ~ N(alpha_t E(smooth estimate), sigma_t^2 I)
    for t in falling levels from start_sigma:
        x0^ <- E[x0 | x_t];   eps <- (x_t - alpha_t x0^) / sigma_t
        x^  <- argmin_x |y - A x|^2 / (2 sigma^2) + lambda_t |x - D(x0^)|^2
        z   <- m E(x^) + (1 - m) x0^,   m = alpha_s^2 / (alpha_s^2 + sigma_s^2)
        x_s <- alpha_s z + sigma_s (sqrt(1 - m) eps + sqrt(m) n)
    the sample is the last x0^

Four things differ from the paper. It starts from noise, where m is all but 0: what a hole holds is
then decided before the data are heard, and does not fit its edges. lambda_t is 1 / (2 r_t^2) with
r_t as in DAPS (`restore.solvers.conditional`), not one number for all levels. The argmin is over
the states where D has a linear part (`restore.solvers.space`), and at every level and not every
third: fewer are a little sharper on blur and far from the data where pixels are missing at random.
The last x0^ is not fitted, as that returns noise of the data.

The text is the prior's (`Prior.with_text`); a larger start_sigma leaves more to it. Adaptive
negation, which after every fit moves the null text away from the picture, is not there: it needs
the CLIP image encoder, which no prior here has.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch

from operators.base import LinearOperator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import State, deviation, move, noise_at
from restore.solvers.conditional import left_open
from restore.solvers.smooth import smooth_estimate
from restore.solvers.space import space


@torch.no_grad()
def treg(
    measurement: Measurement[LinearOperator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 30,
    every: int = 1,
    reach: float = 0.25,
    start_sigma: float = 0.4,
) -> Iterator[State]:
    """Restore by a prox at every level, heard the more the lower the level. No gradients.

    steps >= 1 network evaluations; every >= 1 steps a prox, with DDIM between; reach > 0 is the
    spread of photos and start_sigma > 0 the first noise, in the picture on [0, 1]. ValueError when
    steps or every is less.
    """
    if every < 1:
        raise ValueError(f"every must be at least 1, not {every}")
    levels = prior.schedule.levels(steps, prior.schedule.at_ratio(start_sigma / prior.unit).u)
    x = noise_at(smooth_estimate(measurement), prior, levels[0], seeds)
    where, left = space(measurement, prior), None
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0 = prior.denoise(x, t)
        if step == steps:
            yield State(step, steps, x0, x0)
            return
        z, kept, fresh = x0, s.sigma, 0.0
        if step % every == 0:
            r = left_open(prior, t, reach) * prior.unit
            weight = (r / deviation(measurement)) ** 2
            u, left = where.prox_from(where.enter(x0), weight, left)
            fitted = where.leave(u)
            share = s.alpha**2 / (s.alpha**2 + s.sigma**2)
            z = share * fitted + (1 - share) * x0
            kept, fresh = math.sqrt(1 - share) * s.sigma, math.sqrt(share) * s.sigma
        x = move(x, x0, t, s, kept, fresh, seeds) + s.alpha * (z - x0)
        yield State(step, steps, x, z)
