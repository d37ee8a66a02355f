"""Denoising diffusion null-space model, DDNM+ (Wang et al., ICLR 2023, arXiv:2212.00490).

    x^  <- D(E[x0 | x_t]);   x^ <- x^ + lambda_t A+ (y - A x^)
    x_s <- mean of p(x_s | x_t, E(x^)) + sqrt(sigma^2 - (a lambda_t g)^2) n

sigma is the ancestral noise, a the factor of x0 in the mean, g the noise that A+ hands to the
state. lambda_t = min(1, sigma / (a g)) leaves room for that noise, which the fresh one completes.
An A+ that amplifies noise, such as that of a blur, is hence hardly heard: use DiffPIR there.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import State, ancestral, column, move, start


@torch.no_grad()
def ddnm(
    measurement: Measurement[LinearOperator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 100,
    eta: float = 0.85,
) -> Iterator[State]:
    """Restore by replacing the part of the picture that the measurement determines.

    steps >= 1 network evaluations; eta in [0, 1] the share of fresh noise, which must not be 0
    where the measurement has noise, as nothing else makes room for it. No gradients.
    """
    operator, y = measurement.operator, measurement.y
    levels = prior.schedule.levels(steps)
    x = start(measurement, prior, levels[0], seeds)
    noise = amplified(measurement) / prior.unit
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        sigma = eta * ancestral(t, s)
        kept = math.sqrt(max(s.sigma**2 - sigma**2, 0.0))
        noisy = (s.alpha - kept * t.alpha / t.sigma) * noise
        share = torch.where(noisy <= sigma, 1.0, sigma / noisy)
        image = prior.decode(prior.denoise(x, t))
        x0 = prior.encode(image + column(share, image) * operator.pinv(y - operator(image)))
        fresh = (sigma**2 - (share * noisy) ** 2).clamp(min=0).sqrt()
        x = move(x, x0, t, s, kept, column(fresh, x), seeds)
        yield State(step, steps, x, x0)


def amplified(measurement: Measurement[LinearOperator]) -> Tensor:
    """Standard deviation (B,) that the noise of the measurement has after A+, by one fixed draw."""
    y = measurement.y
    noise = measurement.sigma * Seeds(*[0] * len(y)).normal_like(y)
    return measurement.operator.pinv(noise).square().flatten(1).mean(1).sqrt()
