"""Pseudoinverse-guided diffusion models, PiGDM (Song, Vahdat, Mardani & Kautz, ICLR 2023).

    for t in falling levels:
        x0^ <- E[x0 | x_t];   p(x0 | x_t) is taken for N(x0^, r_t^2 I)
        g   <- r_t^2 G^T (r_t^2 G G^T + sigma^2 I)^-1 (y - A D(x0^)),   G = d A(D(x0^)) / d x0^
        x0^ <- x0^ + zeta alpha_t (d x0^ / d x_t)^T g
        x_s ~ p(x_s | x_t, x0^)

g leads from x0^ to the mode of N(x0^, r_t^2 I) given y, which `restore.solvers.conditional` finds
in closed form or by conjugate gradients; without noise it is the pseudo-inverse of G. The Jacobian
of the network is a vector-Jacobian product. r_t^2 is sigma^2 / (1 + sigma^2) in the paper, for
pictures of variance 1; here it is that of DAPS, with the spread and the units of the prior.

Tweedie's formula has sigma_t^2 / alpha_t in the place of alpha_t r_t^2. That is right where r_t^2
is the covariance, but in photos what is coarse is far more open than r_t^2, and the step overshoots
until nothing is left of the picture. The paper weights with r_t^2, too: as alpha_t times the
Jacobian of a Gaussian prior is at most 1, no step then overshoots with zeta = 1. As in DPS
(`restore.solvers.dps`) 2 is the default. With a great reach both weights are the same.

Levels and start are those of `restore.solvers.diffpir`, from a higher one: three times fewer levels
do, and large holes fit their edges.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from operators.base import Operator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import Level
from restore.solvers.base import State, noise_at, reverse
from restore.solvers.conditional import Draw, conditional, left_open
from restore.solvers.diffpir import falling
from restore.solvers.smooth import first_guess


@torch.no_grad()
def pigdm(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 30,
    iterations: int = 10,
    reach: float = 0.25,
    zeta: float = 2.0,
    eta: float = 1.0,
    start_sigma: float = 1.0,
    end_sigma: float = 0.02,
) -> Iterator[State]:
    """Sample by the gradient through the network of a likelihood that knows what is unknown.

    steps >= 1 network evaluations and gradients; iterations >= 1 of conjugate gradients a step,
    where A is not linear; reach > 0 is the spread of photos, on [0, 1]; zeta > 0 the strength of
    the data; eta in [0, 1] the share of fresh noise; start_sigma >= end_sigma > 0 are noise levels
    in the picture. Any operator and noise. ValueError when a level or steps is not positive.
    """
    levels = falling(prior, steps, start_sigma, end_sigma)
    x = noise_at(first_guess(measurement), prior, levels[0], seeds)
    mode = conditional(measurement, prior, seeds, iterations=iterations)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0, pull = guidance(prior, mode, x, t, left_open(prior, t, reach))
        x0 = x0 + zeta * t.alpha * pull
        x = reverse(x, x0, t, s, eta, seeds)
        yield State(step, steps, x, x0)


def guidance(prior: Prior, mode: Draw, x: Tensor, t: Level, spread: float) -> tuple[Tensor, Tensor]:
    """x0^ at x_t = x, and (d x0^ / d x)^T g for r_t = spread."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        x0 = prior.denoise(x, t)
    mean = x0.detach()
    return mean, torch.autograd.grad(x0, x, mode(mean, spread) - mean)[0]
