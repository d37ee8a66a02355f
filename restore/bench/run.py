"""The benchmark: every method on every task and picture, resumable, with tables and a sheet."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priors.base import Prior
from restore.bench import protocol
from restore.bench.cells import Cells
from restore.bench.linear import observation
from restore.bench.methods import DEFAULT_SOLVER, Learned, Method, choose
from restore.bench.peers import peers_folder
from restore.bench.protocol import BenchError, Picture, Task
from restore.bench.records import Cache, Record
from restore.bench.speed import speed
from restore.bench.tables import markdown, summarise
from restore.images import read, write
from restore.metrics import MetricError, lpips
from restore.sheet import sheet

Report = Callable[[str], None]
SHEET_PICTURES = 3


def main(
    folder: Path | None = None,
    *,
    tasks: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    sigma: float = 0.025,
    limit: int | None = None,
    steps: int | None = None,
    seed: int = 0,
    lpips_weights: Path | None = None,
    output: Path = Path("out/bench"),
    report: Report,
    prior: str | Prior = "embedded",
    peers: Path | None = None,
    size: int = protocol.SIZE,
) -> dict[str, Any]:
    """Measure, restore and score the photos of a folder by the papers' protocol.

    folder: of photos, or one with the standard sets; by default what PHOTOMEND_DATA names. tasks:
    gaussian, motion, levin, x4, box, random. methods: classical ones, solvers, module:function,
    imdn (its weights in the folder peers, by default beside `eval`). By default all tasks, all
    classical methods and the default solver. sigma > 0: of the noise, on [0, 1]. limit: photos a
    set. steps: of the solvers. lpips_weights: a file; without one LPIPS is left out where it cannot
    be downloaded. size: side of the pictures, a multiple of 4.

    Writes records.jsonl (from which it goes on), report.json, report.md and sheet.png into output,
    tells report a line a picture and task, and gives what report.json holds. BenchError for
    arguments that do not fit, MetricError for LPIPS weights that cannot be read, priors.PriorError.
    """
    _check(sigma, size, limit)
    place = protocol.default_folder() if folder is None else folder
    found = protocol.find_pictures(place, limit)
    chosen = protocol.tasks(tasks, place)
    used = choose(methods, chosen, prior, steps, peers_folder(peers, place))
    output.mkdir(parents=True, exist_ok=True)
    shown = frozenset(found[i][1] for i in evenly(len(found), SHEET_PICTURES))
    distance, cache = lpips_distance(lpips_weights, report), Cache(output / "records.jsonl")
    cells = Cells(sigma, seed, distance, output, shown, cache)
    pictures = [protocol.load_picture(*one, size) for one in found]
    return _measured(cells, pictures, chosen, used, report)


def _check(sigma: float, size: int, limit: int | None) -> None:
    if not sigma > 0 or size < 4 or size % 4 or (limit is not None and limit < 1):
        raise BenchError(
            f"sigma, size, limit: got {sigma}, {size}, {limit}; pass a sigma > 0 on the [0, 1] "
            "scale, a size that 4 divides and a limit of at least 1"
        )


def _measured(
    cells: Cells,
    pictures: Sequence[Picture],
    tasks: Sequence[Task],
    methods: Sequence[Method],
    report: Report,
) -> dict[str, Any]:
    """Score everything and write the reports."""
    records = _records(cells, pictures, tasks, methods, report)
    kept = [picture for picture in pictures if picture.index in cells.shown]
    learned = [method for method in methods if isinstance(method, Learned)]
    summary = _summary(cells, pictures, records, tasks, [method.name for method in learned])
    summary["speed"] = speed(kept[0], tasks, learned, cells.sigma)
    (cells.output / "report.json").write_text(json.dumps(summary, indent=1) + "\n")
    (cells.output / "report.md").write_text(markdown(summary))
    _write_sheet(summary, cells, kept, tasks)
    report(f"report.md, report.json and sheet.png are in {cells.output}")
    return summary


def _records(
    cells: Cells,
    pictures: Sequence[Picture],
    tasks: Sequence[Task],
    methods: Sequence[Method],
    report: Report,
) -> list[Record]:
    """Score every method that knows a task on every picture, a line each."""
    records: list[Record] = []
    for count, picture in enumerate(pictures, start=1):
        for task in tasks:
            scored = cells.score(picture, task, [m for m in methods if m.knows(task)])
            records += scored
            report(f"{count}/{len(pictures)} {_line(picture, task, scored)}")
    return records


def _summary(
    cells: Cells,
    pictures: Sequence[Picture],
    records: Sequence[Record],
    tasks: Sequence[Task],
    names: list[str],
) -> dict[str, Any]:
    """Settings and means; the default solver, or else the first learned one, is compared."""
    default = DEFAULT_SOLVER if DEFAULT_SOLVER in names else next(iter(names), None)
    settings = {
        "images": len(pictures),
        "groups": list(dict.fromkeys(picture.group for picture in pictures)),
        "size": pictures[0].pixels.shape[-1],
        "sigma": cells.sigma,
        "seed": cells.seed,
        "default": default,
        "titles": {task.name: task.title for task in tasks},
        "methods": {f"{r.task}: {r.method}": dict(r.settings) for r in records},
    }
    return {"settings": settings, "tasks": summarise(records, default)}


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


def _line(picture: Picture, task: Task, records: Sequence[Record]) -> str:
    scores = ", ".join(f"{record.method} {record.psnr:.2f}" for record in records)
    return f"{picture.group}/{picture.name}, {task.name}: {scores or 'no method'}"
