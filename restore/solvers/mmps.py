"""Moment matching posterior sampling (Rozet et al., NeurIPS 2024, arXiv:2405.13712).

    x0^ <- E[x0 | x_t];   V <- sigma_t^2 / alpha_t  d x0^ / d x_t      (Tweedie: the covariance)
    x0^ <- x0^ + V G^T (sigma^2 I + G V G^T)^-1 (y - A D(x0^)),   G = d A(D(x0^)) / d x0^
    x_s ~ p(x_s | x_t, x0^)

The solve is by conjugate gradients with vector-Jacobian products. Under a Gaussian prior with a
linear decoder this is the exact posterior: of the solvers here the one to trust for uncertainty.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from operators.base import Operator, conjugate_gradients
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import Level
from restore.solvers.base import QUANTISATION, State, linearised, reverse, start


@torch.no_grad()
def mmps(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 100,
    iterations: int = 3,
    eta: float = 1.0,
) -> Iterator[State]:
    """Sample with the covariance of E[x0 | x_t], at about the cost of `iterations` + 2 gradients.

    steps >= 1 network evaluations; iterations >= 1 of conjugate gradients a step; eta in [0, 1]
    the share of fresh noise. Any operator and noise. The Jacobian of a trained network is not quite
    a covariance: beyond a few iterations the solve may diverge.
    """
    levels = prior.schedule.levels(steps)
    x = start(measurement, prior, levels[0], seeds)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0 = conditional_mean(measurement, prior, x, t, iterations)
        x = reverse(x, x0, t, s, eta, seeds)
        yield State(step, steps, x, x0)


def conditional_mean(
    measurement: Measurement[Operator], prior: Prior, x: Tensor, t: Level, iterations: int
) -> Tensor:
    """E[x0 | x_t = x, y], with p(x0 | x_t) taken for a Gaussian of its first two moments."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        x0 = prior.denoise(x, t)
    mean = x0.detach()
    seen = measurement.operator(prior.decode(mean))
    back, push = linearised(lambda z: measurement.operator(prior.decode(z)), mean)

    def spread(w: Tensor) -> Tensor:
        """alpha V G^T w, finite where alpha is 0."""
        return t.sigma**2 * torch.autograd.grad(x0, x, back(w), retain_graph=True)[0]

    # Both sides times alpha: the solve is of alpha sigma^2 I + G (alpha V) G^T.
    noise = measurement.noise.variance(seen).clamp(min=QUANTISATION**2)
    weights = conjugate_gradients(
        lambda w: t.alpha * noise * w + push(spread(w)),
        measurement.y - seen,
        iterations=iterations,
    )
    return mean + spread(weights)
