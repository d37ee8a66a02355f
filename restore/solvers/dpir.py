"""Plug-and-play restoration by half-quadratic splitting (Zhang et al., TPAMI 2021,
arXiv:2008.13751), with the denoiser of a diffusion prior.

    x^ <- smooth estimate
    for sigma_k from start_sigma down to end_sigma, evenly in log sigma:
        x  <- argmin_x |y - A x|^2 / (2 sigma^2) + lambda / (2 sigma_k^2) |x - x^|^2
        x^ <- D(E[z0 | alpha_k E(x)])

At the worst frequency the argmin amplifies the noise to sigma_k / (2 sqrt(lambda)): lambda = 1/4
makes it just the sigma_k that the denoiser is told; a little less is sharper. No noise is drawn:
the result is one picture, near the mode of the posterior, and no sample of it.
"""

from collections.abc import Iterator

import torch

from operators.base import LinearOperator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import State, deviation, trust
from restore.solvers.smooth import smooth_estimate


@torch.no_grad()
def dpir(
    measurement: Measurement[LinearOperator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 20,
    lambda_: float = 0.18,
    start_sigma: float = 0.1,
    end_sigma: float | None = None,
    max_weight: float = 2000.0,
) -> Iterator[State]:
    """Restore by a denoiser and a prox in turn; fast and deterministic, the seeds are not used.

    steps >= 1 network evaluations; lambda_ > 0 is the strength of the prior; start_sigma and
    end_sigma are noise levels in the picture on [0, 1], by default from 0.1 down to the noise of
    the measurement, but not below 0.005, where a denoiser has little to say. max_weight bounds the
    trust in the data against that in the picture, which an ill-conditioned blur needs.
    ValueError when one is not positive.
    """
    end_sigma = max(deviation(measurement), 0.005) if end_sigma is None else end_sigma
    if steps < 1 or min(start_sigma, end_sigma) <= 0:
        raise ValueError(
            f"steps >= 1 and positive start_sigma and end_sigma are needed, not {steps}, "
            f"{start_sigma} and {end_sigma}"
        )
    start_sigma = max(start_sigma, end_sigma)
    ratio = end_sigma / start_sigma
    image = smooth_estimate(measurement)
    for step in range(1, steps + 1):
        sigma = start_sigma * ratio ** ((step - 1) / max(steps - 1, 1))
        level = prior.schedule.at_ratio(sigma / prior.unit)
        weight = min(trust(measurement, prior, level) / lambda_, max_weight)
        z = prior.encode(measurement.operator.prox(image, measurement.y, weight))
        x0 = prior.denoise(level.alpha * z, level)
        image = prior.decode(x0)
        yield State(step, steps, x0 if step == steps else z, x0)
