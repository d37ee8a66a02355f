"""Monte Carlo guided diffusion, MCGdiff (Cardoso et al., ICLR 2024, arXiv:2308.07983).

    g_t(x_t) = N(alpha_t y; G x_t, S_t),   S_t = sigma_t^2 G G^T + d_t I
    for particles p = 1 .. P, all x_t ~ N(0, sigma_t^2 I) and w = 1, and levels t > s:
        m, v <- p(x_s | x_t) = N(m, v I), from E[x0 | x_t]
        w    <- w N(alpha_s y; G m, S_s + v G G^T) / g_t(x_t);   resample by w
        x_s  ~  N(m, v I) g_s, normalised
    the sample is one of the last particles, drawn by w

G is A D without its offset, which y is relieved of; d_t = alpha_t^2 sigma^2 + floor |G|^2 sigma_t^2
ends as the noise of the data. As P grows the weighted particles tend to the posterior under the
chain p(x_s | x_t); no gradient passes the network. The paper works in the singular vectors of G,
where all is diagonal. Here weights need no determinant, which all particles share, and the draw is
x' + v G^T (S_s + v G G^T)^-1 (alpha_s y - G x' - e), x' ~ N(m, v I), e ~ N(0, S_s) (Orieux et al.
2012, arXiv:1105.5887): conjugate gradients find both, the faster, the larger floor is. On the toy
of three modes their weights are wrong by 0.34, 0.20 and 0.03 with 1, 4 and 32 particles
(tests/solvers/test_mcgdiff.py).
"""

import math
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import torch

from operators.base import LinearOperator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.affine import affine
from restore.solvers.base import ancestral, column, deviation, move, sensitivity
from restore.solvers.particles import Cloud, denoised, drawn, each, heaviest, start, survivors, take


@torch.no_grad()
def mcgdiff(
    measurement: Measurement[LinearOperator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 100,
    particles: int = 8,
    threshold: float = 0.5,
    floor: float = 0.1,
) -> Iterator[Cloud]:
    """Sample by particles that a Gaussian conditions, weighs and resamples; exact for many.

    steps >= 1 network evaluations of `particles` >= 1 states an image; resampled where their
    effective size is below a share `threshold` in [0, 1]; floor > 0. Noise counts as white. No
    gradients. `state.effective` is the effective sample size (B,) at the level of the state.
    ValueError where neither the decoder nor its linear part is affine.
    """
    levels = prior.schedule.levels(steps)
    x = start(measurement, prior, levels[0], seeds, particles)
    g = affine(measurement, prior, torch.zeros_like(x[0] if len(x) == 1 else x[:, 0]))
    bound = floor * column(sensitivity(measurement, prior), measurement.y)
    log_w = x.new_zeros(x.shape[:2])
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0 = denoised(prior, x, t)
        v, c = ancestral(t, s) ** 2, s.sigma**2
        d = (s.alpha * deviation(measurement)) ** 2 + c * bound
        m = move(x, x0, t, s, math.sqrt(c - v), 0.0, seeds)
        log_w = log_w - each(partial(g.energy, alpha=s.alpha, c=c + v, d=d), m)
        if step == steps:
            yield drawn(steps, m, log_w, seeds)
            return
        yield heaviest(step, steps, x, x0, log_w)
        index, log_w = survivors(log_w, threshold, seeds)
        x = take(m, index) + math.sqrt(v) * seeds.normal_like(x)
        r = each(partial(g.residual, alpha=s.alpha), x + s.sigma * seeds.normal_like(x))
        r = r - d[:, None].sqrt() * seeds.normal_like(r)
        x = x + v * each(partial(g.lift, c=c + v, d=d), r)
        log_w = log_w + each(partial(g.energy, alpha=s.alpha, c=c, d=d), x)
