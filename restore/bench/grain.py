"""A control for LPIPS: `photomend bench --methods tradeoff,dpir,restore.bench.grain:grain`.

The default solver mixes its mean with a little of a draw, which lowers LPIPS. So does faint white
noise, which knows nothing of the photo. Where this is as low as the default, LPIPS does not say
that the default's detail is the right one.
"""

from collections.abc import Iterator

import torch

from operators.linearised import Linearisable
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers.base import State
from restore.solvers.tradeoff import tradeoff


@torch.no_grad()
def grain(
    measurement: Measurement[Linearisable],
    prior: Prior,
    seeds: Seeds,
    *,
    fidelity: float = 0.7,
    steps: int = 20,
) -> Iterator[State]:
    """`tradeoff`, but white noise for what its draw brings, of the same energy in every picture.

    fidelity in [0, 1] and steps >= 1, as there; without a draw the picture is the mean.
    """
    draws = 0 if fidelity == 1 else steps // 5
    mean = measurement.y
    for state in tradeoff(measurement, prior, seeds, fidelity=fidelity, steps=steps):
        if state.step <= steps - draws:
            mean = state.x0
        if not draws or state.step < steps:
            yield state
            continue
        brought = (state.x0 - mean).square().flatten(1).mean(1).sqrt()
        x0 = mean + brought.view(-1, *[1] * (mean.ndim - 1)) * seeds.normal_like(mean)
        yield state._replace(x=x0, x0=x0)
