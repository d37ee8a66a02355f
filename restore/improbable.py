"""How improbable a prior finds a picture, from the errors of its denoiser.

    -log p(x) = const + 1/2 int |x - E[x | x + sigma e]|^2 d(1 / sigma^2)

as in Kong, Brekelmans and Ver Steeg, Information-theoretic diffusion, ICLR 2023 (arXiv:2302.03792),
over the noise at which errors of a restoration show: rings, stripes, and what was not sharpened.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from operators.seeds import Seeds
from priors.base import Prior
from restore.result import Result
from restore.solvers.dpir import QUICK

if TYPE_CHECKING:
    from restore.restorer import Restorer

SIGMAS = (0.02, 0.05)
"""Standard deviations of the noise on [0, 1]."""
TRIAL: dict[str, Any] = {**QUICK, "steps": 6, "by_size": True}
"""Options of restorations by dpir that are compared: fewer steps misjudge the chi-square of the
whole."""
SIDE = 384
"""Of the part in the middle that is looked at, in pixels."""


def cost_by(restorer: "Restorer") -> Callable[[Result], float]:
    """What says, by the prior of a restorer, how improbable a result is."""
    return lambda result: improbability(result.pixels.to(restorer.device), restorer.prior)


@torch.no_grad()
def improbability(image: Tensor, prior: Prior) -> float:
    """Nats a value by which a picture (1, 3, H, W) in [0, 1] is improbable, up to a constant.

    Those of pictures of one size can be compared; `len(SIGMAS)` evaluations of the network, on the
    image's device, which has to be the prior's.
    """
    seen = _middle(image.clamp(0, 1), prior.multiple)
    x, seeds, found = prior.encode(seen), Seeds(*range(len(image))), []
    levels = [prior.schedule.at_ratio(sigma / prior.unit) for sigma in SIGMAS]
    for level in levels:
        noisy = level.alpha * x + level.sigma * seeds.normal_like(x)
        error = (prior.denoise(noisy, level) - x).float().square().sum()
        found.append(float(error) * (level.alpha / level.sigma) ** 2)
    # The integral in log(1 / sigma^2), by the trapezoidal rule.
    width = 2 * math.log(SIGMAS[-1] / SIGMAS[0])
    return width * sum(found) / len(found) / 2 / seen.numel()


def _middle(image: Tensor, multiple: int) -> Tensor:
    """The middle, of sides that a prior takes; what is smaller is continued."""
    height, width = (max(min(side, SIDE) // multiple, 1) * multiple for side in image.shape[2:])
    down, right = max(height - image.shape[2], 0), max(width - image.shape[3], 0)
    whole = pad(image, (0, right, 0, down), mode="replicate")
    top, left = (whole.shape[2] - height) // 2, (whole.shape[3] - width) // 2
    return whole[..., top : top + height, left : left + width]
