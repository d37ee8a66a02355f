"""A free kernel refined with a prior: picture and kernel in turn.

    a few times:
        x <- the picture that the prior and k make of y      `restore.solvers.dpir`, few steps
        k <- argmin_{k >= 0} |k * grad x - grad y|^2 + gamma |k|^2,  cut, centred, of sum one

The second line is that of `restore.blind.free`; in the first, edges and textures of photographs
stand in the place of edges alone. The picture is told of more noise than there is: with the true
noise it explains y by whatever the kernel is, and the kernel stays what it was. What is asked of
the start is that it be near: from far away the turns end elsewhere.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from operators.exposure import Exposure
from operators.linearised import Diagonal
from operators.measurement import Measurement
from operators.noise import Gaussian
from operators.seeds import Seeds
from operators.varying import blur_by
from priors.base import Prior
from restore.blind.averaged import CUT, correlation
from restore.blind.found import Blind
from restore.blind.free import centred, cut, fitted, within
from restore.blind.periodic import gradient
from restore.blind.seen import View
from restore.preparation import padding
from restore.solvers.dpir import QUICK, dpir

TURNS = 2
STEPS = 10
DOUBT, LEAST = 3.0, 0.012
"""Noise that the picture is told of: in units of the photo's, and at least, on [0, 1]."""
GROWTH = 3
"""Pixels by which a kernel may grow a side and turn."""
ALIKE = 0.6
"""Correlation with the start below which the turns went astray."""


@torch.no_grad()
def refined(found: Blind, image: Tensor, prior: Prior, *, turns: int = TURNS) -> Blind:
    """Refine a free kernel that was estimated from a photo (1, C, H, W) in [0, 1].

    turns >= 1 of `STEPS` network evaluations in the estimate's window, on the image's device, which
    has to be the prior's. Kernels of a family, those found at half the size, and those from which
    the turns lead far away, stay as they are.
    """
    if found.family != "free" or found.report["reduction"] != 1:
        return found
    top, left, height, width = found.report["window"]
    y = image[:, :, top : top + height, left : left + width].float()
    kernel = found.kernel.float().cpu()
    for turn in range(turns):
        wide = _roomy(kernel, min(y.shape[2:]) // 2)
        x = picture(y, wide, max(DOUBT * found.noise, LEAST), prior, Seeds(turn), light=found.light)
        kernel = _refitted(
            wide, *(View.of(each.cpu(), found.noise, None, light=found.light) for each in (x, y))
        )
    if correlation(kernel, found.kernel.float().cpu()) < ALIKE:
        return found
    report = {**found.report, "refined": {"turns": turns, "evaluations": turns * STEPS}}
    return replace(found, kernel=kernel.to(found.kernel), report=report)


@torch.no_grad()
def picture(
    y: Tensor, kernel: Tensor, sigma: float, prior: Prior, seeds: Seeds, *, light: bool = False
) -> Tensor:
    """Give the picture (1, 3, H, W), in the frame of y, that the prior and a kernel make of y.

    kernel: (kh, kw), or (R, C, kh, kw) of parts; sigma: noise that it is told of, on [0, 1]; light:
    whether the kernel blurs light.
    """
    colour = y.expand(-1, 3, -1, -1)
    blur = blur_by(kernel, colour, "valid")
    frame = padding(blur.image_shape(colour.shape), prior.multiple)
    taken = Exposure(blur) if light else blur
    seen, headroom = Measurement(colour, taken, Gaussian(sigma)), None
    operator = taken @ frame if frame else taken
    if isinstance(taken, Exposure) and (headroom := taken.headroom(seen)) is not None:
        operator = operator @ Diagonal(headroom)
    *_, last = dpir(replace(seen, operator=operator), prior, seeds, steps=STEPS, **QUICK)
    x = prior.decode(last.x0)
    x = frame(x) if frame else x
    x = x if headroom is None else x * headroom
    down, right = (side // 2 for side in kernel.shape[-2:])
    return x[..., down : down + y.shape[2], right : right + y.shape[3]]


def _refitted(kernel: Tensor, x: View, y: View) -> Tensor:
    side = len(kernel)
    shares = [_rising(n, side) for n in y.plane.shape]
    inside = shares[0][:, None] * shares[1] * within(y.clear[None], side)[0]
    source, target = gradient(x.plane) * inside, gradient(y.plane) * inside
    return centred(cut(fitted(source, target, side), CUT))


def _rising(count: int, reach: int) -> Tensor:
    """From 0 at both ends to 1 beyond reach, smoothly."""
    places = torch.arange(count).float()
    near = torch.minimum(places, count - 1 - places)
    return (1 - torch.cos(torch.pi * (near / reach).clamp(max=1))) / 2


def _roomy(kernel: Tensor, most: int) -> Tensor:
    """The kernel in the smallest odd square that holds it and GROWTH pixels around."""
    middle = len(kernel) // 2
    reach = int(((kernel > 0).nonzero() - middle).abs().max())
    half = min(reach + GROWTH, (most - 1) // 2)
    margin = half - middle
    return pad(kernel, (margin, margin, margin, margin))
