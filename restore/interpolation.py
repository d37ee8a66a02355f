"""What interpolation makes of lines of pixels, as programs do it that enlarge pictures.

    y = E x,      E[i, j] = h((i + 1/2 + phi) / s - 1/2 - j)

with s the factor, h the filter and phi how many pixels were cropped since.
"""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from torch import Tensor

from operators.resize import bicubic, lanczos

LEAST, LEAST_OF_SMALL, LEAST_OF_BLOCKS = 1.35, 1.6, 5.0
"""Times that wrong phases leave more than the right one, from which on a photo was enlarged: by
most factors; below SMALL and near 2; near 8 / 7 and 8 / 6. The blocks of a JPEG that dropped one or
two, or half, of their 8 frequencies are as if they were enlarged by those."""
SMALL = 1.2
_BLOCKS = 0.06  # of frequencies, by which they are missed
_BORDER = 8
_BEYOND, _TOUCHED = 3, 0.01  # pixels beyond a part that tell of it, and how much they have to
_LEAST_FREEDOM = 1e-4


def _nearest(t: Tensor) -> Tensor:
    return (t.abs() < 0.5 - 1e-6).to(t)  # halfway programs take either, and so none is told


def _linear(t: Tensor) -> Tensor:
    return (1 - t.abs()).clamp(min=0)


FILTERS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "bicubic": bicubic,  # twice as large, it gives what bilinear makes of a sharpened picture
    "bilinear": _linear,
    "nearest": _nearest,
    "lanczos": lanczos,
}


class Axis(NamedTuple):
    """Along rows or columns: evidence, 1 if enough; the factor, the filter, the pixels cropped
    before the first."""

    evidence: float
    factor: float
    filter: str
    offset: float

    @property
    def start(self) -> float:
        """Pixels of the photo by which what it was made from is moved over it."""
        return self.factor * float(self._others(1)[0]) - self.offset

    def side(self, count: int) -> int:
        """Of how many pixels `count` were made."""
        return int(self._others(count)[-1] - self._others(count)[0]) + 1

    def matrix(self, count: int, beyond: int = 0) -> Tensor:
        """E for `count` pixels, (count, side + 2 beyond), float64."""
        places, others = self._places(count), self._others(count, beyond)
        weights = FILTERS[self.filter](places[:, None] - others)
        return weights / weights.sum(1, keepdim=True).clamp(min=_LEAST_FREEDOM)

    def left(self, products: Tensor) -> float:
        """Root of the mean square that no picture explains of lines of a part; products (N, N):
        of its columns with each other, means over the lines."""
        weights = self.matrix(len(products), _BEYOND)
        basis = torch.linalg.qr(weights[:, weights.abs().sum(0) > _TOUCHED])[0]
        told = (weights.sum(1) > 0).double()
        rest = (told.diag() - basis @ basis.T)[_BORDER:-_BORDER]
        free = 1 - basis.shape[1] / float(told.sum())
        square = float((rest @ products * rest).sum()) / len(rest)
        return math.sqrt(max(square, 0) / free) if free > _LEAST_FREEDOM else math.inf

    def _places(self, count: int) -> Tensor:
        return (torch.arange(count).double() + 0.5 + self.offset) / self.factor - 0.5

    def _others(self, count: int, beyond: int = 0) -> Tensor:
        places = self._places(count)
        first, last = round(float(places[0])), round(float(places[-1]))
        return torch.arange(first - beyond, last + beyond + 1).double()


def needed(factor: float) -> float:
    """Times that wrong phases have to leave more than the right one."""
    kept = 8 / factor
    whole = abs(kept - round(kept)) < _BLOCKS
    if whole and round(kept) in (6, 7):
        return LEAST_OF_BLOCKS
    return LEAST_OF_SMALL if factor < SMALL or (whole and round(kept) == 4) else LEAST
