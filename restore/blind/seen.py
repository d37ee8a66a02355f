"""What is looked at of a photo to tell its blur: a window, its noise and its spectrum."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from restore.blind.spectrum import Spectrum, halved, spectrum
from restore.noise_level import estimate_sigma

WINDOW = 384
"""Side of the part that is looked at, in pixels: the one with the strongest edges."""
_LEAST_NOISE = 1 / (255 * math.sqrt(12))  # the rounding of 8 bits, also where there is none
_LEAST_DETAIL = 100  # nats; noise alone has next to none


class Unknowable(ValueError):
    """The photo tells nothing of its blur; the message says why."""


@dataclass(frozen=True, eq=False)
class Floor:
    """What is known of the noise of a photo's mean over its channels: bounds of its standard
    deviation on [0, 1], and the steps (8, 8) to which a JPEG has rounded, if it is one."""

    least: float
    most: float
    steps: Tensor | None

    @classmethod
    def of(cls, photo: Tensor, sigma: float | None, steps: Tensor | None) -> "Floor":
        """For a photo (1, C, H, W) whose channels have a noise sigma, if that is known."""
        if sigma is None:
            return cls(0.0, math.inf, steps)
        # Of channels with noise of their own the mean has less; what they share, it keeps.
        return cls(sigma / math.sqrt(len(photo[0])), sigma, steps)

    def halved(self) -> "Floor":
        """For the photo at half its size, each pixel the mean of four."""
        steps = None if self.steps is None else halved(self.steps)
        return Floor(self.least / 2, self.most / 2, steps)


def observed_of(plane: Tensor, known: Floor) -> Spectrum:
    """Measure the spectrum of a plane (H, W); Unknowable where it shows nothing but noise."""
    noise = float(estimate_sigma(plane[None, None]))
    noise = max(min(max(noise, known.least), known.most), _LEAST_NOISE)
    contrast = math.sqrt(max(float(plane.var()) - noise**2, 0.0))
    if contrast <= max(noise / 2, 0.005):
        raise Unknowable(
            f"image: nothing but noise; contrast {contrast:.3f}, noise {noise:.3f} of [0, 1]"
        )
    observed = spectrum(plane, noise, known.steps)
    detail = float(observed.evidence([torch.ones(1, 1)])) - observed.noise_alone()
    if detail < _LEAST_DETAIL:
        raise Unknowable(
            f"image: no detail above its noise of {noise:.3f}; the evidence for any is"
            f" {detail:.0f} nats, {_LEAST_DETAIL} are needed"
        )
    return observed


def window_of(grey: Tensor, side: int = WINDOW) -> tuple[int, int]:
    """Give the corner of the window of a side, in pixels, with the strongest edges."""
    starts = [sorted({*range(0, n - side, 32), max(n - side, 0)}) for n in grey.shape]
    soft = torch.nn.functional.avg_pool2d(grey[None, None], 3, 1, padding=1)[0, 0]
    energy = soft.diff(dim=0)[:, 1:].square() + soft.diff(dim=1)[1:].square()
    sums = torch.nn.functional.pad(energy.double().cumsum(0).cumsum(1), (1, 0, 1, 0))

    def inside(corner: tuple[int, int]) -> float:
        (top, left), (height, width) = corner, energy.shape
        bottom, right = min(top + side, height), min(left + side, width)
        return float(sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left])

    return max(((top, left) for top in starts[0] for left in starts[1]), key=inside)
