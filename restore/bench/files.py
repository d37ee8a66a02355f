"""What benchmarks make of photos: their middles, their levels of 8 bits, their files."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

Levels = NDArray[np.uint8]


def middle(x: Tensor, height: int, width: int) -> Tensor:
    """The middle (..., height, width) of pictures, or as much of it as they have."""
    sides = zip(x.shape[-2:], (height, width), strict=True)
    top, left = (max(0, length - side) // 2 for length, side in sides)
    return x[..., top : top + height, left : left + width]


def levels(x: Tensor) -> Levels:
    """A picture (1, 3, H, W) in [0, 1], and clipped to that, rounded to 8 bits, (H, W, 3)."""
    found: Levels = (255 * x[0].clamp(0, 1)).round().byte().permute(1, 2, 0).contiguous().numpy()
    return found


def encoded(levels: Levels, quality: int | None = None, format: str = "", **options: Any) -> bytes:
    """A file of them, a PNG, or of a quality, by default a JPEG; options as of Pillow's."""
    buffer = io.BytesIO()
    if quality is not None:
        options["quality"] = quality
    format = format or ("PNG" if quality is None else "JPEG")
    Image.fromarray(levels).save(buffer, format, **options)
    return buffer.getvalue()
