"""FLAIR (Erbach et al., "Solving inverse problems with FLAIR", arXiv:2506.02680): variational.

    mu <- E(a cheap picture made of y);   x1^ ~ N(0, I)
    for times t from 1 down to `end`, a = 1 - t:
        x_t <- alpha_t mu + sigma_t (a x1^ + sqrt(1 - a^2) n)           trajectory adjustment
        x0^ <- E[x0 | x_t];   x1^ <- (x_t - alpha_t x0^) / sigma_t
        mu  <- mu - lambda(t) (v - u) = mu + lambda(t) / t (x0^ - mu)   the prior's velocity v
        mu  <- argmin |y - A D(mu)|^2, from mu, until it is as small as the noise
    the last mu is the picture

Here t = sigma / (alpha + sigma), the time of a flow with the noise of the level, so that this runs
on every schedule. D is its linear part where it has one (`priors.linear`).

The paper measures the mean e(t) of |v - u|^2 for its network and has lambda(t) rise with
1 / e(t) - 1 / e(0). Of the embedded prior 1 / e(t) is 1.3 + 14 t (1 - t), within 20 % on photos for
t in 0.1 .. 0.95; hence lambda(t) = weight t (1 - t). The paper descends by step sizes of each task
to residuals of each; here lines are searched exactly and the noise of the measurement is known.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.linear import linear
from restore.solvers.base import QUANTISATION, Function, State, column
from restore.solvers.mpgd import uphill
from restore.solvers.smooth import smooth_estimate


@torch.no_grad()
def flair(
    measurement: Measurement[LinearOperator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 30,
    iterations: int = 15,
    weight: float = 2.0,
    end: float = 0.2,
) -> Iterator[State]:
    """Restore by the prior's pull and hard data consistency in turn; sharp, one mode.

    steps >= 1 network evaluations; iterations >= 1 gradients a step at most, which spare the
    network; weight > 0 is the strength of the prior; end in (0, 1), the last time.
    ValueError when steps or end is not in its range.
    """
    if steps < 1 or not 0 < end < 1:
        raise ValueError(f"steps >= 1 and end in (0, 1) are needed, not {steps} and {end}")
    decode = linear(prior, measurement.y).decode
    mu = prior.encode(smooth_estimate(measurement))
    x1 = seeds.normal_like(mu)
    for step in range(1, steps + 1):
        t = 1 - (1 - end) * step / steps
        level = prior.schedule.at_ratio(t / (1 - t))
        noise = (1 - t) * x1 + math.sqrt(t * (2 - t)) * seeds.normal_like(mu)
        x = level.alpha * mu + level.sigma * noise
        x0 = prior.denoise(x, level)
        x1 = (x - level.alpha * x0) / level.sigma
        mu = mu + min(1.0, weight * (1 - t)) * (x0 - mu)
        mu = consistent(measurement, decode, mu, iterations)
        yield State(step, steps, mu, mu)


def consistent(
    measurement: Measurement[LinearOperator], decode: Function, z: Tensor, iterations: int
) -> Tensor:
    """z moved uphill until the residual is as large as the noise, image by image."""

    def residual(z: Tensor) -> Tensor:
        seen = measurement.operator(decode(z))
        deviation = measurement.noise.variance(seen).sqrt().clamp(min=QUANTISATION)
        return ((measurement.y - seen) / deviation).flatten(1)

    for _ in range(iterations):
        r = residual(z)
        above = r.square().sum(1) - r.shape[1]
        if not bool((above > 0).any()):
            break
        step = uphill(measurement, decode, z, math.inf)
        # |r - s q|^2 is least at s = 1, and where it can be, as large as the noise at s
        q = (r - residual(z + step)).square().sum(1).clamp(min=1e-12)
        s = 1 - (1 - above.clamp(min=0) / q).clamp(min=0).sqrt()
        z = z + column(s, z) * step
    return z
