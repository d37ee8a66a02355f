"""Seams of a picture: where windows begin and end, and at the edge of what was filled."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from operators.base import Operator
from operators.mask import box_mask, brush_mask
from priors.tiled import Tiled
from restore.bench import protocol
from restore.preparation import padding
from restore.restorer import Restorer

RING = 3
"""Pixels around a mask whose steps are compared with those at its edge."""


def borders(prior: str, tile: int, operator: Operator, side: int) -> list[int]:
    """Rows (and columns) before which windows begin or end, of y of that side, centred in x."""
    tiled = Tiled(Restorer(prior).prior, tile)
    shape = operator.image_shape((1, 3, side, side))
    frame = padding(shape, tiled.multiple)
    length, before = (shape[2], 0) if frame is None else (frame.image_height, frame.top)
    before += (shape[2] - side) // 2
    return [line - before for line in tiled.borders(length) if 0 < line - before < side]


def seam(picture: Tensor, lines: Sequence[int]) -> float:
    """Mean absolute step across lines of both axes over that elsewhere.

    picture: (B, C, H, W); a line is the row, and the column, before which it lies.
    """
    across, elsewhere = [], []
    for dim in (-2, -1):
        steps = picture.diff(dim=dim).abs().movedim(dim, 0).flatten(1).mean(1)
        at = torch.zeros(len(steps), dtype=torch.bool)
        at[torch.tensor(lines) - 1] = True
        across.append(steps[at])
        elsewhere.append(steps[~at])
    return float(torch.cat(across).mean() / torch.cat(elsewhere).mean())


def edge(picture: Tensor, unknown: Tensor) -> float:
    """Mean absolute step from a known to an unknown pixel over that in a ring of known ones.

    picture: (1, C, H, W); unknown: bool (1, 1, H, W).
    """
    ring = max_pool2d(unknown.float(), 2 * RING + 1, 1, RING).bool() & ~unknown
    across, around = [], []
    for dim in (-2, -1):
        steps = picture.diff(dim=dim).abs().mean(1, keepdim=True)
        length = steps.shape[dim]
        (left, right), (near, far) = (
            (one.narrow(dim, 0, length), one.narrow(dim, 1, length)) for one in (unknown, ring)
        )
        across.append(steps[left ^ right])
        around.append(steps[near & far])
    return float(torch.cat(across).mean() / torch.cat(around).mean())


def filled(folder: Path, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Fill brush strokes and a box in photos of 8 bits: `edge` before and after, and whether all
    that was known is the same in 8 bits."""
    from restore.api import inpaint

    rows = []
    for group, index, path in protocol.find_pictures(folder, 2):
        x = protocol.load_picture(group, index, path).pixels
        x = (255 * x).round() / 255
        side = protocol.SIZE
        masks = {
            "brush": brush_mask(side, side, 6, 6.0, index),
            "box": box_mask(side, side, side // 4, side // 4),
        }
        for name, unknown in masks.items():
            picture = (255 * inpaint(x, unknown, **options).pixels).round() / 255
            rows.append(
                {
                    "photo": f"{group} {path.stem}",
                    "mask": name,
                    "edge": edge(picture, unknown),
                    "edge before": edge(x, unknown),
                    "exact": bool((picture == x).masked_select(~unknown).all()),
                }
            )
    return rows
