"""Manifold preserving guided diffusion, MPGD (He et al., ICLR 2024, arXiv:2311.16424).

    for t in falling levels:
        x0^ <- E[x0 | x_t];   eps <- (x_t - alpha_t x0^) / sigma_t
        z   <- x0^ - c_t grad_{x0^} |y - A D(x0^)|^2 / (2 sigma^2)
        z   <- E(D(z))
        x_s <- alpha_s z + sqrt(sigma_s^2 - g^2) eps + g n,   g^2 = eta^2 var(x_s | x_t, x0)

The network is not differentiated. E(D(z)) brings z back to what the encoder makes of pictures;
it changes nothing for pixels, nor where E is affine and D its linear part (`priors.linear`).

The paper sets c_t task by task. Here the step is the one by which p(y | D(z)) N(z; x0^, r_t^2 I)
rises most, r_t as in DAPS (`restore.solvers.conditional`). As eps is that of the prior, x_s moves
by all of it, at every step, and many steps would fit the noise. Of that length z hence takes
min(1, zeta f), with f the share of the variance of x_t / alpha_t that the step removes: zeta = 1
makes it the step of the conditional mean, exact where all directions are alike, infinity the
paper's. Levels and start are those of `restore.solvers.diffpir`.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from operators.base import Operator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.linear import linear
from restore.solvers.base import (
    QUANTISATION,
    Function,
    State,
    column,
    inner,
    linearised,
    noise_at,
    reverse,
)
from restore.solvers.conditional import left_open
from restore.solvers.diffpir import falling
from restore.solvers.smooth import first_guess


@torch.no_grad()
def mpgd(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 30,
    reach: float = 0.25,
    zeta: float = 2.0,
    eta: float = 1.0,
    start_sigma: float = 0.4,
    end_sigma: float = 0.02,
) -> Iterator[State]:
    """Sample by the gradient of the likelihood at the estimate, without the network's.

    steps >= 1 network evaluations; reach > 0 is the spread of photos, on [0, 1]; zeta > 0 the
    strength of the data; eta in [0, 1] the share of fresh noise; start_sigma >= end_sigma > 0 are
    noise levels in the picture. Any operator and noise. ValueError when one is not positive.
    """
    levels = falling(prior, steps, start_sigma, end_sigma)
    x = noise_at(first_guess(measurement), prior, levels[0], seeds)
    coder = linear(prior, measurement.y)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0 = prior.denoise(x, t)
        rise = uphill(measurement, coder.decode, x0, left_open(prior, t, reach))
        removed = 1 - (t.alpha * s.sigma / (s.alpha * t.sigma)) ** 2
        z = coder.encode(coder.decode(x0 + min(1.0, zeta * removed) * rise))
        x = s.alpha * z + (reverse(x, x0, t, s, eta, seeds) - s.alpha * x0)
        yield State(step, steps, x, z)


def uphill(
    measurement: Measurement[Operator], decode: Function, x0: Tensor, spread: float
) -> Tensor:
    """The step along the gradient at x0 on which p(y | D(z)) N(z; x0, spread^2 I) rises most."""
    seen = measurement.operator(decode(x0))
    back, push = linearised(lambda z: measurement.operator(decode(z)), x0)
    variance = measurement.noise.variance(seen).clamp(min=QUANTISATION**2)
    pull = back((measurement.y - seen) / variance)
    moved, size = push(pull), inner(pull, pull).flatten()
    curved = size / spread**2 + inner(moved, moved / variance).flatten()
    return column(size / curved.clamp(min=1e-30), pull) * pull
