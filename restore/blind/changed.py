"""Whether weak detail of a photo was changed since it was blurred: noise that a camera or a program
removed, a video's compression, a median. Such detail tells of the filter, not of the blur.

Noise is the same in all parts of a photo. What a filter or a codec leaves of it, and what it did to
the photo, is next to nothing where the photo is flat, and more at edges and in textures. Seen is it
in what a Wiener filter leaves of the photo, by any kernel that is like the blur.
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
UNEVEN = 2.2
"""Times that a tenth of the parts leave more than another tenth, from which on that is no noise: of
photos with noise at most 1.9, of changed ones, and of a JPEG that has next to none, 2.4 or more."""
_NOISE = 0.003  # that is supposed
_PART, _PARTS, _FEWEST = 16, 16, 36
_BLACK, _MOSTLY = 0.01, 0.9
_STEEPEST = 10.0


def unevenness(view: View, kernel: Tensor) -> float:
    """Times that a tenth of the parts of a view leave more than another tenth by a kernel, white
    and black ones aside; 1 where there are too few."""
    margin = max(kernel.shape) // 2
    inside = slice(margin, -margin or None)
    seen = view.clear & (view.values > _BLACK)
    left, seen = (one.double()[inside, inside] for one in (_left(view, kernel).square(), seen))
    grid = (min(_PARTS, left.shape[0] // _PART), min(_PARTS, left.shape[1] // _PART))
    if min(grid) < 1:
        return 1.0
    means, shares = (adaptive_avg_pool2d(one[None, None], grid).flatten() for one in (left, seen))
    parts = means[shares > _MOSTLY].clamp(min=1e-12).sort().values
    if len(parts) < _FEWEST:
        return 1.0
    tenth = len(parts) // 10
    return float((parts[-1 - tenth] / parts[tenth]).sqrt())


def _left(view: View, kernel: Tensor) -> Tensor:
    """What a Wiener filter leaves (H, W), in values."""
    plane = view.plane.double()
    wide = periodic(plane - plane.mean(), max(kernel.shape))
    height, width = wide.shape
    transfer = torch.fft.rfft2(embedded(kernel.double().cpu(), (height, width)))
    down, right = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    radius = torch.hypot(down, right).double().clamp(min=1 / max(height, width))
    noise = float((view.slope * _NOISE).square().mean())
    powers = torch.fft.rfft2(wide).abs().square() / wide.numel()
    clean = (transfer.abs().square() + EPSILON) * radius**SLOPE
    clean = clean * ((powers - noise).clamp(min=0).sum() / clean.sum())
    left: Tensor = torch.fft.irfft2(torch.fft.rfft2(wide) * noise / (clean + noise), wide.shape)
    return left[: len(plane), : plane.shape[1]] / view.slope.double().clamp(min=1 / _STEEPEST)
