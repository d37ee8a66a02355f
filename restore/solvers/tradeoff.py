"""Between the mean and a draw, as in "A theory of the distortion-perception tradeoff in Wasserstein
space" (Freirich, Michaeli & Meir, NeurIPS 2021, arXiv:2107.02555).

    m <- the mean                                   `restore.solvers.dpir`
    d <- a draw                                     `restore.solvers.pnpdm`, from m on
    x <- fidelity m + (1 - fidelity) d

The paper: among all estimators whose pictures are as far from photographs as those of x, as the
2-Wasserstein distance has it, none has a smaller squared error, if m is the posterior mean and d
its optimal transport to the photographs. A posterior draw in the place of d costs no more than
1 + (1 - fidelity)^2 of the least error. Here m is only near the mean, and the few levels that d
goes through begin where m is as good a place as any that the chain would have reached by itself.
"""

from collections.abc import Iterator

import torch

from operators.linearised import Linearisable
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import State
from restore.solvers.conditional import conditional
from restore.solvers.diffpir import falling
from restore.solvers.dpir import dpir
from restore.solvers.pnpdm import denoised


@torch.no_grad()
def tradeoff(
    measurement: Measurement[Linearisable],
    prior: Prior,
    seeds: Seeds,
    *,
    fidelity: float = 0.7,
    steps: int = 20,
    inner: int = 4,
    reach: float = 0.1,
    start_sigma: float = 0.06,
    end_sigma: float = 0.02,
) -> Iterator[State]:
    """Mix the safest picture with the most probable detail; what no draw repeats is faint.

    fidelity in [0, 1]: 1 is the picture of dpir, without the steps of a draw, 0 the draw. steps >=
    1: of each five the last is of pnpdm, with inner >= 1 network evaluations, from start_sigma down
    to end_sigma, on [0, 1], and reach as there; the others are of dpir, with two each. The
    mix is taken in the states, near enough to pictures where the decoder is near an isometry.
    ValueError for a fidelity outside, and when a level or a number is too small.
    """
    if not 0 <= fidelity <= 1:
        raise ValueError(f"fidelity: got {fidelity}; it lies between 0 (a draw) and 1 (the mean)")
    draws = steps // 5
    whole = steps - draws if fidelity == 1 else steps
    mean = measurement.y
    for state in dpir(measurement, prior, seeds, steps=steps - draws):
        mean = state.x0
        yield State(state.step, whole, state.x, mean)
    if whole == steps - draws:
        return
    levels = falling(prior, draws, start_sigma, end_sigma)
    draw = conditional(measurement, prior, seeds, iterations=30, temperature=1.0)
    x = mean
    for step, t in enumerate(levels[:-1], start=steps - draws + 1):
        z = draw(x, t.ratio)
        x = denoised(t.alpha * z, prior, t, inner, reach, seeds)
        x0 = fidelity * mean + (1 - fidelity) * x
        yield State(step, steps, x0 if step == steps else z, x0)
