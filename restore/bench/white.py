"""A prior that costs nothing, so that a benchmark of what is around it measures that."""

from torch import Tensor

from priors.base import Prior
from priors.schedule import Level
from restore.bench.toy import cosine

VARIANCE = 0.25**2


class White(Prior):
    """Independent values x_0 ~ N(1/2, 1/16) of any size: exact in closed form, and quick."""

    schedule = cosine()

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """1/2 + alpha v (x - alpha / 2) / (alpha^2 v + sigma^2), v the variance."""
        gain = level.alpha * VARIANCE / (level.alpha**2 * VARIANCE + level.sigma**2)
        return 0.5 + gain * (x - 0.5 * level.alpha)


def white() -> White:
    """What `--prior restore.bench.white:white` names."""
    return White()
