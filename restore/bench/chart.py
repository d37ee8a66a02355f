"""Latent spaces side by side: a table, and a plot of what they cost against what they can do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from restore.bench.methods import DEFAULT_SOLVER
from restore.bench.protocol import SIZE

MARKS = {"none": "o", "kl": "s", "vq": "^"}


def draw(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Write a PNG: share of values against PSNR, and against LPIPS where all have one."""
    from matplotlib.figure import Figure

    figures = {"psnr": "PSNR (dB)", "lpips": "LPIPS"}
    known = [n for n in figures if all(r["reconstruction"][n] is not None for r in rows)]
    figure = Figure(figsize=(6.4 * len(known), 4.8), layout="constrained")
    panels = figure.subplots(1, len(known), squeeze=False)[0]
    for panel, name in zip(panels, known, strict=True):
        panel.set_xscale("log", base=2)
        panel.set_xlabel("values of the latent for each of the picture")
        panel.set_ylabel(figures[name])
        for kind, mark in MARKS.items():
            chosen = [row for row in rows if row["regularization"] == kind]
            for colour, label, values in _series(chosen, name):
                shares = [row["share"] for row in chosen]
                shown = f"{label}, {kind}" if chosen else "_"
                panel.plot(shares, values, mark, color=colour, label=shown)
                for row, share, value in zip(chosen, shares, values, strict=True):
                    panel.annotate(
                        row["name"].rpartition("-")[2],
                        (share, value),
                        xytext=(3, 3),
                        textcoords="offset points",
                        fontsize=7,
                    )
        panel.legend(fontsize=8)
    figure.savefig(file, dpi=110)


def _series(rows: Sequence[dict[str, Any]], name: str) -> list[tuple[str, str, list[float]]]:
    """(colour, label, values) of reconstructions and of the mean over the tasks."""
    restored = [[task[name] for task in row["restoration"].values()] for row in rows]
    return [
        ("C0", "reconstruction", [row["reconstruction"][name] for row in rows]),
        ("C1", "restoration, mean of tasks", [sum(each) / len(each) for each in restored]),
    ]


def markdown(summary: dict[str, Any]) -> str:
    """The table: a row a configuration, PSNR in dB / LPIPS."""
    tasks = summary["settings"]["tasks"]
    heads = ["latent", "values", "D(E(x))", *tasks, "evaluations/s", "parameters", "steps"]
    lines = [
        "# Latent spaces",
        "",
        f"Trained on the same photos, {summary['settings']['minutes']:g} minutes of the processor "
        "for each of the two stages; PSNR in dB / LPIPS of reconstructions and, by "
        f"{DEFAULT_SOLVER}, of restorations at {SIZE} x {SIZE} pixels. f: compression of each "
        "side, c: channels; values: of the latent for each of the picture; parameters in "
        "millions and "
        "steps: of the autoencoder and of the network.",
        "",
        f"| {' | '.join(heads)} |",
        "|" + "---|" * len(heads),
    ]
    for row in summary["configurations"]:
        cells = [row["name"], f"{row['share']:.3g}", _pair(row["reconstruction"])]
        cells += [_pair(row["restoration"][task]) for task in tasks]
        cells.append(f"{row['evaluations_per_second']:.3g}")
        cells.append(" + ".join(f"{n / 1e6:.2f}" for n in row["parameters"].values()))
        cells.append(" + ".join(str(n) for n in row["steps"].values()))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _pair(figures: dict[str, float | None]) -> str:
    shown = [f"{figures['psnr']:.2f}"]
    shown += [f"{figures['lpips']:.3f}"] if figures["lpips"] is not None else []
    return " / ".join(shown)
