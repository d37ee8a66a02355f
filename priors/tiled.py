"""A prior seen through overlapping windows that are blended: any size in bounded memory."""

from collections.abc import Callable
from itertools import product
from typing import Any, Self

import torch
from torch import Tensor

from priors.base import Prior, Shape
from priors.schedule import Level


class Tiled(Prior):
    """`prior` applied to windows of `tile` pixels that overlap by `overlap` pixels.

    Every result is sum_i w_i f(window_i) with sum_i w_i = 1, so the windows leave no seam and what
    is exact in every window stays exact. Pictures no larger than a window pass through unchanged.
    MultiDiffusion: Bar-Tal et al., ICML 2023 (arXiv:2302.08113).
    """

    def __init__(self, prior: Prior, tile: int = 512, overlap: int = 64) -> None:
        """Both are rounded up to the prior's multiple; ValueError unless 0 <= overlap < tile."""
        if tile < 1 or not 0 <= overlap < tile:
            raise ValueError(f"tile, overlap: got {tile}, {overlap}; 0 <= overlap < tile is needed")
        self.prior = prior
        self.schedule, self.multiple, self.unit = prior.schedule, prior.multiple, prior.unit
        self.tile = _round_up(tile, prior.multiple)
        self.overlap = min(_round_up(overlap, prior.multiple), self.tile - prior.multiple)

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """E[x_0 | x_t = x] from windows of the state."""
        cell = self._cell()
        return self._blend(x, lambda w: self.prior.denoise(w, level), cell, 1, 1)

    def encode(self, image: Tensor) -> Tensor:
        """The state of a picture, from windows of the picture."""
        self.state_shape(tuple(image.shape))
        return self._blend(image, self.prior.encode, 1, 1, self._cell())

    def decode(self, x: Tensor) -> Tensor:
        """The picture of a state, from windows of the state."""
        cell = self._cell()
        return self._blend(x, self.prior.decode, cell, cell, 1)

    def state_shape(self, image_shape: Shape) -> Shape:
        """As of the prior."""
        return self.prior.state_shape(image_shape)

    def to(self, *target: Any) -> Self:
        """Move the prior's networks; returns the tiled prior."""
        self.prior.to(*target)  # type: ignore[attr-defined]
        return self

    def _cell(self) -> int:
        """Pixels a state cell spans along one side."""
        side = self.multiple
        return side // self.prior.state_shape((1, 3, side, side))[2]

    def _blend(
        self, x: Tensor, apply: Callable[[Tensor], Tensor], cell: int, up: int, down: int
    ) -> Tensor:
        """Apply to windows of x (`cell` pixels an entry); results are up / down times as large."""
        tile, overlap = self.tile // cell, self.overlap // cell
        rows = _starts(x.shape[2], tile, overlap)
        columns = _starts(x.shape[3], tile, overlap)
        if len(rows) == len(columns) == 1:
            return apply(x)
        total: Tensor | None = None
        weights = x.new_zeros(1, 1, x.shape[2] * up // down, x.shape[3] * up // down)
        for top, left in product(rows, columns):
            piece = apply(x[:, :, top : top + tile, left : left + tile])
            height, width = piece.shape[2:]
            ramp = max(1, overlap * up // down)
            window = _ramp(height, ramp, piece)[:, None] * _ramp(width, ramp, piece)
            at = (
                slice(top * up // down, top * up // down + height),
                slice(left * up // down, left * up // down + width),
            )
            if total is None:
                total = piece.new_zeros(*piece.shape[:2], *weights.shape[2:])
            total = total.clone() if piece.requires_grad else total
            total[:, :, at[0], at[1]] += window * piece
            weights[:, :, at[0], at[1]] += window
        if total is None:
            raise ValueError("x: no windows; the picture is empty")
        return total / weights


def _starts(side: int, tile: int, overlap: int) -> list[int]:
    """Where windows begin: evenly, `tile - overlap` apart, the last flush with the end."""
    if side <= tile:
        return [0]
    stride = tile - overlap
    return [*range(0, side - tile, stride), side - tile]


def _ramp(length: int, ramp: int, like: Tensor) -> Tensor:
    """A trapezoid that rises over `ramp` entries at both ends and never reaches 0."""
    place = torch.arange(length, device=like.device, dtype=like.dtype)
    edge = torch.minimum(place, length - 1 - place) + 0.5
    return (edge / ramp).clamp(max=1.0)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
