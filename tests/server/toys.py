"""A prior that takes its time, for jobs to be met while they run."""

import os
import time

from torch import Tensor

from priors.schedule import Level
from restore.bench.white import White

SECONDS = 0.05
"""Of one evaluation, which is one step of the default solver."""


class Slow(White):
    """The same denoiser after a pause."""

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        time.sleep(SECONDS)
        return super().denoise(x, level)


def slow() -> Slow:
    """What `--prior tests.server.toys:slow` names."""
    return Slow()


class Deadly(White):
    """Takes its process with it."""

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        os._exit(9)


def deadly() -> Deadly:
    """What `--prior tests.server.toys:deadly` names."""
    return Deadly()
