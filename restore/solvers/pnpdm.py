"""Plug-and-play diffusion models, PnP-DM: a split Gibbs sampler (Wu et al., "Principled
probabilistic imaging using diffusion models as plug-and-play priors", NeurIPS 2024,
arXiv:2405.18782).

    x <- E(smooth estimate)
    for t in falling levels, rho = sigma_t / alpha_t:
        z ~ exp(-|z - x|^2 / (2 rho^2)) p(y | D(z))     the likelihood step
        x ~ exp(-|z - x|^2 / (2 rho^2)) p(x)            the prior step: as of x_t = alpha_t z, by
                                                        reverse diffusion from t down to clean
    the last x is the sample

At a fixed rho the law of x becomes the posterior of y = A D(x + rho n) + noise, so that a small
rho is all but exact; but as x moves by about rho, it must have been reached slowly. Modes of the
posterior that are further apart keep the odds of a greater rho.

Three things differ from the paper. z is drawn exactly for every operator, to first order where it
is not linear (`restore.solvers.conditional`). Start and levels are those of
`restore.solvers.diffpir`. And a step of reverse diffusion from t to s has, for noise, that of
x_s given x_t where p(x0 | x_t) = N(x0^, r_t^2 I), r_t as in DAPS: of few steps the variance is
then right. With a reach of 0 it would be ancestral sampling, for which x0^ is certain, and pictures
are dull; with infinity it is the paper's step of Euler and Maruyama, for which x0^ knows nothing,
and pictures keep noise. What photos leave open is small where it is white: hence the small default.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from operators.base import Operator
from operators.linearised import Bent
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import Level
from restore.solvers.base import State, ancestral, move
from restore.solvers.conditional import conditional, left_open
from restore.solvers.diffpir import falling
from restore.solvers.smooth import first_guess


@torch.no_grad()
def pnpdm(
    measurement: Measurement[Operator | Bent],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 20,
    inner: int = 4,
    iterations: int = 30,
    reach: float = 0.05,
    start_sigma: float = 0.4,
    end_sigma: float = 0.02,
) -> Iterator[State]:
    """Sample likelihood and prior in turn, ever closer together.

    steps, inner >= 1 with steps * inner network evaluations; iterations >= 1 of conjugate gradients
    a step, where A is not linear; reach > 0 is the spread of pictures on [0, 1] in all directions
    alike; start_sigma >= end_sigma > 0, the levels, are in the same unit. Any operator and noise.
    No gradients through the network. ValueError when a level or steps is not positive.
    """
    levels = falling(prior, steps, start_sigma, end_sigma)
    draw = conditional(measurement, prior, seeds, iterations=iterations, temperature=1.0)
    x = prior.encode(first_guess(measurement))
    for step, t in enumerate(levels[:-1], start=1):
        z = draw(x, t.ratio)
        x = denoised(t.alpha * z, prior, t, inner, reach, seeds)
        yield State(step, steps, x if step == steps else z, x)


def denoised(
    x: Tensor, prior: Prior, level: Level, inner: int, reach: float, seeds: Seeds
) -> Tensor:
    """A draw from p(x_0 | x_t = x) in `inner` steps, of which the last goes to the mean."""
    for t, s in pairwise(prior.schedule.levels(inner, level.u)):
        x0 = prior.denoise(x, t)
        known = ancestral(t, s)
        # x_s goes with x0 by this much where x_t is given
        share = s.alpha * (1 - (s.ratio / t.ratio) ** 2) if s.sigma > 0 else 0.0
        fresh = math.hypot(known, share * left_open(prior, t, reach))
        x = move(x, x0, t, s, math.sqrt(s.sigma**2 - known**2), fresh, seeds)
    return x
