"""ReSample, hard data consistency (Song et al., ICLR 2024, arXiv:2307.08123).

    z' ~ p(z_s | z_t, z0^),  z0^ = E[z0 | z_t]
    every few steps:
        z0* <- argmin_z |y - A D(z)|^2 / (2 sigma^2) + |z - z0^|^2 / (2 r^2)
        z_s ~ N(w alpha_s z0* + (1 - w) z', w (2 - w) sigma_s^2 I)
    with w / (1 - w) = gamma (1 / alpha_t^2 - 1 / alpha_s^2), the paper's s^2 / sigma_s^2
    the sample is the last z0^

The paper fits the data alone, by gradient descent that starts at z0^ and stops early: over pictures
in the middle third of the levels, over latents in the last. What descent has not reached by then is
left as it was, which the second term says outright, with r and levels as in DAPS
(`restore.solvers.daps`); its minimum is the mode of `restore.solvers.conditional`, with D in its
linear part where it has one. So every step can afford one, and tens of steps do what took 500;
gamma is larger because the fit is no longer hard. The paper's variance w sigma_s^2 leaves z_s with
less noise than sigma_s, of which (1 - w)^2 is that of z': the network then smooths too much. The
last estimate is not fitted again: that returns noise.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch

from operators.base import Operator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import Level
from restore.solvers.base import State, noise_at, reverse
from restore.solvers.conditional import conditional, left_open
from restore.solvers.diffpir import falling
from restore.solvers.smooth import first_guess


@torch.no_grad()
def resample(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 40,
    every: int = 1,
    gamma: float = 1500.0,
    iterations: int = 30,
    reach: float = 0.25,
    lambda_: float = 0.75,
    start_sigma: float = 0.5,
    end_sigma: float = 0.01,
    eta: float = 0.0,
) -> Iterator[State]:
    """Sample with DDIM and, now and then, make the estimate fit the data.

    steps >= 1 network evaluations; every >= 1 steps a fit of at most `iterations` conjugate
    gradients; gamma > 0 is the trust in its result; reach > 0 the spread of photos, on [0, 1];
    lambda_ > 0 the strength of the prior in a fit; start_sigma >= end_sigma > 0 are noise levels in
    the picture; eta in [0, 1] is the share of fresh noise. Any operator and noise.
    """
    levels = falling(prior, steps, start_sigma, end_sigma)
    x = noise_at(first_guess(measurement), prior, levels[0], seeds)
    fit = conditional(measurement, prior, seeds, iterations=iterations)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0 = prior.denoise(x, t)
        x = reverse(x, x0, t, s, eta, seeds)
        if step < steps and step % every == 0:
            fitted = fit(x0, left_open(prior, t, reach) / lambda_**0.5)
            share = trusted(t, s, gamma)
            noise = (share * (2 - share)) ** 0.5 * s.sigma * seeds.normal_like(x)
            x = share * s.alpha * fitted + (1 - share) * x + noise
        yield State(step, steps, x, x0)


def trusted(t: Level, s: Level, gamma: float) -> float:
    """w of the step from t to s; 1 where alpha_t is 0."""
    # Both sides of the odds times alpha_t^2, so that none of them is infinite.
    fit = gamma * (1 - (t.alpha / s.alpha) ** 2)
    return fit / (fit + t.alpha**2)
