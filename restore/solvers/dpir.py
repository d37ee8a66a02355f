"""Plug-and-play restoration by half-quadratic splitting (Zhang et al., TPAMI 2021,
arXiv:2008.13751), with the denoiser of a diffusion prior.

    x^ <- smooth estimate
    for sigma_k from start_sigma down to end_sigma, evenly in log sigma:
        x <- argmin_x |y - A x|^2 / (2 sigma^2) + lambda / (2 sigma_k^2) |x - x^|^2
        n ~ zeta sigma_k N(0, I); r <- by how much x moves where x^ does by n
        z <- E[z0 | alpha_k E(x + m)] for m = r - fade (n - r) and its opposite
        x^ <- D(mean of z)

Where E is P^T of an isometry P, all is in u = P^T x, and D comes last (`restore.solvers.space`).

The paper has zeta = 0. Then x is as smooth as x^ where the data are weak, the denoiser is told of
noise that is not there and smooths again. Noise before the argmin (fade = 0), as in PnP-DM (Wu et
al., NeurIPS 2024, arXiv:2405.18782), makes x as noisy as it is said to be, but where data of some
weight bring their own over 1.2 sigma_k^2, which is not removed again: fade takes some of it there.
What is left of m is odd in m but for curvature: the mean over both signs, antithetic variates
(Hammersley & Morton, 1956), is without most of it. An A that bends is linearised at every x^.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from operators.linearised import Linearisable, Seen
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import State, deviation, trust
from restore.solvers.smooth import has_holes, smooth_estimate
from restore.solvers.space import Space, space

QUICK: dict[str, Any] = dict(fade=None, start_sigma=0.2, zeta=1.0, max_weight=2000.0)
"""Options for few evaluations: levels that lie near each other, one evaluation each."""


@torch.no_grad()
def dpir(
    measurement: Measurement[Linearisable],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 16,
    lambda_: float = 0.35,
    zeta: float = 1.1,
    fade: float | None = 0.35,
    start_sigma: float | None = None,
    end_sigma: float | None = None,
    max_weight: float = 200.0,
    prox_in: str = "states",
) -> Iterator[State]:
    """Restore by a denoiser and a prox in turn; fast, one picture near the mean, no exact sample.

    steps >= 1 of two network evaluations; lambda_ > 0 is the strength of the prior; zeta >= 0 the
    share of fresh noise, fade >= 0 how much less where the data speak, None for one sign and one
    evaluation; max_weight bounds trust in the data. Levels of noise on [0, 1]: start_sigma, 0.8, or
    0.2 where (a picture of a batch has) pixels missing, which higher ones fill with what then
    stays; end_sigma, the measurement's, but not below 0.005. ValueError for steps or levels <= 0.
    """
    where = space(measurement, prior, prox_in)
    seen = where.measurement
    u = where.of(smooth_estimate(seen))
    for step, sigma in enumerate(_falling(seen, steps, start_sigma, end_sigma), start=1):
        level = prior.schedule.at_ratio(sigma / prior.unit)
        weight = min(trust(seen, prior, level) / lambda_, max_weight)
        where = where.at(u, sigma)
        n = zeta * sigma * seeds.normal_like(u)
        noisy = [where.leave(x) for x in _noisy(where, u, n, weight, fade)]
        x0 = torch.stack([prior.denoise(level.alpha * z, level) for z in noisy]).mean(0)
        yield State(step, steps, x0 if step == steps else noisy[0], x0)
        if step < steps:
            u = where.enter(x0)


def _noisy(where: Space, u: Tensor, n: Tensor, weight: float, fade: float | None) -> list[Tensor]:
    if fade is None:
        return [where.prox(u + n, weight)]
    x, r = where.prox(u, weight), where.response(n, weight)
    return [x + sign * (r - fade * (n - r)) for sign in (1, -1)]


def _falling(seen: Seen, steps: int, start: float | None, end: float | None) -> list[float]:
    end = max(deviation(seen), 0.005) if end is None else end
    start = (0.2 if has_holes(seen) else 0.8) if start is None else start
    if steps < 1 or min(start, end) <= 0:
        raise ValueError(f"steps, start_sigma, end_sigma: {steps}, {start}, {end}; all must be > 0")
    ratio = end / max(start, end)
    return [end * ratio ** (step / max(steps - 1, 1) - 1) for step in range(steps)]
