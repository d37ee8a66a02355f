"""Posterior sampling with latent diffusion (Rout et al., NeurIPS 2023, arXiv:2307.00619).

    for t in falling levels:
        z0^ <- E[z0 | z_t]
        x^  <- A+ y + (I - A+ A) D(z0^)
        l   <- log p(y | D(z0^)) - gamma alpha_t^2 / (2 sigma_t^2) |z0^ - E(x^)|^2
        z0^ <- z0^ + zeta s_t grad_{z_t} l
        z_s ~ p(z_s | z_t, z0^)

The gluing term asks that z0^ be what the encoder makes of a picture that agrees with y. A+ is
damped by the noise (a prox, equal to the line above where there is none), as a bare A+ would hand
the encoder amplified noise. The likelihood is deterministic: nothing of it is drawn again. Levels
and start are those of `restore.solvers.diffpir`.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch

from operators.base import LinearOperator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import State, noise_at, reverse, trust
from restore.solvers.diffpir import falling
from restore.solvers.guidance import descent
from restore.solvers.smooth import first_guess


@torch.no_grad()
def psld(
    measurement: Measurement[LinearOperator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 100,
    zeta: float = 1.0,
    gamma: float = 0.1,
    eta: float = 1.0,
    start_sigma: float = 0.4,
    end_sigma: float = 0.02,
) -> Iterator[State]:
    """Sample by the gradient of likelihood and gluing through network, decoder and encoder.

    steps >= 1 network evaluations; zeta > 0 is the strength of the data, gamma >= 0 that of the
    gluing; eta in [0, 1] the share of fresh noise; start_sigma >= end_sigma > 0 are noise levels in
    the picture on [0, 1]. ValueError when a level or steps is not positive.
    """
    levels = falling(prior, steps, start_sigma, end_sigma)
    x = noise_at(first_guess(measurement), prior, levels[0], seeds)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        weight = trust(measurement, prior, t)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            x0 = prior.denoise(x, t)
            image = prior.decode(x0)
            glued = prior.encode(measurement.operator.prox(image, measurement.y, weight))
            glue = gamma / t.ratio**2 * (x0 - glued).square().flatten(1).sum(1)
            seen = measurement.operator(image)
            likelihood = measurement.noise.log_likelihood(measurement.y, seen)
            objective = likelihood - glue / 2
            g, pull = torch.autograd.grad(objective.sum(), (x0, x))
        pull = descent(measurement, seen.detach(), g, pull, t, glue.detach()) * pull
        x0 = x0.detach() + zeta * pull
        x = reverse(x.detach(), x0, t, s, eta, seeds)
        yield State(step, steps, x, x0)
