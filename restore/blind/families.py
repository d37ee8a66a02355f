"""Kernels of few parameters, searched for by evidence: straight motion, disk, Gaussian."""

import itertools
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from operators import kernels
from priors.threads import share_cores
from restore.blind.spectrum import Spectrum

Parameters = tuple[float, ...]


class Family(NamedTuple):
    """A kind of kernel: its parameters' names, a coarse grid of them, the starts to refine."""

    names: tuple[str, ...]
    draw: Callable[..., Tensor]
    grid: list[Parameters]
    starts: int


class Candidate(NamedTuple):
    """A kernel, where it comes from and the log evidence for it."""

    evidence: float
    family: str
    parameters: Parameters
    kernel: Tensor


def _steps(first: float, last: float, ratio: float) -> list[float]:
    values = [first]
    while values[-1] < last:
        values.append(min(values[-1] * ratio, last))
    return values


FAMILIES = {
    "motion": Family(
        ("length", "angle"),
        kernels.motion,
        list(itertools.product(_steps(3, 41, 1.15), range(0, 180, 5))),
        5,
    ),
    "disk": Family(("radius",), kernels.disk, [(r,) for r in _steps(0.8, 15, 1.08)], 2),
    "gaussian": Family(("sigma",), kernels.gaussian, [(s,) for s in _steps(0.35, 8, 1.1)], 1),
}
"""Lengths, radii and sigmas in pixels, angles in degrees, as `operators.kernels` draws them."""

_THINNING = 4
_HALVINGS = 4
_BEHIND = 0.2  # share of the best's evidence by which a start may be behind


def search(observed: Spectrum, name: str) -> Candidate:
    """Find the family's most likely member: a coarse grid, then finer ones about its best."""
    family = FAMILIES[name]
    coarse = observed.thinned(_THINNING).evidence([family.draw(*p) for p in family.grid])
    none = float(observed.evidence([torch.ones(1, 1)]))
    best = Candidate(-math.inf, name, (), torch.ones(1, 1))
    share_cores()
    for index in _apart(family.grid, coarse.argsort(descending=True).tolist(), family.starts):
        least = best.evidence - _BEHIND * max(best.evidence - none, 0)
        best = max(
            best, _refined(observed, name, family.grid[index], least), key=lambda one: one.evidence
        )
    return best


def _apart(grid: list[Parameters], order: Iterable[int], count: int) -> list[int]:
    """Give the first indices in order whose parameters are no neighbours of earlier ones."""
    kept: list[int] = []
    for index in order:
        if not any(_near(grid[index], grid[other]) for other in kept):
            kept.append(index)
        if len(kept) == count:
            break
    return kept


def _near(p: Parameters, q: Parameters) -> bool:
    turn = abs(p[-1] - q[-1]) if len(p) == 2 else 0.0
    return abs(p[0] - q[0]) <= 0.2 * max(p[0], q[0]) and min(turn, 180 - turn) <= 6


def _refined(observed: Spectrum, name: str, parameters: Parameters, least: float) -> Candidate:
    """The most likely member near some parameters; given up where it begins below a least."""
    family, steps = FAMILIES[name], [0.12 * parameters[0], *(4.0 for _ in parameters[1:])]
    offsets = (-1.0, -0.5, 0.0, 0.5, 1.0)
    for _ in range(_HALVINGS):
        moves = itertools.product(offsets, repeat=len(parameters))
        near = [_moved(parameters, move, steps) for move in moves]
        drawn = [family.draw(*p) for p in near]
        evidence = observed.evidence(drawn)
        best = int(evidence.argmax())
        parameters, steps = near[best], [step / 2 for step in steps]
        if float(evidence[best]) < least:
            break
    return Candidate(float(evidence[best]), name, parameters, drawn[best])


def _moved(parameters: Parameters, move: Parameters, steps: list[float]) -> Parameters:
    first, *rest = (p + m * step for p, m, step in zip(parameters, move, steps, strict=True))
    return (max(first, 0.3), *(angle % 180 for angle in rest))
