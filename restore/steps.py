"""What the cosine coefficients of a plane tell of the steps that they were once rounded to."""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

COARSEST, WIDTH, BINS = 255, 0.2, 2000
"""Of steps; and the histogram's: multiples beyond it are not looked at."""
STRAY = 0.02
"""Share of coefficients that lie anywhere, as where pixels were clipped."""
SOME = 0.05
"""Share of coefficients beyond 0 that tells that there is no step."""
COARSER = 1.5
"""Times as coarse as the last steps are the first that can be told from them."""
TOLD = 10.0
"""Nats that tell the step of a place."""
NATS, PLACES = (300.0, 100.0), (6, 3)
"""Evidence for a compression in all, and of how many places: for any, and for a standard table."""


class Plane(NamedTuple):
    """What the coefficients of a plane say, of each of 64 places, row by row: nats (64, steps) for
    steps from 2 on against none, or only the last; the last steps; where there is more than 0."""

    nats: Tensor
    last: Tensor
    there: Tensor

    @classmethod
    def of(cls, coefficients: Tensor, wrong: float, last: Tensor) -> "Plane":
        """Of coefficients (1, 1, rows, columns, 8, 8) that are wrong by so much, and were rounded
        to the last steps (8, 8)."""
        places, last = coefficients.flatten(0, 3).flatten(1).abs().T, last.flatten()
        counts = torch.stack([torch.histc(place, BINS, 0, BINS * WIDTH) for place in places])
        nats = counts.new_zeros(len(places), COARSEST - 1)
        for step in set(last.tolist()):
            nats[last == step] = counts[last == step] @ _evidence(wrong, step).T
        beyond = places > torch.maximum(last / 2, last.new_tensor(3 * wrong))[:, None]
        return cls(nats, last, beyond.float().mean(1) > SOME)

    @property
    def told(self) -> Tensor:
        """Nats for the likeliest steps (64), 0 where nothing tells one."""
        most = self.nats.amax(1)
        return most * (most >= TOLD)

    def turned(self) -> "Plane":
        """Of the picture whose rows are columns."""
        order = torch.arange(64).reshape(8, 8).T.flatten()
        return Plane(*(each[order] for each in self))

    def shown(self, *, standard: bool = False) -> bool:
        """Whether the plane was compressed, by a standard table or any. The first coefficient, of
        the mean, tells nothing: it is a multiple of 8 wherever a block is flat."""
        told = self.told[1:]
        return bool(told.sum() >= NATS[standard] and (told > 0).sum() >= PLACES[standard])

    def agreed(self, table: Tensor) -> Tensor:
        """Nats for a table's steps (64); 0 for a step of 1."""
        steps = table.flatten().long()
        return self.nats.gather(1, (steps - 2).clamp(0)[:, None])[:, 0] * (steps > 1)

    def steps(self) -> Tensor:
        """The likeliest; where none is told those of the last file where there is more than 0, but
        no finer than their neighbours above and to the left."""
        told = self.told.reshape(8, 8) > 0
        steps = torch.where(self.there, self.last, torch.ones(64)).reshape(8, 8)
        steps = torch.where(told, self.nats.argmax(1).reshape(8, 8) + 2, steps)
        for row, column in torch.nonzero(~told).tolist():
            above, left = steps[max(row - 1, 0), column], steps[row, max(column - 1, 0)]
            steps[row, column] = max(float(steps[row, column]), float(above), float(left))
        return steps.flatten()


@lru_cache(maxsize=64)
def _evidence(wrong: float, last: float) -> Tensor:
    """Nats for steps 2 to COARSEST (rows) of a coefficient in each bin, against only the last."""
    values = (torch.arange(BINS) + 0.5) * WIDTH
    steps = torch.arange(2, COARSEST + 1)[:, None]
    if last > 1:
        values = (values / last).round() * last
    levels = (values / steps).round()
    if last > 1:  # of the levels of the last those to which the levels of the first were rounded
        reached = (levels * steps / last).round() * last == values
        many = torch.where(values > last, steps / last, 1)  # by how much more than without steps
        near = many * reached * (steps >= COARSER * last)
    else:
        away = (values - levels * steps) / wrong
        near = steps / (wrong * math.sqrt(2 * math.pi)) * (-away.square() / 2).exp()
    nats = (STRAY + (1 - STRAY) * near).log()
    return torch.where(levels == 0, nats.clamp(max=0), nats)  # what is 0 is so without steps, too
