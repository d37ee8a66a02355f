"""Whether a kernel that was given is the blur of a photo: of kernels like it, none may be far
likelier.

    k_A(x) = k(A^-1 x) / |det A|,    A = exp(s) R(t) exp(E),    E symmetric, of trace zero

Larger or smaller by exp(s), turned by t, stretched by E; the evidence is that of the photo's
spectrum (`restore.blind.spectrum`). No picture is needed for it: what a wrong kernel leaves in a
restored picture, or misses, stands in the photo. A photo that was soft before is no reason: k is
blurred by that small Gaussian first which makes it likeliest. Nor is what lies far below the
kernel's strongest response, where little has to go wrong: the share of the spectrum that is there
without any kernel is one that was measured or next to none, whichever is likelier.

Where a kernel is somewhat likelier, pictures may be asked which of the two makes them likelier.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from operators.blur import Blur
from operators.exposure import Exposure
from operators.kernels import gaussian
from operators.measurement import Measurement
from operators.noise import Gaussian
from restore.blind.changed import REMOVED
from restore.blind.seen import WINDOW, Unknowable, View, window_of
from restore.blind.spectrum import CALM, EPSILON, EXACT, Spectrum

NATS, SHARE = 15.0, 0.15
"""A kernel is far likelier by so many nats, and one for each piece of the spectrum, whose model is
not quite right; and by that share of its evidence above no blur."""
LESS = 7.0
"""By so many a kernel is likelier that makes no blur likelier than the given one, too."""
DOUBT = 5.0
"""As many raise the question which of both makes the picture likelier."""
FOUND = 50.0
"""Of nats above no blur that a kernel has which may be the right one."""
PLAIN = 5.0
"""Nats that a turn or a stretch is worth at least."""
WHITE = 0.2
"""Share of white beside which a spectrum tells too little of a kernel."""
LEAST_SIDE = 128
_SOFT = (0.5, 0.8, 1.2, 1.8)
_FLOORS = (EPSILON, EPSILON / 100)
_SCALES = (0.8, 0.87, 0.93, 1.07, 1.15, 1.25)
_TURNS, _STRETCHES = (-0.3, -0.15, 0.15, 0.3), (-0.15, 0.15)
_MOST = 1.35
_STEP, _ROUNDS = 0.08, 4
_POINTS = 3  # a side of a pixel


@dataclass(frozen=True)
class Likelier:
    """The likeliest kernel like one that was given: scale times as large, turned by degrees, and
    longer by a share of stretch in one direction and shorter across it.

    nats: by how many it is likelier; evidence: as many is it likelier than no blur; far: whether it
    is so much likelier, or makes the picture likelier too, that the given one is wrong.
    """

    scale: float
    degrees: float
    stretch: float
    nats: float
    evidence: float
    far: bool

    def cure(self) -> str:
        """What to try instead, to be added to a verdict; nothing where that is hardly the blur."""
        if not self.far or self.evidence < FOUND or self.stretch:
            return ""
        turned = f" and turned by {self.degrees:.0f} degrees" if abs(self.degrees) >= 1 else ""
        return f"; one {self.scale:.2f} times as large{turned} is likelier"


Pictured = Callable[[int, Tensor], bool]
"""Whether a kernel makes the picture of an image of a batch likelier than the given one does."""


@torch.no_grad()
def likelier(
    measurement: Measurement[Any], pictured: Pictured | None = None, *, changed: bool = False
) -> list[Likelier | None]:
    """The likeliest kernels like that of a blur, of values or of light by a camera, per image.

    pictured: is asked where the spectrum leaves it open, if given. changed: whether weak detail was
    changed since (`restore.blind.changed`): then the strong alone speaks. None where a photo tells
    nothing of it: for other operators and noises, below 128 pixels a side, where the kernel is
    larger than half a piece of the spectrum, or much is white.
    """
    operator, y, noise = measurement.operator, measurement.y, measurement.noise
    light, steps = False, None
    if isinstance(operator, Exposure):
        light, jpeg = operator.camera.curve, operator.camera.jpeg
        steps = None if jpeg is None else jpeg.luma_steps(y).cpu()
        operator = operator.light
    nothing: list[Likelier | None] = [None] * len(y)
    if not isinstance(operator, Blur) or not isinstance(noise, Gaussian):
        return nothing
    if min(y.shape[2:]) < LEAST_SIDE:
        return nothing
    kernel = operator.kernel.detach().float().cpu()
    photos = y.detach().float().cpu().split(1)
    known = (kernel, max(noise.sigma, 1e-6), steps, light, changed)
    by = [partial(pictured, place) if pictured else None for place in range(len(photos))]
    return [_likelier(one, *known, by[place]) for place, one in enumerate(photos)]


def _likelier(
    photo: Tensor,
    kernel: Tensor,
    sigma: float,
    steps: Tensor | None,
    light: bool,
    changed: bool,
    pictured: Callable[[Tensor], bool] | None,
) -> Likelier | None:
    top, left = window_of(photo.mean(1)[0])
    photo = photo[..., top : top + WINDOW, left : left + WINDOW]  # of a large one no copies
    view = View.of(photo, sigma, steps, light=light)
    if float((~view.clear).float().mean()) > WHITE:
        return None
    try:
        observed = view.spectrum(REMOVED if changed else 0)
    except Unknowable:
        return None
    if 2 * max(kernel.shape) > observed.n:
        return None
    none = float(_evidence(observed, [torch.ones(1, 1)]))
    soft = [kernel, *(_blurred(kernel, gaussian(sigma)) for sigma in _SOFT)]
    evidence = _evidence(observed, soft)
    given, softest = float(evidence.max()), soft[int(evidence.argmax())]
    starts = [kernel] if softest is kernel else [kernel, softest]
    best, found = max((_climbed(observed, one) for one in starts), key=lambda one: one[1])
    nats, above = max(found - given, 0.0), found - none
    far = nats > max(NATS + observed.pieces, SHARE * above) or nats > max(LESS, above)
    if not far and nats > DOUBT and pictured is not None:
        far = pictured(warped(kernel, matrix(*best)))
    s, t, a, b = best
    return Likelier(math.exp(s), math.degrees(t), math.hypot(a, b), nats, above, far)


def _climbed(observed: Spectrum, kernel: Tensor) -> tuple[tuple[float, ...], float]:
    """The likeliest of the kernels like one, as s, t and two of E, which are 0 where they are worth
    little; and the evidence of the likeliest."""
    tried = [(math.log(scale), 0.0, 0.0, 0.0) for scale in _SCALES]
    tried += [(0.0, turn, 0.0, 0.0) for turn in _TURNS]
    tried += [(0.0, 0.0, *pair) for one in _STRETCHES for pair in ((one, 0.0), (0.0, one))]
    best = (0.0, 0.0, 0.0, 0.0)
    most, step = float(_evidence(observed, [kernel])), _STEP
    for _ in range(1 + _ROUNDS):
        evidence = _evidence(observed, [warped(kernel, matrix(*one)) for one in tried])
        if float(evidence.max()) > most:
            best, most = tried[int(evidence.argmax())], float(evidence.max())
        elif len(tried) == 2 * len(best):
            step /= 2
        tried = [_moved(best, axis, by) for axis, by in product(range(4), (-step, step))]
    plainer = [(best[0], 0.0, 0.0, 0.0), (*best[:2], 0.0, 0.0)]
    evidence = _evidence(observed, [warped(kernel, matrix(*one)) for one in plainer])
    for one, nats in zip(plainer, evidence.tolist(), strict=True):
        if nats > most - PLAIN:
            return one, most
    return best, most


def _moved(point: tuple[float, ...], axis: int, by: float) -> tuple[float, float, float, float]:
    s, t, a, b = (value + by * (axis == n) for n, value in enumerate(point))
    return min(max(s, -math.log(_MOST)), math.log(_MOST)), t, a, b


def matrix(s: float, t: float, a: float, b: float) -> Tensor:
    """A (2, 2), of x and y, for s, t and E = [[a, b], [b, -a]]."""
    turn = torch.tensor([[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]])
    stretch: Tensor = torch.linalg.matrix_exp(torch.tensor([[a, b], [b, -a]]))
    return math.exp(s) * turn @ stretch


def warped(kernel: Tensor, by: Tensor) -> Tensor:
    """The kernel k(A^-1 x) of sum one, on as large a grid as kernels like it need."""
    side = 2 * math.ceil(max(kernel.shape) * _MOST / 2) + 1
    down, right = ((side - n) // 2 for n in kernel.shape)
    wide = F.pad(kernel.double(), (right, right, down, down))
    places = ((torch.arange(side * _POINTS) + 0.5) / _POINTS - side / 2).double()
    y, x = torch.meshgrid(places, places, indexing="ij")
    origins = torch.stack([x, y], -1) @ torch.linalg.inv(by.double()).T
    fine = F.grid_sample(wide[None, None], origins[None] * 2 / side, align_corners=False)
    found = F.avg_pool2d(fine, _POINTS)[0, 0]
    return (found / found.sum()).float()


def _blurred(kernel: Tensor, by: Tensor) -> Tensor:
    margin = len(by) - 1
    return F.conv2d(kernel[None, None], by[None, None].float(), padding=margin)[0, 0]


def _evidence(observed: Spectrum, kernels: list[Tensor]) -> Tensor:
    calm = float(observed.variance.max()) < CALM**2
    floors = (replace(observed, epsilon=one) for one in (*_FLOORS, *([EXACT] if calm else [])))
    return torch.stack([one.evidence(kernels) for one in floors]).amax(0)
