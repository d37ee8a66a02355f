"""A prior seen through overlapping windows that are blended: any size in bounded memory."""

from collections.abc import Callable
from copy import copy
from itertools import product
from typing import Any, Self

import torch
from torch import Tensor

from priors.base import Prior, Shape
from priors.network import recomputed
from priors.schedule import Level

LEAST_TILE = 64
"""Pixels below which a window is not halved: networks need surroundings."""


class Tiled(Prior):
    """`prior` applied to windows of `tile` pixels that overlap by `overlap` pixels.

    Every result is sum_i w_i f(window_i) with sum_i w_i = 1, so the windows leave no seam and what
    is exact in every window stays exact. Pictures no larger than a window pass through unchanged.
    Under gradients a window keeps nothing but its input and is computed again on the way back.
    Where the memory does not suffice `tile` is halved, `halvings` counts it, and all windows are
    done again; MemoryError or torch.OutOfMemoryError at a tile of `LEAST_TILE`.
    MultiDiffusion: Bar-Tal et al., ICML 2023 (arXiv:2302.08113).
    """

    def __init__(self, prior: Prior, tile: int = 512, overlap: int | None = None) -> None:
        """Both are rounded up to the prior's multiple; overlap is by default a quarter, at most 64.

        ValueError unless 0 <= overlap < tile, and where the prior's states are no grids.
        """
        overlap = _usual_overlap(tile) if overlap is None else overlap
        if tile < 1 or not 0 <= overlap < tile:
            raise ValueError(f"tile, overlap: got {tile}, {overlap}; 0 <= overlap < tile is needed")
        self.prior = prior
        self.schedule, self.multiple, self.unit = prior.schedule, prior.multiple, prior.unit
        self.halvings = 0
        self._cell = _cell(prior)
        self._resize(tile, overlap)

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """E[x_0 | x_t = x] from windows of the state."""
        return self._blend(x, lambda w: self.prior.denoise(w, level), self._cell, 1, 1)

    def encode(self, image: Tensor) -> Tensor:
        """The state of a picture, from windows of the picture."""
        self.state_shape(tuple(image.shape))
        return self._blend(image, self.prior.encode, 1, 1, self._cell)

    def decode(self, x: Tensor) -> Tensor:
        """The picture of a state, from windows of the state."""
        return self._blend(x, self.prior.decode, self._cell, self._cell, 1)

    def state_shape(self, image_shape: Shape) -> Shape:
        """As of the prior."""
        return self.prior.state_shape(image_shape)

    def sized(self, image_shape: Shape) -> Self:
        """With the noise levels of the prior for windows, which are what its network sees."""
        window = (*image_shape[:2], *(min(side, self.tile) for side in image_shape[2:]))
        return self._around(self.prior.sized(window))

    def with_text(self, prompt: str, negative: str = "", guidance: float = 1.0) -> Self:
        """The same windows of the prior given a text; TypeError where it reads none."""
        return self._around(self.prior.with_text(prompt, negative, guidance))

    @property
    def embedding(self) -> Tensor | None:
        """As of the prior."""
        return self.prior.embedding

    def with_embedding(self, embedding: Tensor) -> Self:
        """The same windows of the prior with another embedding; TypeError where it reads none."""
        return self._around(self.prior.with_embedding(embedding))

    def to(self, *target: Any) -> Self:
        """Move the prior's networks; returns the tiled prior."""
        self.prior.to(*target)  # type: ignore[attr-defined]
        return self

    def halve(self, largest: int) -> bool:
        """Halve the tile, or a picture of that side where it is smaller; False at the least."""
        tile = min(self.tile, largest)
        if tile <= max(LEAST_TILE, self.multiple):
            return False
        tile = max(tile // 2, LEAST_TILE)
        self._resize(tile, min(self.overlap, _usual_overlap(tile)))
        self.halvings += 1
        return True

    def borders(self, side: int) -> list[int]:
        """Where, along a side of a picture, windows begin and end."""
        starts = _starts(side, self.tile, self.overlap)
        return sorted({*starts, *(start + self.tile for start in starts)} - {0, side})

    def _around(self, prior: Prior) -> Self:
        """The same windows of another prior, whose states are of the same kind."""
        other = copy(self)
        other.prior, other.schedule = prior, prior.schedule
        return other

    def _resize(self, tile: int, overlap: int) -> None:
        self.tile = _round_up(tile, self.multiple)
        self.overlap = min(_round_up(overlap, self.multiple), self.tile - self.multiple)

    def _blend(
        self, x: Tensor, apply: Callable[[Tensor], Tensor], cell: int, up: int, down: int
    ) -> Tensor:
        """Apply to windows of x (`cell` pixels an entry); results are up / down times as large."""
        while True:
            try:
                return self._blended(x, apply, cell, up, down)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or not self.halve(cell * max(x.shape[2:])):
                    raise
            # Only here, behind the except clause, has the error let go of what the window held.
            if x.is_cuda:
                torch.cuda.empty_cache()

    def _blended(
        self, x: Tensor, apply: Callable[[Tensor], Tensor], cell: int, up: int, down: int
    ) -> Tensor:
        tile, overlap = self.tile // cell, self.overlap // cell
        if max(x.shape[2:]) <= tile:
            return apply(x)
        height, width = (side * up // down for side in x.shape[2:])
        ramp = max(1, overlap * up // down)
        starts = [_starts(side, tile, overlap) for side in x.shape[2:]]
        rows = _weights([n * up // down for n in starts[0]], tile * up // down, ramp, height, x)
        columns = _weights([n * up // down for n in starts[1]], tile * up // down, ramp, width, x)
        total: Tensor | None = None
        for (top, across), (left, along) in product(
            zip(starts[0], rows, strict=True), zip(starts[1], columns, strict=True)
        ):
            window = x[:, :, top : top + tile, left : left + tile]
            if window.requires_grad:
                piece = recomputed(apply, window)
            else:
                piece = apply(window)
            if total is None:
                total = piece.new_zeros(*piece.shape[:2], height, width)
            top, left = top * up // down, left * up // down
            piece = across[:, None] * along * piece
            total[:, :, top : top + len(across), left : left + len(along)] += piece
        if total is None:
            raise ValueError("x: no windows; the picture is empty")
        return total


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was refused, on a processor or a graphics card."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or "allocate memory" in str(error)


def _cell(prior: Prior) -> int:
    """Pixels that an entry of the state spans along one side."""
    side = prior.multiple
    shape = prior.state_shape((1, 3, side, side))
    if len(shape) != 4:
        raise ValueError(f"prior: its states of shape {shape} are no grids; tile=0")
    return side // shape[2]


def _starts(side: int, tile: int, overlap: int) -> list[int]:
    """Where windows begin: evenly, `tile - overlap` apart, the last flush with the end."""
    if side <= tile:
        return [0]
    stride = tile - overlap
    return [*range(0, side - tile, stride), side - tile]


def _weights(starts: list[int], tile: int, ramp: int, side: int, like: Tensor) -> list[Tensor]:
    """Along one axis the weights of each window, which sum to one wherever windows meet.

    Trapezoids that rise over `ramp` entries at both ends and never reach 0, over their sum.
    """
    place = torch.arange(min(tile, side), device=like.device, dtype=like.dtype)
    edge = torch.minimum(place, len(place) - 1 - place) + 0.5
    trapezoid = (edge / ramp).clamp(max=1.0)
    total = like.new_zeros(side)
    for start in starts:
        total[start : start + len(place)] += trapezoid
    return [trapezoid / total[start : start + len(place)] for start in starts]


def _usual_overlap(tile: int) -> int:
    return min(64, tile // 4)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
