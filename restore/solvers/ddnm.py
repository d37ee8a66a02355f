"""Denoising diffusion null-space model, DDNM+ (Wang et al., ICLR 2023, arXiv:2212.00490).

    x_t ~ N(alpha_t E(smooth estimate), sigma_t^2 I)
    for t in levels from start_sigma down to end_sigma, s the next:
        x^  <- D(E[x0 | x_t])
        x^  <- x^ + A^T (A A^T + d)^-1 (y - A x^),   d = (sigma alpha_s / (2 sigma_s))^2
        x_s <- alpha_s E(x^) + sigma_s (A^T A - d) (A^T A + d)^-1 n
    the sample is the last E[x0 | x_t]

Where A has a gain g, the second line brings the noise of y into x^ times g / (g^2 + d). Far above
sqrt(d) that is the pseudo-inverse: y decides the range space of A and the prior its null space. As
(g^2 - d)^2 + 4 d g^2 = (g^2 + d)^2, the noise of y and the fresh noise together have the variance
sigma_s^2 in every direction, which is what the network is told, however much A amplifies. Where a
floor is added to sigma, y brings a share less of it, and white noise the rest.

Three things differ from the paper. It reads the gains off a singular value decomposition and cuts
the factor where it grows too large; this one is a prox, and bends. It counts the noise of y as new
at every step, but it is the same, so that small steps, each with room for a share of it, let in all
of it; here every step draws all its noise afresh and there is nothing to add up. That also forgets
what was wrongly filled, for which the paper travels back in time. And the start and the levels are
those of DiffPIR (`restore.solvers.diffpir`). The prox is over states where D has a linear part
(`restore.solvers.space`); that of the noise n, which stands in the last line, is rough.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch

from operators.base import LinearOperator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import State, deviation, noise_at, trust
from restore.solvers.diffpir import falling
from restore.solvers.smooth import smooth_estimate
from restore.solvers.space import space


@torch.no_grad()
def ddnm(
    measurement: Measurement[LinearOperator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 30,
    start_sigma: float = 0.4,
    end_sigma: float = 0.02,
    floor: float = 0.015,
) -> Iterator[State]:
    """Restore by replacing the part of the picture that the measurement determines.

    steps >= 1 network evaluations; start_sigma >= end_sigma > 0 are noise levels in the picture on
    [0, 1]; floor >= 0, in the same unit, is added to the noise of y in squares, as states do not
    say all of a photo and must not bend to fit the rest. No gradients. ValueError when a level or
    steps is not positive.
    """
    levels = falling(prior, steps, start_sigma, end_sigma)
    x = noise_at(smooth_estimate(measurement), prior, levels[0], seeds)
    where, left = space(measurement, prior), None
    none = where.enter(torch.zeros_like(x))
    share = 1 / (1 + (floor / deviation(measurement)) ** 2)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0 = prior.denoise(x, t)
        if step == steps:
            yield State(step, steps, x0, x0)
            return
        weight = 4 * share * trust(measurement, prior, s)  # 1 / d
        u, left = where.prox_from(where.enter(x0), weight, left)
        x0 = where.leave(u)
        noise, white = seeds.normal_like(x), seeds.normal_like(x)
        kept = where.moved(where.enter(noise) - none, weight)
        kept = where.leave(none + kept)  # d (A^T A + d)^-1 n
        fresh = share**0.5 * (noise - 2 * kept) + (1 - share) ** 0.5 * white
        x = s.alpha * x0 + s.sigma * fresh
        yield State(step, steps, x, x0)
