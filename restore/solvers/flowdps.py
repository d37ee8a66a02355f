"""FlowDPS, flow-driven posterior sampling (Kim et al., ICCV 2025, arXiv:2503.08136).

    x0^ <- E[x0 | x_t];   x1^ <- (x_t - alpha_t x0^) / sigma_t          the picture and the noise
    z   <- x0^, then K times z <- z + c grad_z {log p(y | D(z)) - |z - x0^|^2 / (2 r^2)}
    x0^ <- (1 - g) x0^ + g z
    x1^ <- sqrt(u_s) x1^ + sqrt(1 - u_s) n,   u = sigma / (alpha + sigma)
    x_s <- alpha_s x0^ + sigma_s x1^

u is the time of a flow with the noise of the level (`restore.solvers.flowchef`), so that this runs
on every schedule. D is its linear part where it has one (`priors.linear`).

The paper has g = u_t, no r, and a step c for each task. By the end its g gives all to the prior,
which has the data forgotten again, and K steps without r fit their noise. r, as in DAPS
(`restore.solvers.daps`), says by how much x0^ may be wrong, and replaces both; c is the largest
step that never overshoots. With `interpolate` g is the paper's.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch

from operators.base import Operator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.linear import linear
from restore.solvers.base import (
    State,
    column,
    deviation,
    likelihood_score,
    move,
    sensitivity,
    start,
)
from restore.solvers.conditional import left_open
from restore.solvers.flowchef import flow_time


@torch.no_grad()
def flowdps(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 30,
    iterations: int = 10,
    reach: float = 0.25,
    interpolate: bool = False,
) -> Iterator[State]:
    """Sample with the data in the estimate of the picture and fresh noise in that of the noise.

    steps >= 1 network evaluations; iterations >= 1 is K, of gradients that spare the network;
    reach > 0 is the spread of photos, on [0, 1]. Any operator, any noise with a log-likelihood.
    """
    levels = prior.schedule.levels(steps)
    x = start(measurement, prior, levels[0], seeds)
    decode = linear(prior, measurement.y).decode
    precision = sensitivity(measurement, prior) / deviation(measurement) ** 2
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0 = prior.denoise(x, t)
        trust = left_open(prior, t, reach) ** -2
        scale = column(1 / (precision + trust), x0)
        z = x0
        for _ in range(iterations):
            pull, _ = likelihood_score(measurement, decode, z)
            z = z + scale * (pull - trust * (z - x0))
        drift = (flow_time(t) if interpolate else 1.0) * (z - x0)
        u = flow_time(s)
        kept, fresh = s.sigma * math.sqrt(u), s.sigma * math.sqrt(1 - u)
        x = move(x, x0, t, s, kept, fresh, seeds) + s.alpha * drift
        yield State(step, steps, x, x0 + drift)
