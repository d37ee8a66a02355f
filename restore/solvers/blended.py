"""Blended latent diffusion (Avrahami, Fried & Lischinski, SIGGRAPH 2023, arXiv:2206.02779).

    z~ <- E(y, its holes filled smoothly);   v <- the variance that the noise of y has in z~
    for t in falling levels:
        x_s ~ p(x_s | x_t, E[x0 | x_t])
        x_s <- alpha_s z~ + sqrt(sigma_s^2 - alpha_s^2 v) n   where a state is known

A state is known where all pixels of its patch are: what is measured of other patches is not heard,
and masks of single pixels are for other solvers. The paper has v = 0, which returns the noise of y.
With it x_s has the noise of its level exactly; below the level of that noise known states are left
to the prior, as y is a noised picture itself. With nothing hidden this samples the posterior.

What is hidden hears of the rest through the network alone, which the paper's single pass leaves
too weak. Going back from x_s to x_t and down again, `repeats` times in all, mends that (RePaint,
Lugmayr et al., CVPR 2022, arXiv:2201.09865): holes are filled with what fits their edges.
The paper's text is the prior's; its mask, which shrinks to the given one, and its fit of the
decoder to the known pixels are not there, and `Restorer` ends with a projection onto them.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch

from operators.mask import Mask
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import State, reverse, start
from restore.solvers.known import Known


@torch.no_grad()
def blended(
    measurement: Measurement[Mask],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 30,
    repeats: int = 5,
    eta: float = 1.0,
) -> Iterator[State]:
    """Inpaint: sample what is hidden, and replace what is known at every step. No gradients.

    steps, repeats >= 1 with steps * repeats network evaluations, but for levels below the noise of
    the measurement, which are not repeated; eta in [0, 1] the share of fresh noise. ValueError for
    operators that mix pixels, states that are no grid, and masks that leave no patch whole.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, not {repeats}")
    levels = prior.schedule.levels(steps)
    known = Known.of(measurement, prior)
    x = known.replace(start(measurement, prior, levels[0], seeds), levels[0], seeds)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        for k in range(repeats if known.above(s) else 1):
            if k:
                share = t.alpha / s.alpha
                fresh = (t.sigma**2 - (share * s.sigma) ** 2) ** 0.5
                x = share * x + fresh * seeds.normal_like(x)
            x0 = prior.denoise(x, t)
            x = known.replace(reverse(x, x0, t, s, eta, seeds), s, seeds)
        if step == steps:
            x = x0 = known.nearer(x0, t)
        yield State(step, steps, x, x0)
