"""A schedule is the curve u -> (alpha, sigma) of x_t = alpha x_0 + sigma eps, eps ~ N(0, I)."""

import inspect
import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple


class Level(NamedTuple):
    """One noise level: plain floats, so that no tensor is promoted and no device waits.

    u in [0, 1] is the place on the schedule, alpha and sigma the factors of signal and noise, and
    time what the network is told.
    """

    u: float
    alpha: float
    sigma: float
    time: float

    @property
    def ratio(self) -> float:
        """sigma / alpha, the noise beside a signal of one; infinite where alpha is 0."""
        return self.sigma / self.alpha if self.alpha else math.inf


CLEAN = Level(0.0, 1.0, 0.0, 0.0)


class Schedule(ABC):
    """A curve of noise levels from nearly clean (u = 0) to nearly pure noise (u = 1)."""

    @abstractmethod
    def at(self, u: float) -> Level:
        """The level at u in [0, 1]; ValueError outside."""

    @abstractmethod
    def at_ratio(self, ratio: float) -> Level:
        """The level with sigma / alpha = ratio >= 0, clamped to what the network has seen."""

    def levels(self, steps: int, start: float = 1.0) -> list[Level]:
        """steps + 1 falling levels, evenly spaced in u in (0, start]; the last is exactly clean.

        This is the "trailing" spacing of diffusers. ValueError when steps < 1 or start is not in
        (0, 1].
        """
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        if not 0 < start <= 1:
            raise ValueError(f"start must lie in (0, 1], not {start}")
        return [self.at(start * (steps - k) / steps) for k in range(steps)] + [CLEAN]


@dataclass(frozen=True)
class VP(Schedule):
    """Variance preserving: alpha^2 + sigma^2 = 1 (Ho et al. 2020, arXiv:2006.11239).

    alphas_cumprod holds T falling values of alpha^2 in [0, 1]; time k = 0 .. T - 1 stands at
    u = (k + 1) / T, and u = 0 is clean. Between the times the angle atan(sigma / alpha) is linear,
    which stays finite where alpha reaches 0.
    """

    alphas_cumprod: tuple[float, ...]

    def __post_init__(self) -> None:
        chain = (1.0, *self.alphas_cumprod)
        rising = any(b >= a for a, b in pairwise(chain))
        if len(chain) < 3 or rising or chain[-1] < 0:
            raise ValueError("alphas_cumprod must hold two or more falling values in [0, 1)")

    @cached_property
    def _angles(self) -> tuple[float, ...]:
        return (
            0.0,
            *(math.atan2(math.sqrt(1 - a), math.sqrt(a)) for a in self.alphas_cumprod),
        )

    def at(self, u: float) -> Level:
        place = _unit(u) * len(self.alphas_cumprod)
        below = min(int(place), len(self.alphas_cumprod) - 1)
        low, high = self._angles[below], self._angles[below + 1]
        angle = low + (place - below) * (high - low)
        if angle == 0:
            return CLEAN
        return Level(u, math.cos(angle), math.sin(angle), max(place - 1, 0.0))

    def at_ratio(self, ratio: float) -> Level:
        angle = min(max(math.atan(ratio), self._angles[1]), self._angles[-1])
        above = bisect_left(self._angles, angle)
        low, high = self._angles[above - 1], self._angles[above]
        return self.at((above - 1 + (angle - low) / (high - low)) / len(self.alphas_cumprod))


@dataclass(frozen=True)
class VE(Schedule):
    """Variance exploding: alpha = 1, sigma geometric in u (Song et al. 2021, arXiv:2011.13456).

    The network is told time = log(sigma) / 4, as in EDM (Karras et al. 2022, arXiv:2206.00364).
    """

    sigma_min: float
    sigma_max: float

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max:
            raise ValueError(
                f"0 < sigma_min < sigma_max is needed, not {self.sigma_min}, {self.sigma_max}"
            )

    def at(self, u: float) -> Level:
        sigma = self.sigma_min ** (1 - _unit(u)) * self.sigma_max**u
        return Level(u, 1.0, sigma, math.log(sigma) / 4)

    def at_ratio(self, ratio: float) -> Level:
        sigma = min(max(ratio, self.sigma_min), self.sigma_max)
        u = math.log(sigma / self.sigma_min) / math.log(self.sigma_max / self.sigma_min)
        return Level(u, 1.0, sigma, math.log(sigma) / 4)


@dataclass(frozen=True)
class Flow(Schedule):
    """Flow matching: alpha = 1 - t, sigma = t (Lipman et al. 2023, arXiv:2210.02747).

    t = shift u / (1 + (shift - 1) u): a shift > 1 spends more of the levels on noise (Esser et al.
    2024, arXiv:2403.03206). The network is told time = 1000 t.
    """

    shift: float = 1.0

    def __post_init__(self) -> None:
        if self.shift <= 0:
            raise ValueError(f"shift must be positive, not {self.shift}")

    def at(self, u: float) -> Level:
        t = self.shift * _unit(u) / (1 + (self.shift - 1) * u)
        return Level(u, 1 - t, t, 1000 * t)

    def at_ratio(self, ratio: float) -> Level:
        # A network that has seen times down to 1/1000 is not asked below.
        t = max(ratio / (1 + ratio), 1e-3) if math.isfinite(ratio) else 1.0
        return Level(t / (self.shift - (self.shift - 1) * t), 1 - t, t, 1000 * t)


def from_config(config: Mapping[str, Any]) -> Schedule:
    """The schedule of a network's training, from the configuration of a diffusers scheduler.

    Flow matching, EDM, and everything that is made of betas. ValueError where diffusers cannot
    make the betas either.
    """
    name = str(config.get("_class_name", ""))
    if name.startswith("FlowMatch") or config.get("use_flow_sigmas"):
        return Flow(float(config.get("shift") or config.get("flow_shift") or 1.0))
    if name.startswith("EDM"):
        return VE(float(config.get("sigma_min", 0.002)), float(config.get("sigma_max", 80.0)))
    from diffusers import DDPMScheduler  # late: importing diffusers takes seconds

    # Other schedulers carry options of their own, which say nothing of the training.
    known = set(inspect.signature(DDPMScheduler.__init__).parameters)
    try:
        scheduler: Any = DDPMScheduler(
            **{key: value for key, value in config.items() if key in known}
        )
    except NotImplementedError as error:
        raise ValueError(f"no schedule in the configuration of {name or 'a scheduler'}") from error
    return VP(tuple(scheduler.alphas_cumprod.double().tolist()))


def prediction(config: Mapping[str, Any]) -> str:
    """What a network predicts, from the configuration of a diffusers scheduler."""
    if str(config.get("_class_name", "")).startswith("FlowMatch"):
        return "flow_prediction"
    return str(config.get("prediction_type", "epsilon"))


def _unit(u: float) -> float:
    if not 0 <= u <= 1:
        raise ValueError(f"u must lie in [0, 1], not {u}")
    return u
