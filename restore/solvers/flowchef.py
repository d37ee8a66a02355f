"""FlowChef (Patel et al., ICCV 2025, arXiv:2412.00100): a rectified flow steered from its estimate.

    x0^ <- E[x0 | x_t];   eps^ <- (x_t - alpha_t x0^) / sigma_t
    d   <- s grad_{x0^} log p(y | D(x0^))
    x_s <- alpha_s (x0^ + d) + sigma_s (eps^ + d)

With u = sigma / (alpha + sigma) any schedule is a flow: x_t / (alpha + sigma) = (1 - u) x0 + u eps.
There d moves the whole trajectory, as in the paper, and its velocity eps^ - x0^ stays: the network
is not differentiated. D is its linear part where it has one (`priors.linear`).

The paper sets s task by task, the same at all times. Here d is a share min(1, zeta (1 - u_s / u_t))
of the step by which p(y | D(z)) N(z; x0^, r_t^2 I) rises most, r_t as in DAPS
(`restore.solvers.mpgd`). With zeta = 1 that is a step of DDIM towards x0^ + d, whatever the number
of steps.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch

from operators.base import Operator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.linear import linear
from priors.schedule import Level
from restore.solvers.base import State, reverse, start
from restore.solvers.conditional import left_open
from restore.solvers.mpgd import uphill


@torch.no_grad()
def flowchef(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 30,
    zeta: float = 6.0,
    reach: float = 0.1,
) -> Iterator[State]:
    """Steer a deterministic flow; only its start is drawn.

    steps >= 1 network evaluations; zeta > 0 is the strength of the data; reach > 0 what photos
    leave open, on [0, 1]. Any operator and noise.
    """
    levels = prior.schedule.levels(steps)
    x = start(measurement, prior, levels[0], seeds)
    decode = linear(prior, measurement.y).decode
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0 = prior.denoise(x, t)
        share = min(1.0, zeta * (1 - flow_time(s) / flow_time(t)))
        d = share * uphill(measurement, decode, x0, left_open(prior, t, reach))
        x = reverse(x, x0, t, s, 0.0, seeds) + (s.alpha + s.sigma) * d
        yield State(step, steps, x, x0 + d)


def flow_time(level: Level) -> float:
    """The time of a flow with this ratio of noise to signal: 0 is clean, 1 noise."""
    return level.sigma / (level.alpha + level.sigma)
