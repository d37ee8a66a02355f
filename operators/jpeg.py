"""JPEG (ITU-T T.81): colour transform, chroma subsampling, 8 x 8 cosine transform, quantisation."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from operators.base import Operator, Shape
from operators.colour import require_colour
from operators.tone import straight_through_round

Subsampling = Literal["4:4:4", "4:2:0"]
Planes = tuple[Tensor, Tensor, Tensor]
Rounding = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Jpeg(Operator):
    """Compress and decompress RGB images (B, 3, H, W) as libjpeg does; sides are free.

    quality from 1 to 100; subsampling of the chroma 4:2:0 (the default of most writers) or 4:4:4.
    Gradients pass straight through the roundings. ValueError for other arguments.
    """

    quality: int
    subsampling: Subsampling = "4:2:0"

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ValueError(f"quality: got {self.quality}; pass 1 (worst) to 100 (best)")
        if self.subsampling not in get_args(Subsampling):
            raise ValueError(f"subsampling: got {self.subsampling!r}; use '4:2:0' or '4:4:4'")

    def __call__(self, x: Tensor) -> Tensor:
        """Write and read again; the result lies on the 256 levels of [0, 1].

        ValueError unless x is (B, 3, H, W).
        """
        pixels = straight_through_round(255 * x.clamp(0, 1)) / 255
        steps = zip(self._encode(pixels, straight_through_round), self.tables(x), strict=True)
        luma, blue, red = (straight_through_round(c / table) * table for c, table in steps)
        planes = self._decode((luma, blue, red), x.shape, _to_levels)
        return straight_through_round(255 * _to_rgb(planes).clamp(0, 1)) / 255

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape."""
        return y_shape

    def coefficients(self, x: Tensor) -> Planes:
        """Transform linearly: cosine coefficients of Y, Cb, Cr in units of 1/255 of the range.

        Each is (B, 1, rows, columns, 8, 8), the blocks of a plane padded by its last pixels.
        ValueError unless x is (B, 3, H, W).
        """
        return self._encode(x, _unchanged)

    def interval(self, y: Tensor) -> tuple[Planes, Planes]:
        """Give the bins: the lowest and highest coefficients of the images that compress to y.

        y (B, 3, H, W) is a decoded JPEG of this quality and subsampling. The writer's roundings
        to whole levels before its cosine transform can exceed the bins by about one level. Blocks
        that the border cuts are unbounded, since what filled them is not in the picture.
        """
        ycc = _to_ycc(y)
        chroma = self._undo_upsampling(ycc[:, 1:])
        centres = _cosines(ycc[:, :1] - 128), _cosines(chroma[:, :1]), _cosines(chroma[:, 1:])
        low, high = [], []
        for c, table, side in zip(centres, self.tables(y), self._block_sides(), strict=True):
            half = torch.full_like(c, torch.inf)
            half[:, :, : y.shape[-2] // side, : y.shape[-1] // side] = 0.5
            level = (c / table).round()
            low.append((level - half) * table)
            high.append((level + half) * table)
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Move the coefficients of x towards the bins of y, leaving the rest of x as it is.

        With 4:4:4 one call lands in the bins; with 4:2:0 repeated calls do.
        """
        bins = zip(self.coefficients(x), *self.interval(y), strict=True)
        luma, blue, red = (c.clamp(low, high) - c for c, low, high in bins)
        return x + _to_rgb(self._decode((luma, blue, red), x.shape, _unchanged), offset=0)

    def tables(self, like: Tensor) -> Planes:
        """Give libjpeg's quantisation tables (8, 8) of Y, Cb, Cr at this quality."""
        scale = 5000 // self.quality if self.quality < 50 else 200 - 2 * self.quality
        luma, chroma = (
            ((like.new_tensor(table) * scale + 50) / 100).floor().clamp(1, 255).reshape(8, 8)
            for table in (_LUMA, _CHROMA)
        )
        return luma, chroma, chroma

    def _block_sides(self) -> tuple[int, int, int]:
        return 8, 8 * self._factor, 8 * self._factor

    @property
    def _factor(self) -> int:
        return 2 if self.subsampling == "4:2:0" else 1

    def _encode(self, x: Tensor, rounded: Rounding) -> Planes:
        ycc = rounded(_to_ycc(x))
        chroma = rounded(self._subsample(ycc[:, 1:]))
        return _cosines(ycc[:, :1] - 128), _cosines(chroma[:, :1]), _cosines(chroma[:, 1:])

    def _decode(self, coefficients: Planes, shape: Shape, rounded: Rounding) -> Tensor:
        """Give Y, Cb, Cr (B, 3, H, W), all centred at 0."""
        height, width = shape[-2:]
        luma, blue, red = (rounded(_pixels(blocks)) for blocks in coefficients)
        small = slice(-(-height // self._factor)), slice(-(-width // self._factor))
        chroma = self._upsample(torch.cat([blue, red], dim=1)[..., small[0], small[1]])
        return torch.cat([luma[..., :height, :width], chroma[..., :height, :width]], dim=1)

    def _subsample(self, chroma: Tensor) -> Tensor:
        factor = self._factor
        return functional.avg_pool2d(_padded(chroma, factor), factor)

    def _upsample(self, chroma: Tensor) -> Tensor:
        """Give libjpeg's triangle filter, which weighs the nearest sample 3/4 on each axis."""
        return functional.interpolate(chroma, scale_factor=self._factor, mode="bilinear")

    def _undo_upsampling(self, chroma: Tensor) -> Tensor:
        """Find the small planes that the reader enlarged to chroma.

        Enlarging and averaging has its eigenvalues in [1/4, 1]; 1.6 is Richardson's best step,
        and twenty steps leave 0.6^20 of the error.
        """
        if self._factor == 1:
            return chroma
        goal = self._subsample(chroma)
        small = goal
        for _ in range(20):
            large = self._upsample(small)[..., : chroma.shape[-2], : chroma.shape[-1]]
            small = small + 1.6 * (goal - self._subsample(large))
        return small


def _unchanged(x: Tensor) -> Tensor:
    return x


def _to_levels(plane: Tensor) -> Tensor:
    return straight_through_round(plane).clamp(-128, 127)


def _to_ycc(x: Tensor) -> Tensor:
    """Give Y on [0, 255], Cb and Cr on [-128, 127] of RGB on [0, 1]."""
    require_colour(x)
    return torch.einsum("dc,bchw->bdhw", _ycc(x), 255 * x)


def _to_rgb(planes: Tensor, offset: float = 128 / 255) -> Tensor:
    return torch.einsum("dc,bchw->bdhw", torch.linalg.inv(_ycc(planes)), planes) / 255 + offset


def _ycc(like: Tensor) -> Tensor:
    return like.new_tensor(
        [
            [0.299, 0.587, 0.114],
            [-0.168735892, -0.331264108, 0.5],
            [0.5, -0.418687589, -0.081312411],
        ]
    )


def _padded(plane: Tensor, multiple: int) -> Tensor:
    height, width = plane.shape[-2:]
    return functional.pad(plane, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def _cosines(plane: Tensor) -> Tensor:
    plane, basis = _padded(plane, 8), _basis(plane)
    batch, channels, height, width = plane.shape
    blocks = plane.reshape(batch, channels, height // 8, 8, width // 8, 8).transpose(-3, -2)
    return basis @ blocks @ basis.mT


def _pixels(coefficients: Tensor) -> Tensor:
    basis = _basis(coefficients)
    blocks: Tensor = basis.mT @ coefficients @ basis
    return blocks.transpose(-3, -2).flatten(-2).flatten(-3, -2)


def _basis(like: Tensor) -> Tensor:
    """Give the orthonormal cosine transform II of eight points."""
    frequency = torch.arange(8, dtype=torch.float64)[:, None]
    place = torch.arange(8, dtype=torch.float64)[None, :]
    basis = torch.cos(math.pi * (2 * place + 1) * frequency / 16) / 2
    basis[0] /= math.sqrt(2)
    return basis.to(like)


# Annex K of the standard, row by row.
_LUMA = [
    *(16, 11, 10, 16, 24, 40, 51, 61),
    *(12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77),
    *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101),
    *(72, 92, 95, 98, 112, 100, 103, 99),
]
_CHROMA = [
    *(17, 18, 24, 47, 99, 99, 99, 99),
    *(18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99),
    *([99] * 32),
]
