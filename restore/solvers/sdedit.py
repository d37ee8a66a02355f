"""SDEdit (Meng et al., ICLR 2022, arXiv:2108.01073): the baseline that forgets the measurement.

x_t ~ N(alpha_t E(x^), sigma_t^2 I)  with  x^ a cheap picture made of y
repeat  x_s ~ p(x_s | x_t, E[x0 | x_t])  down to the clean level

`edit` does so with any picture x^: a sketch, a collage, a result of another method.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import Level
from restore.solvers.base import State, noise_at, reverse
from restore.solvers.smooth import smooth_estimate


@torch.no_grad()
def sdedit(
    measurement: Measurement[LinearOperator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 50,
    start_sigma: float = 0.2,
    eta: float = 1.0,
) -> Iterator[State]:
    """Noise a smooth estimate and denoise it; the data enter through the estimate alone.

    steps >= 1 network evaluations; start_sigma > 0 is the noise laid over the picture on [0, 1];
    eta in [0, 1] the share of fresh noise.
    """
    estimate = smooth_estimate(measurement)
    yield from edit(estimate, prior, seeds, steps=steps, start_sigma=start_sigma, eta=eta)


@torch.no_grad()
def edit(
    picture: Tensor,
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 50,
    start_sigma: float = 0.2,
    eta: float = 1.0,
) -> Iterator[State]:
    """Noise a picture (B, 3, H, W) in [0, 1] and denoise it; options as of `sdedit`.

    A start_sigma beyond what the network has seen is the most or the least of it.
    """
    levels = prior.schedule.levels(steps, prior.schedule.at_ratio(start_sigma / prior.unit).u)
    yield from descend(noise_at(picture, prior, levels[0], seeds), prior, levels, eta, seeds)


@torch.no_grad()
def descend(
    x: Tensor, prior: Prior, levels: Sequence[Level], eta: float, seeds: Seeds
) -> Iterator[State]:
    """From x at the first of falling levels to a clean state by the prior alone."""
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0 = prior.denoise(x, t)
        x = reverse(x, x0, t, s, eta, seeds)
        yield State(step, len(levels) - 1, x, x0)
