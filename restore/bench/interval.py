"""`photomend bench interval`: how often the truth lies within the intervals of several draws.

The factors of `restore.uncertainty` are the quantiles of the errors over one set of photographs,
all tasks together but holes apart; the report has their coverage on the others, a task at a time,
and inside the holes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restore.bench import protocol
from restore.bench.protocol import BenchError, Picture, Task
from restore.bench.reports import Report, written
from restore.metrics import psnr
from restore.restorer import Restorer
from restore.uncertainty import FACTORS, HOLE_FACTORS, spread

Ratios = dict[int, Tensor]
"""By the number of draws N: |truth - mean| / (sqrt(1 + 1 / N) spread) of every value."""


@dataclass(frozen=True)
class Case:
    """A photograph in a task: its ratios, which values are in a hole, PSNR of the mean of all
    draws, and how well the spread orders the errors (Spearman's correlation)."""

    task: str
    group: str
    ratios: Ratios
    hole: Tensor
    psnr: float
    order: float


def main(
    folder: Path | None,
    *,
    tasks: Sequence[str] | None = None,
    solver: str = "pnpdm",
    samples: int = 8,
    sigma: float = 0.025,
    fit: str = "imagenet10",
    limit: int | None = 4,
    size: int = 128,
    prior: str = "embedded",
    output: Path = Path("out/bench-interval"),
    report: Report,
) -> dict[str, Any]:
    """Fit the factors of intervals on one set and measure their coverage on the others.

    folder, tasks, sigma, limit, size: as of `restore.bench.main`. solver draws `samples` >= 2
    pictures with the prior. fit: the set whose photographs the factors are fitted on.

    Writes report.json and report.md into output, tells report a line a picture, and gives what
    report.json holds. BenchError where there are no photographs to fit on, or none to measure.
    """
    place = protocol.default_folder() if folder is None else folder
    found = protocol.find_pictures(place, limit)
    pictures = [protocol.load_picture(*each, size) for each in found]
    if {picture.group == fit for picture in pictures} != {True, False}:
        raise BenchError(f"fit: {fit} must be one set of several in {place}")
    restorer = Restorer(prior, solver)
    chosen = protocol.tasks(tasks, place)
    cases = []
    for k, picture in enumerate(pictures, start=1):
        for task in chosen:
            cases.append(_case(restorer, task, picture, sigma, samples))
            report(
                f"{k}/{len(pictures)} {picture.group}/{picture.name}, {task.name}: "
                f"{cases[-1].psnr:.2f} dB, order {cases[-1].order:.2f}"
            )
    settings = {"solver": solver, "samples": samples, "sigma": sigma, "fit": fit, "size": size}
    summary = {"settings": settings, **summarise(cases, fit)}
    return written(summary, markdown(summary), output, report)


def _case(restorer: Restorer, task: Task, picture: Picture, sigma: float, samples: int) -> Case:
    measurement = protocol.measure(task, picture, sigma)
    result = restorer(
        measurement.y, measurement.operator, noise=sigma, seed=picture.index, samples=samples
    )
    counts = sorted({2, max(2, samples // 2), samples})
    ratios = {n: ratio(result.samples[:n], picture.pixels) for n in counts}
    error = (result.pixels - picture.pixels).abs()
    hole = torch.zeros_like(error, dtype=torch.bool)
    hole = hole if result.hole is None else hole | result.hole
    return Case(
        task.name,
        picture.group,
        {n: each.flatten() for n, each in ratios.items()},
        hole.flatten(),
        float(psnr(result.pixels, picture.pixels)),
        spearman(spread(result.samples).flatten(), error.flatten()),
    )


def ratio(samples: Tensor, truth: Tensor) -> Tensor:
    """|truth - mean| in units of an interval of factor 1, shaped as truth (B, C, H, W)."""
    return (truth - samples.mean(0)).abs() / (sqrt(1 + 1 / len(samples)) * spread(samples))


def spearman(a: Tensor, b: Tensor) -> float:
    """Correlation of the ranks of two vectors."""
    ranks = torch.stack([a.argsort().argsort(), b.argsort().argsort()]).float()
    return float(torch.corrcoef(ranks)[0, 1])


def summarise(cases: Sequence[Case], fit: str) -> dict[str, Any]:
    """Factors fitted on the set `fit`; coverage, by those of the library, on the other sets.

    factors, hole_factors: by level; the latter null where there is no hole. coverage: by number of
    draws, level, and task, with "all" for all tasks and "holes" for the values inside. photographs:
    the lowest and highest coverage of one photograph in one task, at the level 0.9 and with all
    draws.
    """
    fitted = [case for case in cases if case.group == fit]
    others = [case for case in cases if case.group != fit]
    tasks = list(dict.fromkeys(case.task for case in cases))
    most = max(cases[0].ratios)
    coverage = {}
    for n in cases[0].ratios:
        rows = {}
        for level in FACTORS:
            shares = {
                name: _share([c for c in others if name in ("all", c.task)], n, level)
                for name in ("all", *tasks)
            }
            rows[str(level)] = {**shares, "holes": _share(others, n, level, holes=True)}
        coverage[str(n)] = rows
    single = [_share([case], most, 0.9) or 0.0 for case in others]
    return {
        "factors": _quantiles([case.ratios[most][~case.hole] for case in fitted]),
        "hole_factors": _quantiles([case.ratios[most][case.hole] for case in fitted]),
        "coverage": coverage,
        "photographs": [min(single), max(single)],
        "order": sum(case.order for case in others) / len(others),
    }


def _quantiles(ratios: Sequence[Tensor]) -> dict[str, float] | None:
    """Of all values together, by level; None where there are none."""
    pooled = torch.cat(list(ratios)).sort().values
    last = len(pooled) - 1
    return {str(p): float(pooled[int(p * last)]) for p in FACTORS} if last >= 0 else None


def _share(cases: Sequence[Case], draws: int, level: float, holes: bool = False) -> float | None:
    """The share of values, in holes alone if so wished, within the library's intervals."""
    within = []
    for case in cases:
        factors = torch.where(case.hole, HOLE_FACTORS[level], FACTORS[level])
        each = case.ratios[draws] <= factors
        within.append(each[case.hole] if holes else each)
    every = torch.cat(within)
    return float(every.float().mean()) if len(every) else None


def markdown(summary: Mapping[str, Any]) -> str:
    """The report: factors, and the coverage of each task."""
    settings = summary["settings"]
    tasks = list(next(iter(next(iter(summary["coverage"].values())).values())))
    low, high = summary["photographs"]
    lines = [
        "# Intervals",
        "",
        f"{settings['samples']} draws of {settings['solver']} from noise of {settings['sigma']}, "
        f"pictures of {settings['size']} pixels. Factors that fit {settings['fit']}: "
        f"{_listed(summary['factors'])}; in holes {_listed(summary['hole_factors'])}. Share of the "
        "values of the other sets within the intervals of the library:",
        "",
        f"| draws | level | {' | '.join(tasks)} |",
        f"|---:|---:{'|---:' * len(tasks)}|",
    ]
    for draws, levels in summary["coverage"].items():
        for level, row in levels.items():
            cells = ("" if row[task] is None else f"{row[task]:.3f}" for task in tasks)
            lines.append(f"| {draws} | {level} | {' | '.join(cells)} |")
    lines += [
        "",
        f"Of single photographs in single tasks at the level 0.9: {low:.2f} to {high:.2f}. Rank "
        f"correlation of spread and error: {summary['order']:.2f}.",
    ]
    return "\n".join(lines) + "\n"


def _listed(factors: Mapping[str, float] | None) -> str:
    if factors is None:
        return "none"
    return ", ".join(f"{value:.2f} for {level}" for level, value in factors.items())
