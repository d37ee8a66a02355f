"""How far a restored picture is from the truth, wherever its kernel has moved it.

A kernel that was estimated is known but for a shift, and not by whole pixels. As Levin, Weiss,
Durand and Freeman (CVPR 2009) do, the distance is the least over shifts of up to five pixels by
quarters, without the borders. Between pixels the picture is read by its Fourier transform, which
keeps the sharpness that linear interpolation would take.
"""

import itertools
import math

import torch
from torch import Tensor

BORDER, SHIFTS = 15, 5
"""Pixels that no distance counts; pixels by which a kernel may be off its centre."""
QUARTERS = [k / 4 for k in range(-2, 3)]
"""Pixels about the best whole one."""


def distance(picture: Tensor, truth: Tensor) -> float:
    """Give the mean squared error of a picture (1, C, H, W), the least over small shifts."""
    margin = BORDER + SHIFTS
    inner = truth[..., margin:-margin, margin:-margin]

    def error(moved: Tensor) -> float:
        return float((moved[..., margin:-margin, margin:-margin] - inner).square().mean())

    reach = range(-SHIFTS, SHIFTS + 1)
    errors = {by: error(picture.roll(by, (-2, -1))) for by in itertools.product(reach, reach)}
    (down, right), least = min(errors.items(), key=lambda one: one[1])
    near = itertools.product(QUARTERS, QUARTERS)
    return min(least, *(error(moved(picture, down + a, right + b)) for a, b in near))


def moved(picture: Tensor, down: float, right: float) -> Tensor:
    """Move a picture (..., H, W) by parts of a pixel; beyond its borders it is mirrored."""
    height, width = picture.shape[-2:]
    wide = torch.cat([picture, picture.flip(-1)], -1)
    wide = torch.cat([wide, wide.flip(-2)], -2)
    turns = down * torch.fft.fftfreq(2 * height)[:, None] + right * torch.fft.rfftfreq(2 * width)
    wave = torch.polar(torch.ones_like(turns), -2 * math.pi * turns)
    shifted: Tensor = torch.fft.irfft2(torch.fft.rfft2(wide) * wave, s=wide.shape[-2:])
    return shifted[..., :height, :width]
