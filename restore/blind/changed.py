"""Whether weak detail of a photo was changed since it was blurred: noise that a camera or a program
removed, a video's compression, a median. Such detail tells of the filter, not of the blur.

Noise is the same in all parts of a photo. What a filter or a codec leaves of it, and what it did to
the photo, is next to nothing where the photo is flat, and more at edges and in textures. It is seen
at those frequencies of which a kernel passes least, where a blurred photo holds little but noise.
"""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from operators.convolution import embedded
from restore.blind.periodic import periodic
from restore.blind.seen import View
from restore.blind.spectrum import EPSILON, SLOPE

REMOVED = 0.015
"""Standard deviation, on [0, 1], of noise that may have been removed. Detail that weak may have
gone with it."""
UNEVEN, UNEVEN_OF_BLOCKS = 1.6, 3.0
"""Times that a tenth of the parts hold more than another tenth, from which on that is no noise; and
in a JPEG, which rounds flat parts to nothing."""
_QUIET = 0.3  # share of the frequencies
_AXES = 0.02  # cycles a pixel, by which they are missed
_PART, _PARTS, FEWEST = 16, 16, 36
_BLACK, _MOSTLY = 0.01, 0.9
_STEEPEST = 10.0


def uneven(view: View, kernel: Tensor) -> bool:
    """Whether what a view holds where a kernel passes least is no noise."""
    most = UNEVEN if view.floor.steps is None else UNEVEN_OF_BLOCKS
    return unevenness(view, kernel) > most


def unevenness(view: View, kernel: Tensor) -> float:
    """Times that a tenth of the parts of a view hold more noise than another tenth by a kernel,
    white and black ones aside; 1 where there are too few."""
    margin = max(kernel.shape) // 2
    inside = slice(margin, -margin or None)
    seen = view.clear & (view.values > _BLACK)
    held, seen = (one.double()[inside, inside] for one in (_quiet(view, kernel).square(), seen))
    grid = (min(_PARTS, held.shape[0] // _PART), min(_PARTS, held.shape[1] // _PART))
    if min(grid) < 1:
        return 1.0
    means, shares = (adaptive_avg_pool2d(one[None, None], grid).flatten() for one in (held, seen))
    parts = means[shares > _MOSTLY].clamp(min=1e-12).sort().values
    if len(parts) < FEWEST:
        return 1.0
    return float(tenths(parts).sqrt())


def tenths(parts: Tensor) -> Tensor:
    """Times that a tenth of sorted numbers exceed another tenth."""
    tenth = len(parts) // 10
    return parts[-1 - tenth] / parts[tenth]


def _quiet(view: View, kernel: Tensor) -> Tensor:
    """What a view holds (H, W), in values, at the frequencies of which a kernel passes least."""
    plane = view.plane.double()
    wide = periodic(plane - plane.mean(), max(kernel.shape))
    height, width = wide.shape
    transfer = torch.fft.rfft2(embedded(kernel.double().cpu(), (height, width)))
    down, right = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    radius = torch.hypot(down, right).double().clamp(min=1 / max(height, width))
    passed = (transfer.abs().square() + EPSILON) * radius**SLOPE
    usable = (down.abs() > _AXES) & (right > _AXES)
    rank = int(_QUIET * int(usable.sum()))
    least = passed[usable].sort().values[rank]
    held: Tensor = torch.fft.irfft2(torch.fft.rfft2(wide) * (usable & (passed < least)), wide.shape)
    return held[: len(plane), : plane.shape[1]] / view.slope.double().clamp(min=1 / _STEEPEST)
