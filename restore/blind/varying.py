"""Blur that is not the same everywhere: a kernel for each part of the photo.

A camera that turns, and things at different distances, are blurred differently in different parts
of one photo. The photo is divided into parts; the kernels of all are found together, neighbours
drawn to each other (`restore.blind.free`), and taken where their evidence in the parts' spectra is
clearly above that of one kernel for all. Where parts meet, blur is a mixture of theirs
(`operators.GridBlur`).
"""

import itertools
import math
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from restore.blind.averaged import correlation
from restore.blind.changed import REMOVED
from restore.blind.estimate import SIZES
from restore.blind.found import Blind
from restore.blind.free import free_kernels
from restore.blind.seen import Unknowable, View
from restore.blind.spectrum import Spectrum

STEP, MOST = 160, 28
"""Pixels between the middles of parts, at least, and about how many parts there are at most."""
REACH, LEAST = 64, 224
"""Pixels by which a part looks beyond its borders, and the side that it looks at, at least."""
CLEAR = 12.0
"""Nats that a part has to gain by a kernel of its own, in the mean. In `photomend bench shake` they
gain 21 to 106 where the camera turned, and 16 at most where it did not; of weaves 800 and more."""


class Parts(NamedTuple):
    """rows x columns parts of a plane, what each looks at, and its spectra, none if too flat."""

    rows: int
    columns: int
    planes: Tensor
    clear: Tensor
    seen: list[list[Spectrum]]

    def evidence(self, kernels: list[Tensor]) -> float:
        """Give the log evidence, in nats, of a kernel for each part."""
        pairs = zip(self.seen, kernels, strict=True)
        return sum(max(float(s.evidence([kernel])) for s in seen) for seen, kernel in pairs if seen)

    @property
    def neighbours(self) -> Tensor:
        """(R, R): 1 for parts side by side."""
        places = torch.cartesian_prod(torch.arange(self.rows), torch.arange(self.columns))
        return ((places[:, None] - places).abs().sum(2) == 1).float()


@torch.no_grad()
def varied(
    found: Blind, image: Tensor, *, sigma: float | None = None, steps: Tensor | None = None
) -> Blind:
    """Give kernels (R, C, kh, kw), of family "varying", where one for all does not do.

    found: the estimate of a photo (1, C, H, W) in [0, 1]; sigma and steps: as for
    `estimate_kernel`. What was found stays where it does, where it came from half the size,
    in photos of less than 320 pixels, and where less than two parts show any detail.
    """
    if found.report["reduction"] != 1 or max(image.shape[2:]) < 2 * STEP:
        return found
    photo = image.detach().float().cpu()
    view = View.of(photo, sigma, steps, light=found.light)
    parts = _parts(view, REMOVED if found.changed else 0.0)
    telling = sum(map(bool, parts.seen))
    if telling < 2:
        return found
    one = parts.evidence([found.kernel.float().cpu()] * len(parts.planes))
    tried: list[tuple[float, int, Tensor]] = []
    for size in _sizes(found.kernel):
        kernels = free_kernels(parts.planes, size, parts.neighbours, clear=parts.clear)
        tried.append(((parts.evidence(list(kernels)) - one) / telling, size, kernels))
        if tried[0][0] < CLEAR / 2:
            return found
    tried.sort(key=lambda each: -each[0])
    gain, size, kernels = tried[0]
    if gain < CLEAR:
        return found
    grid = kernels.reshape(parts.rows, parts.columns, size, size)
    alike = sorted(correlation(*pair) for pair in zip(kernels, tried[1][2], strict=True))
    told = {"parts": [parts.rows, parts.columns], "gain": gain}
    return replace(
        found,
        kernel=grid.to(found.kernel),
        family="varying",
        parameters={},
        confidence=min(alike[len(alike) // 2], 1.0),
        report={**found.report, "varying": told},
        rivals=(),
    )


def _sizes(kernel: Tensor) -> list[int]:
    """The supports to try: that of the one kernel, and the next larger one."""
    reach = int(((kernel > 0).nonzero() - len(kernel) // 2).abs().max())
    nearest = min(range(len(SIZES)), key=lambda k: abs(SIZES[k] - (2 * reach + 1)))
    other = nearest + 1 if nearest + 1 < len(SIZES) else nearest - 1
    return [SIZES[nearest], SIZES[other]]


def _parts(view: View, removed: float) -> Parts:
    height, width = view.plane.shape
    step = max(STEP, math.sqrt(height * width / MOST))
    rows, columns = (max(1, round(side / step)) for side in (height, width))
    spans = itertools.product(_spans(rows, height), _spans(columns, width))
    views = [view.cut(slice(*down), slice(*over)).window()[0] for down, over in spans]
    planes, clear = (torch.stack([getattr(v, name) for v in views]) for name in ("plane", "clear"))
    return Parts(rows, columns, planes, clear, [_seen(one, removed) for one in views])


def _spans(count: int, side: int) -> list[tuple[int, int]]:
    """What parts look at along an axis: all as much."""
    size = min(round(max(side / count + 2 * REACH, LEAST)), side)
    middles = [(index + 0.5) * side / count for index in range(count)]
    starts = [min(max(round(middle - size / 2), 0), side - size) for middle in middles]
    return [(start, start + size) for start in starts]


def _seen(view: View, removed: float) -> list[Spectrum]:
    try:
        return view.spectrum(removed).kept()
    except Unknowable:
        return []
