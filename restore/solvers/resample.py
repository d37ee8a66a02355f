"""ReSample, hard data consistency (Song et al., ICLR 2024, arXiv:2307.08123).

    z' ~ p(z_s | z_t, E[z0 | z_t])
    every few steps, below the noisiest third:
        z0* <- argmin_z |y - A D(z)|^2 from E[z0 | z_t]     (middle third: over pictures, encoded)
        z_s ~ N(w alpha_s z0* + (1 - w) z', w sigma_s^2 I)
    with w / (1 - w) = gamma (1 / alpha_t^2 - 1 / alpha_s^2), the paper's s^2 / sigma_s^2

The minimisation stops where the misfit is that of the noise (Morozov's discrepancy principle).
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor

from operators.base import Operator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import State, column, deviation, inner, likelihood_score, reverse, start


@torch.no_grad()
def resample(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 500,
    every: int = 10,
    gamma: float = 40.0,
    iterations: int = 100,
    eta: float = 0.0,
) -> Iterator[State]:
    """Sample with DDIM and, now and then, make the estimate fit the data.

    steps >= 1 network evaluations; every >= 1 steps one of at most `iterations` gradients through
    the decoder; gamma > 0 is the trust in its result; eta in [0, 1] the share of fresh noise.
    """
    levels = prior.schedule.levels(steps)
    x = start(measurement, prior, levels[0], seeds)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0 = prior.denoise(x, t)
        x = reverse(x, x0, t, s, eta, seeds)
        if step == steps or (t.u <= 2 / 3 and step % every == 0):
            if t.u > 1 / 3:
                image = fit(measurement, lambda image: image, prior.decode(x0), 1.0, iterations)
                x0 = prior.encode(image)
            else:
                x0 = fit(measurement, prior.decode, x0, prior.unit, iterations)
            odds = gamma * (1 / t.alpha**2 - 1 / s.alpha**2)
            share = odds / (1 + odds) if step < steps else 1.0
            noise = share**0.5 * s.sigma * seeds.normal_like(x)
            x = share * s.alpha * x0 + (1 - share) * x + noise
        yield State(step, steps, x, x0)


def fit(
    measurement: Measurement[Operator],
    decode: Callable[[Tensor], Tensor],
    z: Tensor,
    gain: float,
    iterations: int,
) -> Tensor:
    """Climb log p(y | decode(z)) from z until the misfit of each picture is that of the noise.

    Steps after Barzilai and Borwein (1988), the first for a decoder of the given gain; a step that
    goes down is taken back and shortened.
    """
    goal = deviation(measurement) * measurement.y[0].numel() ** 0.5
    size = column(z.new_full((len(z),), (deviation(measurement) / gain) ** 2), z)
    pull, image = likelihood_score(measurement, decode, z)
    for _ in range(iterations):
        active = measurement.misfit(image) > goal
        if not bool(active.any()):
            break
        change = column(active, z) * size * pull
        new_pull, new_image = likelihood_score(measurement, decode, z + change)
        better = measurement.log_likelihood(new_image) >= measurement.log_likelihood(image)
        up, curvature = column(better, z), inner(change, pull - new_pull)
        longer = torch.where(curvature > 0, inner(change, change) / curvature, size)
        size = torch.where(up, longer, size / 4)
        z, pull = torch.where(up, z + change, z), torch.where(up, new_pull, pull)
        image = torch.where(column(better, image), new_image, image)
    return z
