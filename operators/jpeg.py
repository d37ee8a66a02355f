"""JPEG (ITU-T T.81): colour transform, chroma subsampling, 8 x 8 cosine transform, quantisation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from operators.annex import CHROMA, LUMA
from operators.base import Operator, Shape
from operators.colour import to_rgb, to_ycc
from operators.convolution import fold, pad
from operators.cosine import SIDE, cosines, padded, pixels
from operators.tone import straight_through_round

Subsampling = Literal["4:4:4", "4:2:2", "4:4:0", "4:2:0"]
Tables = tuple[tuple[int, ...], ...]
Planes = tuple[Tensor, Tensor, Tensor]
Rounding = Callable[[Tensor], Tensor]
FACTORS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:4:0": (2, 1), "4:2:0": (2, 2)}
"""By how much the rows and the columns of the chroma are reduced."""
TRANSPOSED = (5, 6, 7, 8)
"""Orientations of files whose rows are the photo's columns."""


@dataclass(frozen=True, eq=False)
class Jpeg(Operator):
    """Compress and decompress RGB images (B, 3, H, W) as libjpeg does; sides are free.

    quality from 1 to 100, or a file's own tables of Y, Cb, Cr (the last also stands for those that
    are missing), 64 steps each from 1 to 65535, row by row; None: all as the file that is restored
    has it, for `restore.restore`. subsampling of the chroma 4:2:0 (the default of most writers),
    4:2:2, 4:4:0 or 4:4:4; orientation 1 to 8: how the file's pixels are turned to be upright, as
    EXIF has it. x is upright, coefficients are those of the file. corner: how many of the file's
    first rows and columns, 0 to 15, have been cropped away since. Gradients pass straight through
    the roundings. ValueError for other arguments.
    """

    quality: int | Tables | None = None
    subsampling: Subsampling = "4:2:0"
    orientation: int = 1
    corner: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if isinstance(self.quality, int):
            if not 1 <= self.quality <= 100:
                raise ValueError(f"quality: got {self.quality}; pass 1 (worst) to 100 (best)")
        elif self.quality is not None:
            _require_tables(self.quality)
        if self.subsampling not in get_args(Subsampling):
            known = ", ".join(get_args(Subsampling))
            raise ValueError(f"subsampling: got {self.subsampling!r}; use one of {known}")
        if self.orientation not in range(1, 9):
            raise ValueError(f"orientation: got {self.orientation}; pass 1 to 8, as in EXIF")
        if not all(0 <= cropped < 2 * SIDE for cropped in self.corner):
            raise ValueError(f"corner: got {self.corner}; pass two numbers from 0 to 15")

    def __call__(self, x: Tensor) -> Tensor:
        """Write and read again; the result lies on the 256 levels of [0, 1].

        ValueError unless x is (B, 3, H, W).
        """
        rounded = self.stored(straight_through_round(255 * x.clamp(0, 1)) / 255)
        steps = zip(self._encode(rounded, straight_through_round), self.tables(x), strict=True)
        luma, blue, red = (straight_through_round(c / table) * table for c, table in steps)
        planes = self._decode((luma, blue, red), rounded.shape, _to_levels)
        return self.upright(straight_through_round(255 * to_rgb(planes).clamp(0, 1)) / 255)

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape."""
        return y_shape

    def coefficients(self, x: Tensor) -> Planes:
        """Transform linearly: cosine coefficients of Y, Cb, Cr in units of 1/255 of the range.

        Each is (B, 1, rows, columns, 8, 8), the blocks of a plane padded by its last pixels.
        ValueError unless x is (B, 3, H, W).
        """
        return self._encode(self.stored(x), _unchanged)

    def read(self, y: Tensor) -> Planes:
        """Give the file's coefficients from its decoded pixels y (B, 3, H, W).

        In blocks that the border cuts they are those of what is in the picture, not rounded.
        """
        whole = self._whole(self.stored(y).shape)
        planes = [
            torch.where(known, (c / table).round() * table, c)
            for c, table, known in zip(self.unrounded(y), self.tables(y), whole, strict=True)
        ]
        return planes[0], planes[1], planes[2]

    def unrounded(self, y: Tensor) -> Planes:
        """Give the coefficients that the decoded pixels y (B, 3, H, W) have, chroma reduced."""
        ycc = to_ycc(self.stored(y))
        chroma = self._undo_upsampling(ycc[:, 1:])
        return cosines(ycc[:, :1] - 128), cosines(chroma[:, :1]), cosines(chroma[:, 1:])

    def interval(self, y: Tensor) -> tuple[Planes, Planes]:
        """Give the bins: the lowest and highest coefficients of the images that compress to y.

        y (B, 3, H, W) is a decoded JPEG of this quality and subsampling. The writer's roundings
        to whole levels before its cosine transform can exceed the bins by about one level. Blocks
        that the border cuts are unbounded, since what filled them is not in the picture.
        """
        low, high = [], []
        whole = self._whole(self.stored(y).shape)
        for c, table, known in zip(self.read(y), self.tables(y), whole, strict=True):
            half = torch.where(known.to(y.device), table / 2, torch.inf)
            low.append(c - half)
            high.append(c + half)
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Move the coefficients of x towards the bins of y, leaving the rest of x as it is.

        With 4:4:4 one call lands in the bins; with 4:2:0 repeated calls do.
        """
        bins = zip(self.coefficients(x), *self.interval(y), strict=True)
        luma, blue, red = (c.clamp(low, high) - c for c, low, high in bins)
        change = self._decode((luma, blue, red), self.stored(x).shape, _unchanged)
        return x + self.upright(to_rgb(change, offset=0))

    def tables(self, like: Tensor) -> Planes:
        """Give the quantisation tables (8, 8) of Y, Cb, Cr, libjpeg's at a quality.

        ValueError where none is known.
        """
        if self.quality is None:
            raise ValueError("quality: got None; only `restore.restore` reads it off a file")
        if isinstance(self.quality, int):
            scale = 5000 // self.quality if self.quality < 50 else 200 - 2 * self.quality
            given = [
                ((like.new_tensor(table) * scale + 50) / 100).floor().clamp(1, 255)
                for table in (LUMA, CHROMA)
            ]
        else:
            given = [like.new_tensor(table) for table in self.quality]
        luma, blue, red = (given[min(k, len(given) - 1)].reshape(8, 8) for k in range(3))
        return luma, blue, red

    def luma_steps(self, like: Tensor) -> Tensor:
        """Give the steps (8, 8) of Y's coefficients on [0, 1], upright as the pixels are."""
        steps = self.tables(like)[0] / 255
        return steps.T if self.orientation in TRANSPOSED else steps

    @property
    def factors(self) -> tuple[int, int]:
        """By how much the rows and the columns of the chroma are reduced."""
        return FACTORS[self.subsampling]

    def _whole(self, shape: Shape) -> list[Tensor]:
        """Which blocks of each plane lie inside a stored picture, to multiply its coefficients."""
        masks = []
        for factors in ((1, 1), self.factors, self.factors):
            rows, columns = (
                _inside(8 * factor, cropped, side)
                for factor, cropped, side in zip(factors, self.corner, shape[-2:], strict=True)
            )
            masks.append((rows[:, None] & columns)[:, :, None, None])
        return masks

    def stored(self, x: Tensor) -> Tensor:
        """Turn upright images as they lie in the file, what was cropped away made up."""
        if self.orientation in (3, 4, 7, 8):
            x = x.flip(-2)
        if self.orientation in (2, 3, 6, 7):
            x = x.flip(-1)
        x = x.mT if self.orientation > 4 else x
        return pad(x, self.corner, (0, 0), "replicate") if any(self.corner) else x

    def upright(self, x: Tensor) -> Tensor:
        """Turn images of the file upright, without what was cropped away."""
        return self._turned(x[..., self.corner[0] :, self.corner[1] :])

    def stored_adjoint(self, x: Tensor) -> Tensor:
        """Apply the transpose of `stored`."""
        return self._turned(fold(x, self.corner, (0, 0), "replicate"))

    def _turned(self, x: Tensor) -> Tensor:
        x = x.mT if self.orientation > 4 else x
        if self.orientation in (2, 3, 6, 7):
            x = x.flip(-1)
        return x.flip(-2) if self.orientation in (3, 4, 7, 8) else x

    def _encode(self, x: Tensor, rounded: Rounding) -> Planes:
        ycc = rounded(to_ycc(x))
        chroma = rounded(self._subsample(ycc[:, 1:]))
        return cosines(ycc[:, :1] - 128), cosines(chroma[:, :1]), cosines(chroma[:, 1:])

    def _decode(self, coefficients: Planes, shape: Shape, rounded: Rounding) -> Tensor:
        """Give Y, Cb, Cr (B, 3, H, W), all centred at 0."""
        height, width = shape[-2:]
        luma, blue, red = (rounded(pixels(blocks)) for blocks in coefficients)
        down, right = self.factors
        small = slice(-(-height // down)), slice(-(-width // right))
        chroma = self._upsample(torch.cat([blue, red], dim=1)[..., small[0], small[1]])
        return torch.cat([luma[..., :height, :width], chroma[..., :height, :width]], dim=1)

    def _subsample(self, chroma: Tensor) -> Tensor:
        return functional.avg_pool2d(padded(chroma, *self.factors), self.factors)

    def _upsample(self, chroma: Tensor) -> Tensor:
        """Give libjpeg's triangle filter, which weighs the nearest sample 3/4 on each axis."""
        return functional.interpolate(chroma, scale_factor=self.factors, mode="bilinear")

    def _undo_upsampling(self, chroma: Tensor) -> Tensor:
        """Find the small planes that the reader enlarged to chroma.

        Enlarging and averaging has its eigenvalues in [1/4, 1]; 1.6 is Richardson's best step,
        and twenty steps leave 0.6^20 of the error.
        """
        if self.factors == (1, 1):
            return chroma
        goal = self._subsample(chroma)
        small = goal
        for _ in range(20):
            large = self._upsample(small)[..., : chroma.shape[-2], : chroma.shape[-1]]
            small = small + 1.6 * (goal - self._subsample(large))
        return small


def _inside(block: int, cropped: int, side: int) -> Tensor:
    """Which blocks of a side lie between what was cropped away of it and its end."""
    starts = torch.arange(0, side, block)
    return (starts >= cropped) & (starts + block <= side)


def _unchanged(x: Tensor) -> Tensor:
    return x


def _to_levels(plane: Tensor) -> Tensor:
    return straight_through_round(plane).clamp(-128, 127)


def _require_tables(tables: Tables) -> None:
    sizes = [len(table) for table in tables]
    steps = [step for table in tables for step in table]
    if not 1 <= len(sizes) <= 3 or set(sizes) != {64} or not 1 <= min(steps) <= max(steps) <= 65535:
        raise ValueError(
            f"quality: got tables of {sizes} steps; pass 1 to 100, or one to three tables of 64"
            " steps from 1 to 65535"
        )
