"""LATINO (Spagnoletti et al., arXiv:2503.12615): a stochastic autoencoder and a prox in turn.

    x <- a cheap picture made of y
    for t in a few falling levels:
        z_t ~ N(alpha_t E(x), sigma_t^2 I)
        x   <- D(f(z_t, t))                        f: z_t -> z0, one step of a consistency model
        x   <- argmin_x' |y - A x'|^2 / (2 sigma^2) + lambda / (2 sigma_t^2) |x' - x|^2

With a prior that is no consistency model, f is `inner` steps of DDIM; one step is E[z0 | z_t].
The argmin is over the states where the decoder has a linear part (`restore.solvers.space`).
"""

from collections.abc import Iterator

import torch

from operators.base import LinearOperator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import State, noised, to_clean, trust
from restore.solvers.smooth import smooth_estimate
from restore.solvers.space import space


@torch.no_grad()
def latino(
    measurement: Measurement[LinearOperator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 8,
    inner: int = 1,
    lambda_: float = 1.0,
    start_sigma: float = 0.4,
) -> Iterator[State]:
    """Restore in a few steps: noise, denoise, prox.

    steps, inner >= 1 with steps * inner network evaluations; lambda_ > 0 is the strength of the
    prior; start_sigma > 0 the first noise, in the picture on [0, 1]. No gradients.
    """
    top = prior.schedule.at_ratio(start_sigma / prior.unit).u
    where, left = space(measurement, prior), None
    x0 = prior.encode(smooth_estimate(measurement))
    for step, level in enumerate(prior.schedule.levels(steps, top)[:-1], start=1):
        x = noised(x0, level, seeds)
        weight = trust(measurement, prior, level) / lambda_
        u = where.enter(to_clean(x, prior, level, inner, seeds))
        u, left = where.prox_from(u, weight, left)
        x0 = where.leave(u)
        yield State(step, steps, x0, x0)
