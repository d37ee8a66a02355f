"""The benchmark: every method on every task and picture, resumable, with tables and pictures."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priors.base import Prior
from restore.bench import protocol
from restore.bench.cells import Cells, Scores
from restore.bench.curves import curves, draw
from restore.bench.linear import observation
from restore.bench.methods import DEFAULT_SOLVER, Learned, Method, choose
from restore.bench.peers import peers_folder
from restore.bench.protocol import BenchError, Picture, Task
from restore.bench.records import Cache
from restore.bench.reports import Report
from restore.bench.speed import speed
from restore.bench.tables import markdown, summarise
from restore.images import read, write
from restore.metrics import MetricError, lpips
from restore.sheet import sheet

Progress = Callable[[int, int], None]
"""Told how many estimates are made, of how many that this run has to make."""
SHEET_PICTURES = 3


def main(
    folder: Path | None = None,
    *,
    tasks: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    sigma: float | Sequence[float] = (0.025, 0.05),
    limit: int | None = None,
    steps: int | Sequence[int] | None = None,
    seed: int = 0,
    lpips_weights: Path | None = None,
    output: Path = Path("out/bench"),
    report: Report,
    progress: Progress = lambda done, total: None,
    prior: str | Prior = "embedded",
    peers: Path | None = None,
    size: int = protocol.SIZE,
) -> dict[str, Any]:
    """Measure, restore and score the photos of a folder by the papers' protocol.

    folder: of photos, or of the standard sets; by default what PHOTOMEND_DATA names. tasks: of
    gaussian, motion, levin, x4, box, random, by default all. methods: `methods.choose`. sigma > 0:
    of the noise, on [0, 1], one or several. limit: photos a set. steps: of the solvers, one number
    or several, by default their own. lpips_weights: a file, by default downloaded or left out.
    peers: a folder, by default beside `eval`. size: side of the pictures, a multiple of 4.

    Writes what `Run.reported` tells into output, goes on there, and tells report a line for every
    picture, task and noise. BenchError, MetricError for LPIPS weights, priors.PriorError.
    """
    sigmas = (sigma,) if isinstance(sigma, int | float) else tuple(dict.fromkeys(sigma))
    counts = (steps,) if isinstance(steps, int) else steps
    _check(sigmas, size, limit, counts)
    place = protocol.default_folder() if folder is None else folder
    found, chosen = protocol.find_pictures(place, limit), protocol.tasks(tasks, place)
    used = choose(methods, chosen, prior, counts, peers_folder(peers, place))
    output.mkdir(parents=True, exist_ok=True)
    shown = frozenset(found[i][1] for i in evenly(len(found), SHEET_PICTURES))
    distance, cache = lpips_distance(lpips_weights, report), Cache(output / "records.jsonl")
    cells = [Cells(each, seed, distance, output, shown, cache) for each in sigmas]
    run = Run(cells, [protocol.load_picture(*one, size) for one in found], chosen, used)
    return run.reported(run.scored(report, progress), report)


def _check(
    sigmas: Sequence[float], size: int, limit: int | None, steps: Sequence[int] | None
) -> None:
    fits = sigmas and all(0 < sigma <= 1 for sigma in sigmas) and size >= 4 and not size % 4
    least = min(*(steps or (1,)), 1 if limit is None else limit, 1)
    if not fits or least < 1 or (steps is not None and not steps):
        raise BenchError(
            f"sigma, size, limit, steps: got {sigmas}, {size}, {limit}, {steps}; pass sigmas in "
            "(0, 1], a size that 4 divides, and a limit and steps of at least 1"
        )


@dataclass(frozen=True, eq=False)
class Run:
    """What is measured: cells, one a noise level, and the pictures, tasks and methods of each."""

    cells: Sequence[Cells]
    pictures: Sequence[Picture]
    tasks: Sequence[Task]
    methods: Sequence[Method]

    @property
    def learned(self) -> list[Learned]:
        """The solvers among the methods."""
        return [method for method in self.methods if isinstance(method, Learned)]

    def scored(self, report: Report, progress: Progress) -> Scores:
        """Score every method that knows a task on every picture, a line each."""
        places = [(p, c, t) for p in self.pictures for c in self.cells for t in self.tasks]
        total = sum(c.missing(p, t, self._knowing(t)) for p, c, t in places)
        done, whole = 0, Scores([], [])

        def made() -> None:
            nonlocal done
            done += 1
            progress(done, total)

        for picture, cells, task in places:
            scores = cells.score(picture, task, self._knowing(task), made)
            whole.records.extend(scores.records)
            whole.failures.extend(scores.failures)
            figures = ", ".join(f"{r.method} {r.psnr:.2f}" for r in scores.records)
            where = f"{picture.group}/{picture.name}, {task.name}, sigma {cells.sigma:g}"
            count = 1 + self.pictures.index(picture)
            report(f"{count}/{len(self.pictures)} {where}: {figures or 'no method'}")
            for failure in scores.failures:
                report(f"failed: {failure}")
        return whole

    def reported(self, scores: Scores, report: Report) -> dict[str, Any]:
        """Write report.json, report.md, sheet.png and, with matplotlib, curves-SIGMA.png.

        A method that refused a task, or diverged, is left out there and told of.
        """
        summary, output = self._summary(scores), self.cells[0].output
        kept = [picture for picture in self.pictures if picture.index in self.cells[0].shown]
        done = {record.method for record in scores.records if record.task == self.tasks[0].name}
        timed = [one for one in self.learned if one.label in done]
        summary["speed"] = speed(kept[0], self.tasks, timed, self.cells[0].sigma)
        (output / "report.json").write_text(json.dumps(summary, indent=1) + "\n")
        drawn: list[str] = []
        try:
            drawn = [file.name for file in draw(summary, output)]
        except ImportError as error:
            report(f"without curves: {error}; pip install 'photomend[bench]'")
        (output / "report.md").write_text(markdown(summary, drawn))
        _write_sheet(summary, self.cells[0], kept, self.tasks)
        report(f"{', '.join(['report.md, report.json, sheet.png', *drawn])} are in {output}")
        return summary

    def _knowing(self, task: Task) -> list[Method]:
        return [method for method in self.methods if method.knows(task)]

    def _summary(self, scores: Scores) -> dict[str, Any]:
        """Settings, means and curves."""
        best = compared(self.learned)
        default = None if best is None else best.label
        levels = [
            {
                "sigma": cells.sigma,
                "tasks": summarise([r for r in scores.records if r.sigma == cells.sigma], default),
            }
            for cells in self.cells
        ]
        summary = {
            "settings": self._settings(scores, default),
            "tasks": levels[0]["tasks"],
            "further": levels[1:],
        }
        return {**summary, "curves": curves(summary), "failures": scores.failures}

    def _settings(self, scores: Scores, default: str | None) -> dict[str, Any]:
        sigmas, seed = [cells.sigma for cells in self.cells], self.cells[0].seed
        return {
            "images": len(self.pictures),
            "groups": list(dict.fromkeys(picture.group for picture in self.pictures)),
            "size": self.pictures[0].pixels.shape[-1],
            "sigma": sigmas[0],
            "sigmas": sigmas,
            "seed": seed,
            "default": default,
            "titles": {task.name: task.title for task in self.tasks},
            "methods": {
                f"{r.task}: {r.method}": dict(r.settings)
                for r in scores.records
                if r.sigma == sigmas[0]
            },
            "solvers": {o.label: {"solver": o.name, "steps": o.steps} for o in self.learned},
        }


def compared(learned: Sequence[Learned]) -> Learned | None:
    """The one that tables compare with classical methods: the default solver, or else the first.

    Of several numbers of steps its own default, or else the largest.
    """
    names = [one.name for one in learned]
    name = DEFAULT_SOLVER if DEFAULT_SOLVER in names else next(iter(names), None)
    own = [one for one in learned if one.name == name]
    usual = [one for one in own if one.steps == one.usual_steps]
    return next(iter(usual), max(own, key=lambda one: one.steps or 0, default=None))


def _write_sheet(
    summary: dict[str, Any], cells: Cells, pictures: Sequence[Picture], tasks: Sequence[Task]
) -> None:
    """Draw truth, observation, best classical method and default solver of the kept pictures."""
    default = summary["settings"]["default"]
    columns = ["truth", "observation", "best classical"] + ([default] if default else [])
    rows = []
    for task in tasks:
        best = summary["tasks"].get(task.name, {"best_classical": {"psnr": None}})
        names = [best["best_classical"]["psnr"]] + ([default] if default else [])
        for picture in pictures:
            files = [cells.file(picture, task, str(name)) for name in names]
            if all(file.is_file() for file in files):
                seen = observation(protocol.measure(task, picture, cells.sigma, cells.seed), 0)
                drawn = [picture.pixels, seen, *(read(file).pixels for file in files)]
                rows.append((f"{task.name}: {picture.name}, {names[0]}", drawn))
    if rows:
        write(read(sheet(rows, columns)), cells.output / "sheet.png", overwrite=True)


def lpips_distance(
    weights: Path | None, report: Report
) -> Callable[[Tensor, Tensor], Tensor] | None:
    """Give LPIPS, tried once; None, and a line, where its published weights are out of reach."""
    blank = torch.zeros(1, 3, 64, 64)
    try:
        lpips(blank, blank, weights)
    except MetricError as error:
        if weights is not None:
            raise
        report(f"without LPIPS: {error}")
        return None
    return partial(lpips, weights=weights)


def evenly(count: int, wanted: int) -> list[int]:
    """Give up to `wanted` places, evenly over range(count)."""
    wanted = min(count, wanted)
    return [count * i // wanted for i in range(wanted)]
