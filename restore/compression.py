"""The JPEG compression that pixels still show, whatever file they are in now.

Where a picture was compressed, each cosine coefficient lies near a multiple of its step, also in a
PNG, a screenshot, or a JPEG of finer steps that it was saved as afterwards. Told is the step that
makes the coefficients of its place in the blocks likeliest, against none (after Fan and de Queiroz,
"Identification of bitmap compression history: JPEG detection and quantizer estimation", IEEE
Transactions on Image Processing 12(2), 2003). Blocks may begin anywhere, where a picture was
cropped or turned. Pictures that were made smaller or larger, or noisy, show nothing.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from operators.jpeg import FACTORS, Jpeg, Subsampling
from restore.blind.seen import window_of
from restore.steps import Plane

MIDDLE, SIDE = 2048, 512
"""Of the part that is looked through, and of that which is looked at, in pixels."""
ROUNDED, REDUCED = 0.4, 0.5
"""Deviations of coefficients by the roundings to whole levels, and of chroma that was enlarged."""
LEAST = 32
"""Pixels a side of pictures that are looked at."""
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
TURNED = 5
"""The orientation of a file whose rows are the picture's columns."""
Corner = tuple[int, int]
"""Rows and columns that are missing of the first blocks."""


class Blocks(NamedTuple):
    """The blocks of a part, which has its rows as the file that it was: what is missing of the
    first, what their luma says, the quality of a standard table, and the file's orientation."""

    part: Tensor
    corner: Corner
    luma: Plane
    quality: int | None
    orientation: int

    @classmethod
    def of_file(cls, part: Tensor, last: Tensor, file: Jpeg) -> "Blocks":
        """Those of the last file, of whose luma the last steps are known."""
        luma = _luma(part, (0, 0), last)
        return cls(part, (0, 0), luma, _quality(luma), file.orientation)

    @classmethod
    def of(cls, part: Tensor) -> "Blocks":
        """Those that begin where they tell most; rows are columns if only so they are standard."""
        none = part.new_ones(8, 8)
        corner, luma = (0, 0), _luma(part, (0, 0), none)
        if not luma.shown():
            begins = list(product(range(8), range(8)))
            every = [_luma(part, begin, none) for begin in begins]
            most = max(range(len(every)), key=lambda k: float(every[k].told.sum()))
            corner, luma = begins[most], every[most]
        half = _luma(part, (corner[0] + 4, corner[1] + 4), none)
        if half.shown():  # as well: then the steps are the picture's own, as of a chessboard
            luma = Plane(0 * luma.nats, luma.last, luma.there)
        quality, turned = _quality(luma), luma.turned()
        if quality is None and (quality := _quality(turned)) is not None:
            return cls(part.mT, corner[::-1], turned, quality, TURNED)
        return cls(part, corner, luma, quality, 1)


@torch.no_grad()
def compression_of(pixels: Tensor, file: Jpeg | None = None) -> Jpeg | None:
    """The compression that pixels (1, 3, H, W) on the 256 levels of [0, 1] show, or None.

    file: that of the file that they are in; found is then what was coarser before it, if anything
    was, on the same blocks. Steps of which nothing is left are those of the standard's example
    where the others are, else those of their neighbours towards the mean.
    """
    if min(pixels.shape[2:]) < LEAST:
        return None
    part = _part(pixels if file is None else file.stored(pixels))
    if len(part.unique()) < LEVELS:
        return None
    last = [part.new_ones(8, 8)] * 3 if file is None else list(file.tables(part))
    blocks = Blocks.of(part) if file is None else Blocks.of_file(part, last[0], file)
    part, corner, luma, quality, turned = blocks
    if not luma.shown(standard=quality is not None):
        return None
    way, corner, chroma = _chroma(part, corner, quality, last[1:], file)
    planes = [luma, *chroma]
    if quality is None:
        steps = [plane.steps() for plane in planes]
    else:
        steps = [table.flatten() for table in Jpeg(quality).tables(part)][: len(planes)]
    steps = [torch.maximum(step, plane.last) for step, plane in zip(steps, planes, strict=True)]
    if steps[0].mean() < FINE:
        return None
    tables = tuple(tuple(map(int, table.tolist())) for table in steps)
    return Jpeg(tables, way, turned, corner)


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


def told(jpeg: Jpeg) -> dict[str, Any]:
    """A compression in words, JSON-able: quality, or None for tables of no standard, subsampling
    of the chroma, and whether its first blocks were cut, by cropping or, their sides being no
    whole blocks, by turning."""
    known = {"quality": quality_of(jpeg), "subsampling": jpeg.subsampling}
    return known | {"cropped": any(jpeg.corner)}


def _part(stored: Tensor) -> Tensor:
    """The part of its middle with the strongest edges, from a pair of blocks on."""
    middle = _cut(stored, [max(0, length - MIDDLE) // 2 for length in stored.shape[2:]], MIDDLE)
    return _cut(middle, window_of(middle.mean(1)[0], SIDE), SIDE)


def _cut(image: Tensor, corner: Sequence[int], most: int) -> Tensor:
    """From the pair of blocks at about a corner on at most so many pixels a side."""
    top, left = (start // 16 * 16 for start in corner)
    return image[:, :, top : top + most, left : left + most]


def _whole(part: Tensor, corner: Corner, way: Subsampling = "4:4:4") -> Tensor:
    """The whole blocks of a part, of whose first so many pixels are missing."""
    cuts = []
    for length, missing, factor in zip(part.shape[2:], corner, FACTORS[way], strict=True):
        first = -missing % (8 * factor)
        cuts.append(slice(first, length - (length - first) % (8 * factor)))
    return part[:, :, cuts[0], cuts[1]]


def _luma(part: Tensor, corner: Corner, last: Tensor) -> Plane:
    blocks = Jpeg(subsampling="4:4:4").unrounded(_whole(part, corner))[0]
    return Plane.of(blocks, ROUNDED, last)


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
    part: Tensor, corner: Corner, quality: int | None, last: list[Tensor], file: Jpeg | None
) -> tuple[Subsampling, Corner, list[Plane]]:
    """How the chroma was reduced, where its blocks begin, and its planes; none of a grey
    picture."""
    ways = list(get_args(Subsampling)) if file is None else [file.subsampling]
    if bool((part.amax(1) - part.amin(1)).max() < GREY):
        return ways[0], corner, []
    found = []
    for way in ways:
        down, right = FACTORS[way] if file is None else (1, 1)
        tops, lefts = range(corner[0], 8 * down, 8), range(corner[1], 8 * right, 8)
        for begin in product(tops, lefts):
            reduced = Jpeg(subsampling=way).unrounded(_whole(part, begin, way))[1:]
            planes = [Plane.of(*each) for each in zip(reduced, [REDUCED] * 2, last, strict=True)]
            if quality is None:
                nats = sum(float(plane.told.sum()) for plane in planes)
            else:
                table = Jpeg(quality).tables(part)[1]
                nats = sum(float(plane.agreed(table).sum()) for plane in planes)
            found.append((nats, way, begin, planes))
    _, way, corner, planes = max(found, key=lambda one: one[0])
    return way, corner, planes
