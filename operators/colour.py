"""Grey pictures, the colour filter array of a camera, and luma and chroma of files."""

from dataclasses import dataclass

import torch
from torch import Tensor

from operators.base import DiagonalGramOperator, Shape

LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, eq=False)
class Grayscale(DiagonalGramOperator):
    """The luma of ITU-R BT.601: (B, 3, H, W) -> (B, 1, H, W), 0.299 R + 0.587 G + 0.114 B."""

    @property
    def gram_scale(self) -> float:
        """The sum of the squared weights."""
        return sum(weight**2 for weight in LUMA)

    def __call__(self, x: Tensor) -> Tensor:
        """Mix the channels of images (B, 3, H, W)."""
        require_colour(x)
        return (x * _luma(x)).sum(1, keepdim=True)

    def adjoint(self, y: Tensor) -> Tensor:
        """Give every channel its share."""
        return y * _luma(y)

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape with three channels."""
        return (y_shape[0], 3, *y_shape[2:])

    def gram(self, y: Tensor) -> Tensor:
        """Give the sum of the squared weights."""
        return y.new_full((), self.gram_scale)


@dataclass(frozen=True, eq=False)
class Mosaic(DiagonalGramOperator):
    """The Bayer filter: every pixel keeps one channel, (B, 3, H, W) -> (B, 1, H, W).

    pattern names the 2 x 2 cell from the top left, row by row: RGGB, BGGR, GRBG or GBRG, else
    ValueError. Sides may be odd.
    """

    pattern: str = "RGGB"

    def __post_init__(self) -> None:
        if self.pattern not in ("RGGB", "BGGR", "GRBG", "GBRG"):
            raise ValueError(f"pattern: got {self.pattern!r}; use RGGB, BGGR, GRBG or GBRG")

    @property
    def gram_scale(self) -> float:
        """One: A A^T = I."""
        return 1.0

    def __call__(self, x: Tensor) -> Tensor:
        """Keep one channel a pixel of images (B, 3, H, W)."""
        require_colour(x)
        return (x * self._filters(x)).sum(1, keepdim=True)

    def adjoint(self, y: Tensor) -> Tensor:
        """Put every pixel into its channel, zeros elsewhere."""
        return y * self._filters(y)

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape with three channels."""
        return (y_shape[0], 3, *y_shape[2:])

    def gram(self, y: Tensor) -> Tensor:
        """Give one."""
        return y.new_ones(())

    def _filters(self, like: Tensor) -> Tensor:
        filters = like.new_zeros(3, *like.shape[-2:])
        for place, name in enumerate(self.pattern):
            filters["RGB".index(name), place // 2 :: 2, place % 2 :: 2] = 1
        return filters


def require_colour(x: Tensor) -> None:
    """Raise ValueError unless x is (B, 3, H, W)."""
    if x.ndim != 4 or x.shape[1] != 3:
        raise ValueError(f"x: got shape {tuple(x.shape)}; pass RGB images (B, 3, H, W)")


def to_ycc(x: Tensor) -> Tensor:
    """Give Y on [0, 255], Cb and Cr on [-128, 127] of RGB on [0, 1]."""
    require_colour(x)
    return torch.einsum("dc,bchw->bdhw", ycc(x), 255 * x)


def to_rgb(planes: Tensor, offset: float = 128 / 255) -> Tensor:
    """Give RGB on [0, 1], offset added, of Y, Cb, Cr in 255ths; the offset undoes that of Y."""
    return torch.einsum("dc,bchw->bdhw", torch.linalg.inv(ycc(planes)), planes) / 255 + offset


def ycc(like: Tensor) -> Tensor:
    """Give the matrix (3, 3) of Y, Cb, Cr of JPEG files, JFIF."""
    return like.new_tensor(
        [
            LUMA,
            [-0.168735892, -0.331264108, 0.5],
            [0.5, -0.418687589, -0.081312411],
        ]
    )


def _luma(like: Tensor) -> Tensor:
    return torch.cat([like.new_full((1, 1, 1), share) for share in LUMA])
