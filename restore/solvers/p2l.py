"""Prompt-tuning latent diffusion, P2L (Chung et al., ICML 2024, arXiv:2310.01110).

    C <- the embedding of the prior's text
    for t in falling levels:
        K times C <- C + Adam(grad_C log p(y | D(E[x0 | x_t, C])))
        x0^ <- E[x0 | x_t, C];   d <- grad_{x_t} log p(y | D(x0^))
        every few steps x0^ <- E(argmin_x |y - A x|^2 / (2 sigma^2) + |x - D(x0^)|^2 / (2 r^2))
        x0^ <- x0^ + zeta s_t d
        x_s ~ p(x_s | x_t, x0^)

C is one embedding an image, kept from level to level: in the end the prior is told what the data
say that the picture shows. The argmin keeps x0^ among what the encoder makes of pictures; r^2 is
the level's variance in the picture over lambda. zeta, s_t, levels and start are those of DPS
(`restore.solvers.dps`). The pooled text, which some networks are told too, is not tuned.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import Level
from restore.solvers.base import State, noise_at, reverse, trust
from restore.solvers.diffpir import falling
from restore.solvers.guidance import guided
from restore.solvers.smooth import first_guess
from restore.solvers.space import space


@torch.no_grad()
def p2l(
    measurement: Measurement[LinearOperator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 100,
    iterations: int = 1,
    rate: float = 1e-4,
    every: int = 3,
    lambda_: float = 1.0,
    zeta: float = 1.0,
    eta: float = 1.0,
    start_sigma: float = 0.4,
    end_sigma: float = 0.02,
) -> Iterator[State]:
    """Sample while the text is tuned to the data.

    steps >= 1 levels of iterations + 1 network evaluations; rate >= 0 is the step of an entry of
    the embedding; every >= 1 steps a projection, with lambda_ > 0 the strength of the prior; all
    else as of `dps`. TypeError where the prior reads no text, ValueError for steps or levels <= 0.
    """
    levels = falling(prior, steps, start_sigma, end_sigma)
    if prior.embedding is None:
        raise TypeError("p2l tunes the prompt, and this prior reads no text; give one that does")
    x = noise_at(first_guess(measurement), prior, levels[0], seeds)
    where = space(measurement, prior)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        prior = tuned(measurement, prior, x, t, iterations, rate)
        x0, pull = guided(measurement, prior, x, t)
        if step % every == 0 and step < steps:
            x0 = where.leave(where.prox(where.enter(x0), trust(measurement, prior, t) / lambda_))
        x0 = x0 + zeta * pull
        x = reverse(x, x0, t, s, eta, seeds)
        yield State(step, steps, x, x0)


def tuned(
    measurement: Measurement[Any], prior: Prior, x: Tensor, t: Level, iterations: int, rate: float
) -> Prior:
    """The prior with one embedding an image, moved towards the likelihood of E[x0 | x_t = x]."""
    with torch.enable_grad():
        embedding = torch.as_tensor(prior.embedding).detach().to(x)
        embedding = embedding.expand(len(x), -1, -1).clone().requires_grad_()
        adam = torch.optim.Adam([embedding], lr=rate)
        for _ in range(iterations):
            x0 = prior.with_embedding(embedding).denoise(x.detach(), t)
            loss = -measurement.log_likelihood(prior.decode(x0)).sum()
            (embedding.grad,) = torch.autograd.grad(loss, embedding)
            adam.step()
    return prior.with_embedding(embedding.detach())
