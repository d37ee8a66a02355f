"""Denoising diffusion models for plug-and-play restoration (Zhu et al., CVPRW 2023,
arXiv:2305.08995).

    x_t ~ N(alpha_t E(smooth estimate), sigma_t^2 I)
    for t in levels from start_sigma down to end_sigma:
        x0^ <- E[x0 | x_t]
        x^  <- argmin_x |y - A x|^2 / (2 sigma^2) + lambda / (2 sigma_t^2) |x - D(x0^)|^2
        eps <- (x_t - alpha_t E(x^)) / sigma_t
        x_s <- alpha_s E(x^) + sigma_s (sqrt(1 - zeta) eps + sqrt(zeta) n)
    the sample is the last x0^

Five things differ from the paper. It starts from noise; a noisy smooth estimate spares the levels
whose only work is to find that estimate, and holes filled wrongly there. The levels are evenly
spaced in sigma^(1/4), as Karras et al. (2022, arXiv:2206.00364) do with 7 in the place of 4: more
of them where texture is decided. The sample is the estimate before the last argmin, as that one
returns noise of the data. The argmin is over the states where D has a linear part
(`restore.solvers.space`). And lambda and zeta are not set task by task: zeta = 1 re-noises afresh
and stays near the mean; below 1 noise is kept, pictures are sharper and PSNR is lower. With noise
kept a lambda of 0.5 diverges on an ill-conditioned blur, whose argmin amplifies it.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch

from operators.linearised import Linearisable
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import CLEAN, Level
from restore.solvers.base import State, move, noise_at, trust
from restore.solvers.smooth import smooth_estimate
from restore.solvers.space import space


@torch.no_grad()
def diffpir(
    measurement: Measurement[Linearisable],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 30,
    lambda_: float = 0.9,
    zeta: float = 0.97,
    start_sigma: float = 0.4,
    end_sigma: float = 0.02,
    max_weight: float = 2000.0,
    prox_in: str = "states",
) -> Iterator[State]:
    """Restore by a prox at every level, then noise again.

    steps >= 1 network evaluations; lambda_ > 0 is the strength of the prior; zeta in [0, 1] the
    share of fresh noise; start_sigma >= end_sigma > 0 are noise levels in the picture on [0, 1];
    max_weight bounds the trust in the data against that in the picture; prox_in: "states", "linear"
    or "pictures", where the argmin is and by which decoder (`restore.solvers.space`). No gradients.
    ValueError when a level or steps is not positive.
    """
    levels = falling(prior, steps, start_sigma, end_sigma)
    where, left = space(measurement, prior, prox_in), None
    seen = where.measurement
    x = noise_at(smooth_estimate(seen), prior, levels[0], seeds)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0 = prior.denoise(x, t)
        if step == steps:
            yield State(step, steps, x0, x0)
            return
        weight = min(trust(seen, prior, t) / lambda_, max_weight)
        where = where.at(u := where.enter(x0))
        fitted, left = where.prox_from(u, weight, left)
        x0 = where.leave(fitted)
        kept, fresh = math.sqrt(1 - zeta) * s.sigma, math.sqrt(zeta) * s.sigma
        x = move(x, x0, t, s, kept, fresh, seeds)
        yield State(step, steps, x, x0)


def falling(prior: Prior, steps: int, start_sigma: float, end_sigma: float) -> list[Level]:
    """`steps` levels evenly spaced in the fourth root of sigma in the picture, and the clean one.

    ValueError unless steps >= 1 and start_sigma >= end_sigma > 0.
    """
    if steps < 1 or not start_sigma >= end_sigma > 0:
        raise ValueError(
            f"steps >= 1 and start_sigma >= end_sigma > 0 are needed, not {steps}, "
            f"{start_sigma} and {end_sigma}"
        )
    high, low = start_sigma**0.25, end_sigma**0.25
    roots = [high + (low - high) * k / max(steps - 1, 1) for k in range(steps)]
    return [*(prior.schedule.at_ratio(root**4 / prior.unit) for root in roots), CLEAN]
