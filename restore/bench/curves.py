"""Quality against network evaluations: a curve a solver, the best classical method as a line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

POINT = ("evaluations", "psnr", "ssim", "lpips", "chi_square", "seconds")
"""What is kept of a solver with one number of steps, besides that number."""
QUALITIES = {"psnr": "PSNR (dB)", "lpips": "LPIPS"}

TICKS = 8
"""Up to so many numbers of evaluations are written below the axis."""

Curve = dict[str, Any]
"""sigma, task, solver, and points by rising evaluations: steps and what `POINT` names."""


def noise_levels(report: dict[str, Any]) -> list[tuple[float, dict[str, Any]]]:
    """(sigma, tasks) of every noise level, the first one first."""
    further = [(level["sigma"], level["tasks"]) for level in report["further"]]
    return [(report["settings"]["sigma"], report["tasks"]), *further]


def curves(summary: dict[str, Any]) -> list[Curve]:
    """The curves of a report: one for every noise level, task and solver."""
    labels: dict[str, dict[str, Any]] = summary["settings"]["solvers"]
    found: list[Curve] = []
    for sigma, tasks in noise_levels(summary):
        for task, table in tasks.items():
            points: dict[str, list[dict[str, Any]]] = {}
            for label, one in labels.items():
                if means := table["methods"].get(label):
                    point = {"steps": one["steps"], **{name: means[name] for name in POINT}}
                    points.setdefault(one["solver"], []).append(point)
            found += [
                {"sigma": sigma, "task": task, "solver": solver, "points": _rising(each)}
                for solver, each in points.items()
            ]
    return found


def _rising(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(points, key=lambda point: float(point["evaluations"]))


def table(report: dict[str, Any], pictures: Sequence[str]) -> list[str]:
    """Lines of Markdown: the pictures, and their figures, a row a solver and number of steps."""
    titles = report["settings"]["titles"]
    lines = [f"![Quality against evaluations]({name})" for name in pictures]
    lines += [""] if pictures else []
    lines.append(
        "PSNR in dB / LPIPS / evaluations; the first row is the best classical method by each."
    )
    for sigma, tasks in noise_levels(report):
        head = [f"sigma {sigma:g}", *(name for name in titles if name in tasks)]
        best = [f"{_at(tasks[n], 'psnr', 2)} / {_at(tasks[n], 'lpips', 3)} / 0" for n in head[1:]]
        rows = {"best classical": dict(zip(head[1:], best, strict=True))}
        for curve in (one for one in report["curves"] if one["sigma"] == sigma):
            for point in curve["points"]:
                steps = "" if point["steps"] is None else f", {point['steps']} steps"
                figures = (_number(point[n], digits) for n, digits in _SHOWN)
                rows.setdefault(curve["solver"] + steps, {})[curve["task"]] = " / ".join(figures)
        cells = [[name, *(row.get(n, "-") for n in head[1:])] for name, row in rows.items()]
        lines += ["", *(f"| {' | '.join(r)} |" for r in (head, ["---"] * len(head), *cells))]
    return lines


_SHOWN = (("psnr", 2), ("lpips", 3), ("evaluations", 0))


def _at(task: dict[str, Any], figure: str, digits: int) -> str:
    best = task["best_classical"][figure]
    return _number(None if best is None else task["methods"][best][figure], digits)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def draw(summary: dict[str, Any], folder: Path) -> list[Path]:
    """Write a PNG for every noise level that has curves: PSNR and LPIPS, a column a task.

    ImportError without matplotlib.
    """
    files = []
    for sigma, tasks in noise_levels(summary):
        own = [curve for curve in summary["curves"] if curve["sigma"] == sigma]
        if own:
            files.append(folder / f"curves-{sigma:g}.png")
            _draw(own, tasks, summary["settings"]["titles"], files[-1])
    return files


def _draw(own: Sequence[Curve], tasks: dict[str, Any], titles: dict[str, str], file: Path) -> None:
    from matplotlib.figure import Figure

    known = [q for q in QUALITIES if all(p[q] is not None for c in own for p in c["points"])]
    shown = [task for task in tasks if any(curve["task"] == task for curve in own)]
    figure = Figure(figsize=(3.4 * len(shown) + 1.6, 3.2 * len(known)), layout="constrained")
    panels = figure.subplots(len(known), len(shown), squeeze=False)
    counts = sorted({point["evaluations"] for curve in own for point in curve["points"]})
    colours = {name: f"C{k}" for k, name in enumerate(dict.fromkeys(c["solver"] for c in own))}
    for quality, row in zip(known, panels, strict=True):
        row[0].set_ylabel(QUALITIES[quality])
        for task, panel in zip(shown, row, strict=True):
            panel.set_xscale("log" if all(counts) else "linear")
            if len(counts) <= TICKS:
                panel.set_xticks(counts, [f"{count:g}" for count in counts])
                panel.minorticks_off()
            panel.set_xlabel("network evaluations")
            panel.set_title(f"{titles[task].partition(',')[0]} ({task})", fontsize=9)
            for curve in (one for one in own if one["task"] == task):
                x, y = ([point[n] for point in curve["points"]] for n in ("evaluations", quality))
                solver = curve["solver"]
                panel.plot(x, y, "o-", markersize=4, color=colours[solver], label=solver)
            _level(panel, tasks[task], quality)
    handles = {label: line for panel in panels.flat for line, label in _legend(panel)}
    figure.legend(handles.values(), handles.keys(), loc="outside right upper", fontsize=8)
    figure.savefig(file, dpi=110)


def _level(panel: Any, table: dict[str, Any], quality: str) -> None:
    """The best classical method, which asks no network."""
    best = table["best_classical"][quality]
    if best is not None:
        value = table["methods"][best][quality]
        panel.axhline(value, color="0.5", linestyle="--", linewidth=1, label="best classical")
        panel.annotate(
            best,
            (0.02, value),
            xycoords=("axes fraction", "data"),
            va="bottom",
            fontsize=7,
            color="0.4",
        )


def _legend(panel: Any) -> list[tuple[Any, str]]:
    handles, labels = panel.get_legend_handles_labels()
    return list(zip(handles, labels, strict=True))
