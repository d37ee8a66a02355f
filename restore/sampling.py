"""Pictures that a prior makes up, and how well its noise remembers a photo."""

from collections import deque

import torch
from torch import Tensor

from operators.seeds import Seeds
from priors import ode
from priors.base import Prior
from restore.metrics import psnr
from restore.solvers.base import Divergence
from restore.solvers.sdedit import descend

STEPS = 25


@torch.no_grad()
def draw(
    prior: Prior, like: Tensor, seeds: Seeds, *, steps: int = STEPS, eta: float = 0.0
) -> Tensor:
    """Draw pictures shaped as `like` (B, 3, H, W), not clipped, from pure noise.

    eta = 0 is the probability-flow ODE, as `priors.sample` has it: two evaluations of the network a
    step. eta in (0, 1] is the share of fresh noise, 1 for ancestral sampling: one evaluation a
    step, and many more steps for the same contrast, as a first-order method is coarse where the
    noise is strongest.
    ValueError for another eta, for steps < 1 and for sides that are not multiples of
    `prior.multiple`; Divergence where the network leaves the finite numbers.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta: got {eta}; it must lie in [0, 1]")
    noise = seeds.normal_like(like.new_empty(prior.state_shape(tuple(like.shape))))
    if eta == 0:
        x = ode.from_noise(prior, noise, steps)
        if not bool(x.isfinite().all()):
            raise Divergence(f"after {steps} steps the sample is NaN or infinite; try more steps")
    else:
        levels = prior.schedule.levels(steps)
        states = descend(levels[0].sigma * noise, prior, levels, eta, seeds)
        x = deque(states, maxlen=1).pop().x0
    return prior.decode(x)


@torch.no_grad()
def round_trip(prior: Prior, image: Tensor, steps: int = ode.STEPS) -> tuple[Tensor, Tensor]:
    """Picture to noise and back by the ODE: PSNR in dB (B,), and the noise, shaped as states.

    image (B, 3, H, W) in [0, 1]. What comes back is compared with D(E(image)), so that the
    autoencoder's own loss is left out; two evaluations of the network a step and way.
    """
    x = prior.encode(image)
    noise = ode.to_noise(prior, x, steps)
    return psnr(prior.decode(ode.from_noise(prior, noise, steps)), prior.decode(x)), noise
