"""What is looked at of a photo to tell its blur: light or values, a window, noise and spectrum."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from operators.linearised import tangent
from operators.tone import Gamma
from restore.blind.free import shrunk
from restore.blind.saturated import continued, unsaturated, white
from restore.blind.spectrum import Spectrum, halved, spectrum
from restore.noise_level import estimate_sigma

WINDOW = 384
"""Side of the part that is looked at, in pixels: the one with the strongest edges."""
_LEAST_NOISE = 1 / (255 * math.sqrt(12))  # the rounding of 8 bits, also where there is none
_REPEATED = 0.2
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
    def of(cls, photo: Tensor, sigma: float, steps: Tensor | None) -> "Floor":
        """For a photo (1, C, H, W) whose channels have a noise sigma."""
        # Of channels with noise of their own the mean has less; what they share, it keeps.
        return cls(sigma / math.sqrt(len(photo[0])), sigma, steps)

    def halved(self) -> "Floor":
        """For the photo at half its size, each pixel the mean of four."""
        steps = None if self.steps is None else halved(self.steps)
        return Floor(self.least / 2, self.most / 2, steps)


class View(NamedTuple):
    """What a blur is told by, planes (H, W): light or values, the values themselves, the slope of
    the one over the other, whether pixels are as the blur made them, away from white; and what is
    known of the noise of values."""

    plane: Tensor
    values: Tensor
    slope: Tensor
    clear: Tensor
    floor: Floor

    @classmethod
    def of(cls, photo: Tensor, sigma: float | None, steps: Tensor | None, *, light: bool) -> "View":
        """The mean over the channels of a photo (1, C, H, W), or of the light that it codes.

        sigma, steps: of its noise, as for `estimate_kernel`.
        """
        noise = float(estimate_sigma(photo)) if sigma is None else sigma
        plane, slope = tangent(Gamma().inverse, photo) if light else (photo, torch.ones_like(photo))
        slope = slope * (photo < white(noise))  # what is white has no noise
        return cls(
            plane.mean(1)[0],
            photo.mean(1)[0],
            slope.square().mean(1)[0].sqrt(),
            unsaturated(photo, noise),
            Floor.of(photo, noise, steps),
        )

    def window(self, side: int = WINDOW) -> tuple["View", tuple[int, int]]:
        """The part of a side with the strongest edges, and its corner."""
        top, left = corner = window_of(self.plane, side, self.clear)
        return self.cut(slice(top, top + side), slice(left, left + side)), corner

    def continued(self) -> list["View"]:
        """With light beyond white, where there is some."""
        plane = continued(self.plane, self.clear)
        if plane is self.plane:
            return []
        if not bool(plane.var() > 0):
            raise Unknowable("image: nothing but white on one other shade; that tells no blur")
        return [self._replace(plane=plane, slope=self.slope * self.clear)]  # no noise is continued

    def cut(self, rows: slice, columns: slice) -> "View":
        """A part."""
        return self._each(lambda plane: plane[rows, columns])

    def halved(self) -> "View":
        """At half the size."""
        sides = [side // 2 for side in self.plane.shape]

        def half(plane: Tensor) -> Tensor:
            if plane.dtype == torch.bool:
                return shrunk(plane[None], sides)[0]
            return interpolate(plane[None, None], sides, mode="bilinear", antialias=True)[0, 0]

        return self._each(half)._replace(floor=self.floor.halved())

    def _each(self, of: Callable[[Tensor], Tensor]) -> "View":
        plane, values, slope, clear, floor = self
        return View(of(plane), of(values), of(slope), of(clear), floor)

    def spectrum(self, removed: float = 0.0) -> Spectrum:
        """Measure the power of the plane; Unknowable where it shows nothing but noise.

        removed: standard deviation, of values, of noise that somebody may have removed.
        """
        if repeats(self.values):
            raise Unknowable("image: rows and columns are repeated: enlarged without interpolation")
        known, steps = self.floor, self.floor.steps
        noise = float(estimate_sigma(self.values[None, None]))
        noise = max(min(max(noise, known.least), known.most), _LEAST_NOISE)
        # Noise of light is strong where light is bright: its mean square over what is looked at.
        slope = float(self.slope.square().mean().sqrt())
        contrast = math.sqrt(max(float(self.plane.var()) - (slope * noise) ** 2, 0.0))
        if contrast <= max(slope * noise / 2, 0.005):
            raise Unknowable(
                f"image: nothing but noise; contrast {contrast:.3f}, noise {noise:.3f} of [0, 1]"
            )
        rounded = None if steps is None else slope * steps
        observed = spectrum(self.plane, slope * noise, rounded, slope * removed)
        detail = float(observed.evidence([torch.ones(1, 1)])) - observed.noise_alone()
        if detail < _LEAST_DETAIL:
            raise Unknowable(
                f"image: no detail above its noise of {noise:.3f}; the evidence for any is"
                f" {detail:.0f} nats, {_LEAST_DETAIL} are needed"
            )
        return observed


def repeats(plane: Tensor) -> bool:
    """Whether many rows and columns of a plane (H, W) repeat those before them, flat ones aside."""
    shares = []
    for lines in (plane, plane.T):
        changing = (lines != lines[:, :1]).any(1)[1:]
        same = (lines.diff(dim=0) == 0).all(1) & changing
        shares.append(float(same.sum() / changing.sum().clamp(min=1)))
    return min(shares) > _REPEATED


def window_of(grey: Tensor, side: int = WINDOW, clear: Tensor | None = None) -> tuple[int, int]:
    """Give the corner of the window of a side, in pixels, with the strongest edges, of what is
    clear (H, W)."""
    starts = [sorted({*range(0, n - side, 32), max(n - side, 0)}) for n in grey.shape]
    soft = avg_pool2d(grey[None, None], 3, 1, padding=1)[0, 0]
    energy = soft.diff(dim=0)[:, 1:].square() + soft.diff(dim=1)[1:].square()
    if clear is not None:
        energy = energy * clear[1:, 1:]
    sums = pad(energy.double().cumsum(0).cumsum(1), (1, 0, 1, 0))

    def inside(corner: tuple[int, int]) -> float:
        (top, left), (height, width) = corner, energy.shape
        bottom, right = min(top + side, height), min(left + side, width)
        return float(sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left])

    return max(((top, left) for top in starts[0] for left in starts[1]), key=inside)
