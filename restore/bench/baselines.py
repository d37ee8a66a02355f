"""The classical methods the benchmark compares with, and the weights they were tuned to.

Tuned on set5 (five photos that are in none of the benchmark's sets) to the highest mean PSNR by

    python -m restore.bench.tune DATA/eval/set5

Between and beyond the two noise levels a weight follows the power law through them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from operators import LinearOperator, Measurement
from restore.bench import linear, variational

Estimate = Callable[[Measurement[LinearOperator], float], Tensor]
TUNED_SIGMAS = (0.025, 0.05)
DEBLURRING = ("gaussian", "motion", "levin")
INPAINTING = ("box", "random")
SUPER_RESOLUTION = ("x4",)


@dataclass(frozen=True)
class Baseline:
    """A classical method: estimate(measurement, weight), the tasks it knows, the weights to try."""

    name: str
    estimate: Estimate
    tasks: tuple[str, ...]
    grid: tuple[float, ...] = ()

    def __call__(self, measurement: Measurement[LinearOperator], task: str) -> Tensor:
        """Estimate the image (1, 3, H, W) in [0, 1] with the tuned weight."""
        return self.estimate(measurement, self.weight(task, measurement.sigma)).clamp(0, 1)

    def weight(self, task: str, sigma: float) -> float:
        """Give the tuned weight for noise sigma > 0; 0 where the method has none."""
        if not self.grid:
            return 0.0
        low, high = WEIGHTS[self.name, task]
        share = math.log(sigma / TUNED_SIGMAS[0]) / math.log(TUNED_SIGMAS[1] / TUNED_SIGMAS[0])
        return float(low * (high / low) ** share)


def _powers(start: float, count: int) -> tuple[float, ...]:
    return tuple(start * math.sqrt(2) ** i for i in range(count))


# Where A hides nothing, total variation restores by itself; holes it fills too slowly.
_SEEN = (*DEBLURRING, *SUPER_RESOLUTION)
_RADII = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0)
_EVERY = (*_SEEN, *INPAINTING)
BASELINES: dict[str, Baseline] = {
    baseline.name: baseline
    for baseline in (
        Baseline("observation", linear.observation, _EVERY),
        Baseline("lanczos", linear.lanczos, SUPER_RESOLUTION),
        Baseline("wiener", linear.wiener, DEBLURRING, _powers(0.1, 14)),
        Baseline("richardson-lucy", linear.richardson_lucy, DEBLURRING, _powers(2, 12)),
        Baseline("tikhonov", linear.tikhonov, _EVERY, _powers(0.016, 12)),
        Baseline("tv", variational.total_variation, _SEEN, _powers(0.001, 12)),
        Baseline("tv-bicubic", variational.tv_bicubic, SUPER_RESOLUTION, _powers(0.001, 14)),
        Baseline("biharmonic", variational.biharmonic, INPAINTING),
        Baseline("biharmonic-tv", variational.biharmonic_tv, INPAINTING, _powers(0.016, 8)),
        Baseline("telea", variational.telea, INPAINTING, _RADII),
        Baseline("navier-stokes", variational.navier_stokes, INPAINTING, _RADII),
    )
}

WEIGHTS: dict[tuple[str, str], tuple[float, float]] = {
    ("wiener", "gaussian"): (1.6, 4.53),
    ("wiener", "motion"): (3.2, 6.4),
    ("wiener", "levin"): (3.2, 9.05),
    ("richardson-lucy", "gaussian"): (32, 11.3),
    ("richardson-lucy", "motion"): (16, 11.3),
    ("richardson-lucy", "levin"): (5.66, 2.83),
    ("tikhonov", "gaussian"): (0.032, 0.128),
    ("tikhonov", "motion"): (0.0453, 0.128),
    ("tikhonov", "x4"): (0.032, 0.0905),
    ("tikhonov", "box"): (0.181, 0.362),
    ("tikhonov", "random"): (0.016, 0.128),
    ("tikhonov", "levin"): (0.064, 0.181),
    ("tv", "gaussian"): (0.00283, 0.008),
    ("tv", "motion"): (0.004, 0.0113),
    ("tv", "x4"): (0.004, 0.008),
    ("tv", "levin"): (0.008, 0.016),
    ("tv-bicubic", "x4"): (0.008, 0.032),
    ("biharmonic-tv", "box"): (0.032, 0.064),
    ("biharmonic-tv", "random"): (0.032, 0.0905),
    ("telea", "box"): (24, 24),
    ("telea", "random"): (2, 2),
    ("navier-stokes", "box"): (48, 48),
    ("navier-stokes", "random"): (2, 3),
}


def for_task(task: str) -> list[str]:
    """Name the classical methods that know a task."""
    return [name for name, baseline in BASELINES.items() if task in baseline.tasks]
