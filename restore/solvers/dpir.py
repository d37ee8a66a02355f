"""Plug-and-play restoration by half-quadratic splitting (Zhang et al., TPAMI 2021,
arXiv:2008.13751), with the denoiser of a diffusion prior.

    x^ <- smooth estimate
    for sigma_k from start_sigma down to end_sigma, evenly in log sigma:
        for n ~ N(0, I) and its opposite -n:
            v <- x^ + zeta sigma_k n
            x <- argmin_x |y - A x|^2 / (2 sigma^2) + lambda / (2 sigma_k^2) |x - v|^2
            z <- E[z0 | alpha_k E(x)]
        x^ <- D(mean of z)

Where the encoder is the transpose of an isometry P, D is replaced by P: x = P u, the argmin is over
the states u, and D comes at the end only (`restore.solvers.space`, `restore.bench.latent_prox`).

The paper has zeta = 0. Then x is as smooth as x^ where the data are weak, the denoiser is told of
noise that is not there and smooths again. Noise before the argmin, as in the perturbed likelihood
step of PnP-DM (Wu et al., NeurIPS 2024, arXiv:2405.18782), makes x as noisy as it is said to be:
where A has gain a it has variance sigma_k^2 (zeta^2 + s / lambda) / (1 + s)^2 with s = (a sigma_k /
sigma)^2 / lambda; with lambda below 0.3 over 1.2 sigma_k^2, which is not removed again. What is
left of n is an error, odd in n but for its curvature: the mean over both signs, antithetic variates
(Hammersley & Morton 1956), is without most of it. The argmin is that of x^, begun at the last, and
what n adds, roughly: such errors are odd, too. A that bends is linear at x^ (`linearised`).
"""

from collections.abc import Iterator
from typing import Any

import torch

from operators.linearised import Linearisable, Seen
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import State, deviation, trust
from restore.solvers.smooth import has_holes, smooth_estimate
from restore.solvers.space import space

QUICK: dict[str, Any] = dict(antithetic=False, start_sigma=0.2, zeta=1.0, max_weight=2000.0)
"""Options for few evaluations: levels that lie near each other, one evaluation each."""


@torch.no_grad()
def dpir(
    measurement: Measurement[Linearisable],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 16,
    antithetic: bool = True,
    lambda_: float = 0.35,
    zeta: float = 1.1,
    start_sigma: float | None = None,
    end_sigma: float | None = None,
    max_weight: float = 200.0,
    prox_in: str = "states",
) -> Iterator[State]:
    """Restore by a denoiser and a prox in turn; fast, one picture near the mean, no exact sample.

    steps >= 1 of two network evaluations, or one without antithetic noise; lambda_ > 0 is the
    strength of the prior; zeta >= 0 the share of fresh noise, 0 for none; max_weight bounds the
    trust in the data. start_sigma and end_sigma are levels of noise in the picture on [0, 1]: from
    0.8, or 0.2 where pixels (of one picture of a batch) are missing, which higher levels fill with
    what lower ones keep, to the noise of the measurement, but not below 0.005, where a denoiser has
    little to say. ValueError when a level or steps is not positive.
    """
    where = space(measurement, prior, prox_in)
    levels = _falling(seen := where.measurement, steps, start_sigma, end_sigma)
    u, left = where.of(smooth_estimate(seen)), None
    signs = (1, -1) if antithetic and zeta else (1,)
    for step, sigma in enumerate(levels, start=1):
        level = prior.schedule.at_ratio(sigma / prior.unit)
        weight = min(trust(seen, prior, level) / lambda_, max_weight)
        where = where.at(u, sigma)
        fitted, left = where.prox_from(u, weight, left)
        n = where.moved(zeta * sigma * seeds.normal_like(u), weight)
        noisy = [where.leave(fitted + sign * n) for sign in signs]
        x0 = torch.stack([prior.denoise(level.alpha * z, level) for z in noisy]).mean(0)
        yield State(step, steps, x0 if step == steps else noisy[0], x0)
        if step < steps:
            u = where.enter(x0)


def _falling(seen: Seen, steps: int, start: float | None, end: float | None) -> list[float]:
    end = max(deviation(seen), 0.005) if end is None else end
    start = (0.2 if has_holes(seen) else 0.8) if start is None else start
    if steps < 1 or min(start, end) <= 0:
        given = f"{steps}, {start} and {end}"
        raise ValueError(f"steps, start_sigma and end_sigma have to be positive, not {given}")
    ratio = end / max(start, end)
    return [end * ratio ** (step / max(steps - 1, 1) - 1) for step in range(steps)]
