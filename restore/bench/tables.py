"""What the records of a benchmark say together: means by task and method, and who wins."""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from restore.bench.curves import noise_levels, table
from restore.bench.records import Record

FIGURES = ("psnr", "ssim", "lpips", "chi_square", "evaluations", "seconds", "peak_memory_bytes")


def summarise(records: Sequence[Record], default: str | None) -> dict[str, Any]:
    """Average over the images, by task: methods, their groups, best classical, default's gains.

    A gain is positive where the default method is better than the best classical one: psnr_gain
    in dB, lpips_gain in LPIPS (so much lower). The observation itself counts as classical, since
    a restoration that looks worse than its input is none; a published network does not. Methods
    are compared over the images that all of them have restored; those with the fewest are left out
    where there would be none.
    """
    names = dict.fromkeys(record.task for record in records)
    return {name: _task([r for r in records if r.task == name], default) for name in names}


def markdown(report: dict[str, Any], pictures: Sequence[str] = ()) -> str:
    """Write the report of `restore.bench.main` as Markdown: settings, tables, curves, speed.

    pictures: files beside it that show the curves.
    """
    settings, levels = report["settings"], noise_levels(report)
    lines = [*_settings(settings)]
    for sigma, tasks in levels:
        where = f", sigma {sigma:g}" if len(levels) > 1 else ""
        if len(levels) > 1:
            lines += ["", f"## Noise of {sigma:g}"]
        if settings["default"] is not None:
            lines += ["", *_overview(tasks, settings["default"])]
        for name, task in tasks.items():
            lines += ["", f"## {settings['titles'][name]} ({name}){where}", "", *_table(task)]
            lines += _verdict(task, settings["default"])
    if report["curves"]:
        lines += ["", "## Quality against network evaluations", "", *table(report, pictures)]
    if report.get("speed"):
        lines += ["", "## Speed", "", *_speed(report["speed"])]
    if report["failures"]:
        lines += ["", "## What failed", "", *(f"- {failure}" for failure in report["failures"])]
    return "\n".join(lines) + "\n"


def _settings(settings: dict[str, Any]) -> list[str]:
    sigmas = settings["sigmas"]
    return [
        "# Benchmark",
        "",
        f"{settings['images']} photos of {settings['size']} x {settings['size']} pixels from "
        f"{', '.join(settings['groups'])}; white Gaussian noise of standard deviation "
        f"{' and '.join(f'{sigma:g}' for sigma in sigmas)} on [0, 1] (papers that hold images in "
        f"[-1, 1] state {' and '.join(f'{2 * sigma:g}' for sigma in sigmas)}), never clipped; seed "
        f"{settings['seed']}.",
        "Image i of the set: motion kernel seed 1000 + i, mask seed 2000 + i, noise seed 3000 + i "
        "+ 100000 x seed, Levin kernel i mod 8, solver seed i + 100000 x seed.",
        "",
        "Classical methods are tuned on set5 to the best PSNR; methods in bold are networks, and "
        "what follows an @ is their number of steps. "
        "* marks the best classical figure; chi-square is about 1 where the residual looks like "
        "the noise. MiB: the largest peak memory of the process.",
    ]


def _task(records: Sequence[Record], default: str | None) -> dict[str, Any]:
    names = dict.fromkeys(record.method for record in records)
    seen = {name: {r.index for r in records if r.method == name} for name in names}
    while not (common := set.intersection(*seen.values())):
        del seen[min(seen, key=lambda name: len(seen[name]))]
    fair = [record for record in records if record.index in common]
    means = {name: _means([r for r in fair if r.method == name]) for name in seen}
    classical = [name for name in means if not means[name]["learned"]]
    best = {
        "psnr": _first(classical, lambda name: -means[name]["psnr"]),
        "lpips": _first(
            [name for name in classical if means[name]["lpips"] is not None],
            lambda name: means[name]["lpips"],
        ),
    }
    return {
        "images": len(common),
        "methods": means,
        "best_classical": best,
        **_gains(means, best, default if default in means else None),
    }


def _means(records: Sequence[Record]) -> dict[str, Any]:
    groups = dict.fromkeys(record.group for record in records)
    return {
        "learned": records[0].learned,
        **{name: _mean(records, name) for name in FIGURES},
        "groups": {
            group: {
                name: _mean([r for r in records if r.group == group], name)
                for name in ("psnr", "ssim", "lpips")
            }
            for group in groups
        },
    }


def _mean(records: Sequence[Record], name: str) -> float | None:
    values = [getattr(record, name) for record in records]
    if not values or any(value is None for value in values):
        return None
    return max(values) if name == "peak_memory_bytes" else fmean(values)


def _first(names: Sequence[str], cost: Callable[[str], float]) -> str | None:
    return min(names, key=cost) if names else None


def _gains(
    table: dict[str, Any], best: dict[str, str | None], default: str | None
) -> dict[str, float | None]:
    gains: dict[str, float | None] = {"psnr_gain": None, "lpips_gain": None}
    if default is None:
        return gains
    for figure, sign in (("psnr", 1), ("lpips", -1)):
        name, ours = best[figure], table[default][figure]
        if name is not None and ours is not None:
            gains[f"{figure}_gain"] = sign * (ours - table[name][figure])
    return gains


def _overview(tasks: dict[str, Any], default: str) -> list[str]:
    lines = [
        f"| task | best classical PSNR | {default} | gain "
        f"| best classical LPIPS | {default} | gain |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, task in tasks.items():
        row = [name]
        for figure, digits in (("psnr", 2), ("lpips", 3)):
            best = task["best_classical"][figure]
            means = task["methods"].get(default, {figure: None})
            other = _number(None if best is None else task["methods"][best][figure], digits)
            row += [
                f"{other} ({best})",
                _number(means[figure], digits),
                _number(task[f"{figure}_gain"], digits),
            ]
        lines.append(f"| {' | '.join(row)} |")
    return lines


def _table(task: dict[str, Any]) -> list[str]:
    groups = list(next(iter(task["methods"].values()))["groups"])
    by_group = [f"PSNR {group}" for group in groups] if len(groups) > 1 else []
    head = ["method", "PSNR", "SSIM", "LPIPS", "chi-square", "evaluations", "seconds", "MiB"]
    head += by_group
    rows = [head, ["---"] * len(head)]
    for name, means in task["methods"].items():
        rows.append(
            [
                f"**{name}**" if means["learned"] else name,
                _number(means["psnr"], 2) + "*" * (task["best_classical"]["psnr"] == name),
                _number(means["ssim"], 3),
                _number(means["lpips"], 3) + "*" * (task["best_classical"]["lpips"] == name),
                _number(means["chi_square"], 2),
                _number(means["evaluations"], 0),
                _number(means["seconds"], 2),
                _number(means["peak_memory_bytes"] / 2**20, 0),
                *(_number(means["groups"][g]["psnr"], 2) for g in groups if by_group),
            ]
        )
    return [f"| {' | '.join(row)} |" for row in rows]


def _verdict(task: dict[str, Any], default: str | None) -> list[str]:
    if task["psnr_gain"] is None:
        return []
    text = f"{default} against the best classical method: {task['psnr_gain']:+.2f} dB PSNR"
    if task["lpips_gain"] is not None:
        text += f", {-task['lpips_gain']:+.3f} LPIPS (lower is better)"
    return ["", text + "."]


def _speed(speed: dict[str, Any]) -> list[str]:
    lines = [
        f"Medians on {speed['device']}, {speed['threads']} threads, one picture; parts were timed "
        "in turn, so that their ratios mean more than their seconds.",
        "",
        "| part | ms | matrix products | network evaluations |",
        "|---|---|---|---|",
    ]
    for name, part in speed["parts"].items():
        figures = (1000 * part["seconds"], part["products"], part["evaluations"])
        shown = ("-" if figure is None else f"{figure:.3g}" for figure in figures)
        lines.append(f"| {name} | {' | '.join(shown)} |")
    if not speed["solvers"]:
        return lines
    lines += [
        "",
        "Where the time of a step goes; autoencoder: encoder, decoder and its linear part; "
        "operator: with its transpose and prox; start: what is done once, before the first step.",
        "",
        "| solver | steps | evaluations | seconds | start | network | autoencoder | operator "
        "| rest |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in speed["solvers"].items():
        shares = (one[f"{part}_share"] for part in ("network", "autoencoder", "operator", "rest"))
        row = [name, str(one["steps"]), str(one["evaluations"]), f"{one['seconds']:.2f}"]
        row += [f"{one['start_seconds']:.2f}", *(f"{100 * share:.1f} %" for share in shares)]
        lines.append(f"| {' | '.join(row)} |")
    return lines


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
