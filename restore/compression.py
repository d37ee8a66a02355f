"""The JPEG compression that pixels still show, whatever file they are in now.

Where a picture was compressed, each cosine coefficient lies near a multiple of its step, also in a
PNG, a screenshot, or a JPEG of finer steps that it was saved as afterwards. Told is the step that
makes the coefficients of its place in the blocks likeliest, against none (after Fan and de Queiroz,
"Identification of bitmap compression history: JPEG detection and quantizer estimation", IEEE
Transactions on Image Processing 12(2), 2003). Pictures that were cropped between the blocks, or
enlarged, or turned unless their sides are whole blocks, show nothing.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from operators.jpeg import Jpeg, Planes, Subsampling
from restore.blind.seen import window_of

MIDDLE, SIDE = 2048, 512
"""Of the part that is looked through, and of that which is looked at, in pixels."""
COARSEST, WIDTH, BINS = 255, 0.2, 2000
"""Of steps; and the histogram's: multiples beyond it are not looked at."""
ROUNDED, REDUCED = 0.4, 0.5
"""Deviations of coefficients by the roundings to whole levels, and of chroma that was enlarged."""
STRAY = 0.02
"""Share of coefficients that lie anywhere, as where pixels were clipped."""
SOME = 0.05
"""Share of coefficients beyond 0 that tells that there is no step."""
COARSER = 1.5
"""Times as coarse as the last steps are the first that can be told from them."""
FINE = 3.0
"""Mean of steps below which a compression has done less than the rounding to 256 levels."""
LEVELS = 32
"""Different values that a decoded picture has at least; drawings may have fewer."""
GREY = 1 / 510
"""Most by which the channels of a grey picture differ."""
AGREED = 0.9
"""Share of the evidence with a standard table from which on it is taken for that."""
ROUND = 3.0
"""Nats for a quality that people choose, a multiple of five: its neighbours share most steps."""
TOLD = 10.0
"""Nats that tell the step of a place."""
NATS, PLACES = (300.0, 100.0), (6, 3)
"""Evidence for a compression in all, and of how many places: for any, and for a standard table."""


class Plane(NamedTuple):
    """What the coefficients of a plane say, of each of 64 places, row by row: nats (64, steps) for
    steps from 2 on against none, or only the last; the last steps; where there is more than 0."""

    nats: Tensor
    last: Tensor
    there: Tensor

    @classmethod
    def of(cls, coefficients: Tensor, wrong: float, last: Tensor) -> "Plane":
        """Of coefficients (1, 1, rows, columns, 8, 8) that are wrong by so much, and were rounded
        to the last steps (8, 8)."""
        places, last = coefficients.flatten(0, 3).flatten(1).abs().T, last.flatten()
        counts = (torch.histc(place, BINS, 0, BINS * WIDTH) for place in places)
        pairs = zip(counts, last.tolist(), strict=True)
        nats = torch.stack([_evidence(wrong, step) @ count for count, step in pairs])
        beyond = places > torch.maximum(last / 2, last.new_tensor(3 * wrong))[:, None]
        return cls(nats, last, beyond.float().mean(1) > SOME)

    @property
    def told(self) -> Tensor:
        """Nats for the likeliest steps (64), 0 where nothing tells one."""
        most = self.nats.amax(1)
        return most * (most >= TOLD)

    def shown(self, *, standard: bool = False) -> bool:
        """Whether the plane was compressed, by a standard table or any. The first coefficient, of
        the mean, tells nothing: it is a multiple of 8 wherever a block is flat."""
        told = self.told[1:]
        return bool(told.sum() >= NATS[standard] and (told > 0).sum() >= PLACES[standard])

    def agreed(self, table: Tensor) -> Tensor:
        """Nats for a table's steps (64); 0 for a step of 1."""
        steps = table.flatten().long()
        return self.nats.gather(1, (steps - 2).clamp(0)[:, None])[:, 0] * (steps > 1)

    def steps(self) -> Tensor:
        """The likeliest; where none is told those of the last file where there is more than 0, but
        no finer than their neighbours above and to the left."""
        told = self.told.reshape(8, 8) > 0
        steps = torch.where(self.there, self.last, torch.ones(64)).reshape(8, 8)
        steps = torch.where(told, self.nats.argmax(1).reshape(8, 8) + 2, steps)
        for row, column in torch.nonzero(~told).tolist():
            above, left = steps[max(row - 1, 0), column], steps[row, max(column - 1, 0)]
            steps[row, column] = max(float(steps[row, column]), float(above), float(left))
        return steps.flatten()


@torch.no_grad()
def compression_of(pixels: Tensor, file: Jpeg | None = None) -> Jpeg | None:
    """The compression that pixels (1, 3, H, W) on the 256 levels of [0, 1] show, or None.

    file: that of the file that they are in; found is then what was coarser before it, if anything
    was. Steps of which nothing is left are those of the standard's example where the others are,
    else those of their neighbours towards the mean.
    """
    part = _part(pixels if file is None else file.stored(pixels))
    if len(part.unique()) < LEVELS:
        return None
    last = [part.new_ones(8, 8)] * 3 if file is None else list(file.tables(part))
    luma = Plane.of(_unrounded(part)[0], ROUNDED, last[0])
    quality = _quality(luma)
    if not luma.shown(standard=quality is not None) or (file is None and _shifted(part)):
        return None
    way, chroma = _chroma(part, quality, last[1:], file)
    planes = [luma, *chroma]
    if quality is None:
        steps = [plane.steps() for plane in planes]
    else:
        steps = [table.flatten() for table in Jpeg(quality).tables(part)][: len(planes)]
    steps = [torch.maximum(step, plane.last) for step, plane in zip(steps, planes, strict=True)]
    if steps[0].mean() < FINE:
        return None
    tables = tuple(tuple(map(int, table.tolist())) for table in steps)
    return Jpeg(tables, way, 1 if file is None else file.orientation)


def quality_of(jpeg: Jpeg) -> int | None:
    """The quality from 1 to 100 at which writers take a compression's tables, None for others."""
    if isinstance(jpeg.quality, int) or jpeg.quality is None:
        return jpeg.quality
    for quality in range(100, 0, -1):
        standard = Jpeg(quality).tables(torch.zeros(1))
        pairs = zip(jpeg.quality, standard, strict=False)
        if all(list(table) == steps.flatten().tolist() for table, steps in pairs):
            return quality
    return None


def _part(stored: Tensor) -> Tensor:
    """The part of its middle with the strongest edges, of whole blocks."""
    middle = _cut(stored, [max(0, length - MIDDLE) // 2 for length in stored.shape[2:]], MIDDLE)
    if not middle.numel():
        return middle
    return _cut(middle, window_of(middle.mean(1)[0], SIDE), SIDE)


def _cut(image: Tensor, corner: Sequence[int], most: int) -> Tensor:
    """Whole pairs of blocks from about a corner on, of at most so many pixels a side."""
    cuts = []
    for length, start in zip(image.shape[2:], corner, strict=True):
        first = start // 16 * 16
        cuts.append(slice(first, first + min(length - first, most) // 16 * 16))
    return image[:, :, cuts[0], cuts[1]]


def _unrounded(part: Tensor, way: Subsampling = "4:4:4") -> Planes:
    return Jpeg(subsampling=way).unrounded(part)


def _shifted(part: Tensor) -> bool:
    """Whether blocks half a block away show steps as well: then they are the picture's own, as of
    a chessboard."""
    half = _unrounded(part[:, :, 4:-4, 4:-4])[0]
    return Plane.of(half, ROUNDED, part.new_ones(8, 8)).shown()


def _quality(luma: Plane) -> int | None:
    """The quality of the standard's example whose steps these are, all but a few."""
    told = luma.told
    told[0] = 0
    agreed = {}
    for quality in range(1, 101):
        nats = luma.agreed(Jpeg(quality).tables(luma.last)[0]) * (told > 0)
        agreed[quality] = float(nats.sum()) + ROUND * (quality % 5 == 0)
    best = max(agreed, key=lambda quality: agreed[quality])
    return best if agreed[best] >= AGREED * float(told.sum()) else None


def _chroma(
    part: Tensor, quality: int | None, last: list[Tensor], file: Jpeg | None
) -> tuple[Subsampling, list[Plane]]:
    """How the chroma was reduced, and its planes; none of a grey picture."""
    if bool((part.amax(1) - part.amin(1)).max() < GREY):
        return "4:4:4" if file is None else file.subsampling, []
    best: tuple[float, Subsampling, list[Plane]] = (-math.inf, "4:2:0", [])
    for way in get_args(Subsampling) if file is None else [file.subsampling]:
        found = _unrounded(part, way)[1:]
        planes = [Plane.of(*each) for each in zip(found, [REDUCED] * 2, last, strict=True)]
        if quality is None:
            nats = sum(float(plane.told.sum()) for plane in planes)
        else:
            table = Jpeg(quality).tables(part)[1]
            nats = sum(float(plane.agreed(table).sum()) for plane in planes)
        best = max(best, (nats, way, planes), key=lambda one: one[0])
    return best[1:]


@lru_cache(maxsize=64)
def _evidence(wrong: float, last: float) -> Tensor:
    """Nats for steps 2 to COARSEST (rows) of a coefficient in each bin, against only the last."""
    values = (torch.arange(BINS) + 0.5) * WIDTH
    steps = torch.arange(2, COARSEST + 1)[:, None]
    if last > 1:
        values = (values / last).round() * last
    levels = (values / steps).round()
    if last > 1:  # of the levels of the last those to which the levels of the first were rounded
        reached = (levels * steps / last).round() * last == values
        many = torch.where(values > last, steps / last, 1)  # by how much more than without steps
        near = many * reached * (steps >= COARSER * last)
    else:
        away = (values - levels * steps) / wrong
        near = steps / (wrong * math.sqrt(2 * math.pi)) * (-away.square() / 2).exp()
    nats = (STRAY + (1 - STRAY) * near).log()
    return torch.where(levels == 0, nats.clamp(max=0), nats)  # what is 0 is so without steps, too
