"""A contact sheet: rows of pictures under column titles, as one image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

GAP, TITLE = 8, 26


def sheet(rows: Sequence[tuple[str, Sequence[Tensor]]], columns: Sequence[str]) -> Any:
    """Draw rows of (label, pictures (1, 3, H, W) in [0, 1]) under titles; a PIL image.

    Every picture of a row is shown at the size of its first one; ValueError where a row has not one
    picture a column.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=16)
    drawn = []
    for label, pictures in rows:
        if len(pictures) != len(columns):
            raise ValueError(f"rows: {label!r} has {len(pictures)} pictures of {len(columns)}")
        images = [Image.fromarray(_bytes(p)) for p in pictures]
        drawn.append((label, [i.resize(images[0].size, Image.Resampling.NEAREST) for i in images]))
    widths = [max(images[k].width for _, images in drawn) for k in range(len(columns))]
    height = sum(images[0].height + TITLE + GAP for _, images in drawn) + TITLE + GAP
    page = Image.new("RGB", (sum(widths) + GAP * (len(widths) + 1), height), "white")
    pen = ImageDraw.Draw(page)
    lefts = [GAP + sum(widths[:k]) + GAP * k for k in range(len(columns))]
    for left, title in zip(lefts, columns, strict=True):
        pen.text((left, 4), title, fill="black", font=font)
    top = TITLE
    for label, images in drawn:
        pen.text((GAP, top + 4), label, fill="#555555", font=font)
        for left, image in zip(lefts, images, strict=True):
            page.paste(image, (left, top + TITLE))
        top += images[0].height + TITLE + GAP
    return page


def _bytes(picture: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    pixels = (picture[0].detach().clamp(0, 1) * 255).round().byte()
    return pixels.permute(1, 2, 0).cpu().numpy()
