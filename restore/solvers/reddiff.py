"""RED-diff, a variational sampler (Mardani et al., "A variational perspective on solving inverse
problems with diffusion models", ICLR 2024, arXiv:2305.04391).

    mu <- E(smooth estimate)
    for t in levels from start_sigma down to end_sigma:
        x_t <- alpha_t mu + sigma_t n;   x0^ <- E[x0 | x_t];   eps <- (x_t - alpha_t x0^) / sigma_t
        mu  <- a step of Adam down the slope of
               |y - A D(mu)|^2 / 2 + lambda_t <eps - n, mu>,   lambda_t = lambda sigma_t / alpha_t
    the last mu is the picture

eps - n is held fixed: no gradient goes through the network. It is alpha_t (mu - x0^) / sigma_t, so
that the slope of the second term is lambda (mu - x0^) at every level, coarse structure first. Of a
Gaussian prior mu is then, at a level of noise rho in the picture with lambda = (sigma / rho)^2, the
posterior mean, but that the prior has noise of rho, too: at the last level that is lambda = 1. On
photos it blurs; hence the small default.

Three things differ from the paper. Noise that is not white or not Gaussian enters by its likelihood
in the place of the first term, times the mean variance. The start is a smooth estimate where A is
linear, and the levels are those of `restore.solvers.diffpir` and end at the noise of the
measurement. And D is its linear part where it has one (`priors.linear`).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from operators.base import Operator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.linear import linear
from restore.solvers.base import Function, State, deviation, likelihood_score, noised
from restore.solvers.diffpir import falling
from restore.solvers.smooth import first_guess

BETAS = (0.9, 0.99)
"""What Adam remembers of the slope and of its square from step to step."""


@torch.no_grad()
def reddiff(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 100,
    lambda_: float = 0.25,
    rate: float = 0.05,
    start_sigma: float = 0.4,
    end_sigma: float | None = None,
) -> Iterator[State]:
    """Fit one picture to the data and to its own denoising; gradients through the decoder alone.

    steps >= 1 network evaluations; lambda_ >= 0 is the strength of the prior; rate > 0 the first
    step of Adam, in the picture on [0, 1]; start_sigma >= end_sigma > 0 are noise levels in the
    picture, the last by default that of the measurement, but not below 0.02. Any operator, any
    noise with a log-likelihood. ValueError when a level or steps is not positive.
    """
    end_sigma = max(deviation(measurement), 0.02) if end_sigma is None else end_sigma
    levels = falling(prior, steps, max(start_sigma, end_sigma), end_sigma)
    decode = linear(prior, measurement.y).decode
    mu = prior.encode(first_guess(measurement))
    adam = torch.optim.Adam([mu], lr=rate / prior.unit, betas=BETAS)
    for step, t in enumerate(levels[:-1], start=1):
        x0 = prior.denoise(noised(mu, t, seeds), t)
        mu.grad = slope(measurement, decode, mu) + lambda_ * prior.unit**2 * (mu - x0)
        adam.step()
        found = mu.clone()
        yield State(step, steps, found, found)


def slope(measurement: Measurement[Operator], decode: Function, mu: Tensor) -> Tensor:
    """The gradient of -log p(y | D(mu)) times the variance of the noise."""
    return -(deviation(measurement) ** 2) * likelihood_score(measurement, decode, mu)[0]
