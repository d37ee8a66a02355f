"""Decoupled annealing posterior sampling (Zhang et al., CVPR 2025, arXiv:2407.01521); with latents,
LatentDAPS.

    for t in falling levels:
        z0^ <- a short probability-flow ODE from z_t
        z0  ~  exp(-|z0 - z0^|^2 / (2 r^2)) p(y | D(z0))
        z_s ~ N(alpha_s z0, sigma_s^2 I)

The last z0^ is the sample. Six things differ from the paper.

- z0 is drawn exactly, by perturbed data (`restore.solvers.conditional`), not by Langevin steps: a
  hundred of them are no draw where A is ill-conditioned, and cost as many gradients.
- D is its linear part where it has one (`priors.linear`); G would otherwise hold its whims.
- r^2 = 1 / (alpha_t^2 / sigma_t^2 + unit^2 / reach^2): a photo leaves no more open than its own
  spread, and at alpha_t = 0 the draw is still finite. For a Gaussian prior of that spread it is
  exact. It is divided by lambda: the data weigh more, as in plug-and-play.
- Its noise is multiplied by a temperature. What a photo leaves open is no white noise, and white
  noise of r that the next level is not told of is not removed again. With lambda, 1 is for Gaussian
  priors, whose posterior it then samples all but exactly.
- Levels and start are those of `restore.solvers.diffpir`: levels that are even in u spend their
  steps on noise, and large holes are then filled wrongly.
- The sample is the estimate before the last draw, as that one returns noise of the data.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch

from operators.base import Operator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import (
    State,
    move,
    noise_at,
    to_clean,
)
from restore.solvers.conditional import conditional, left_open
from restore.solvers.diffpir import falling
from restore.solvers.smooth import first_guess


@torch.no_grad()
def daps(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 30,
    ode_steps: int = 1,
    iterations: int = 30,
    reach: float = 0.25,
    temperature: float = 0.2,
    lambda_: float = 0.7,
    start_sigma: float = 0.5,
    end_sigma: float = 0.01,
) -> Iterator[State]:
    """Sample by annealing, with the likelihood sampled apart from the network.

    steps, ode_steps >= 1 with steps * ode_steps network evaluations; iterations >= 1 of conjugate
    gradients a step, where A is not linear; reach > 0 is the spread of photos, on [0, 1];
    temperature in [0, 1], 0 for the mode in the place of the draw, 1 for the draw itself; lambda_ >
    0, the strength of the prior; start_sigma >= end_sigma > 0, noise levels in the picture. Any
    operator and noise. ValueError when a level or steps is not positive.
    """
    levels = falling(prior, steps, start_sigma, end_sigma)
    x = noise_at(first_guess(measurement), prior, levels[0], seeds)
    draw = conditional(measurement, prior, seeds, iterations=iterations, temperature=temperature)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        guess = to_clean(x, prior, t, ode_steps, seeds)
        if step == steps:
            yield State(step, steps, guess, guess)
            return
        x0 = draw(guess, left_open(prior, t, reach) / lambda_**0.5)
        x = move(x, x0, t, s, 0.0, s.sigma, seeds)
        yield State(step, steps, x, x0)
