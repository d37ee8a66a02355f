"""`photomend bench speed`: where the time of a step goes, beside the bare calls of its networks.

Every combination of prior, precision, mode of the networks, size, batch, solver and operator that
is asked for; pictures of random numbers, since a step's time does not depend on what it sees.
Seconds are of processor time on a CPU, so that other programs hardly change them.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from operators import Blur, Downsample, LinearOperator, Mask, kernels
from operators.mask import box_mask, random_mask
from priors.base import Prior
from priors.hub import load
from priors.tiled import is_out_of_memory
from restore import device as devices
from restore.bench.protocol import BenchError
from restore.bench.reports import Report, written
from restore.bench.shapes import NETWORKS, shaped
from restore.bench.step import REPEATS, SHARES, alone, step
from restore.bench.stopwatch import clock
from restore.device import DTYPES

SOLVERS = ("tradeoff", "dpir", "diffpir", "daps", "dps", "pigdm")
OPERATORS = ("blur", "x4", "box", "random")
MODES = ("eager", "channels-last", "compiled")


def main(
    *,
    priors: Sequence[str] = ("embedded",),
    solvers: Sequence[str] = SOLVERS,
    operators: Sequence[str] = OPERATORS[:2],
    sizes: Sequence[int] = (256,),
    batches: Sequence[int] = (1,),
    dtypes: Sequence[str] = ("float32",),
    modes: Sequence[str] = MODES[:1],
    steps: int = 5,
    device: str = "auto",
    output: Path = Path("out/bench-speed"),
    report: Report,
) -> dict[str, Any]:
    """Time steps of solvers.

    priors: names as of `priors.load`, or "sd15" and "sdxl": their shapes with random weights.
    operators, modes: of `OPERATORS` and `MODES`. sizes: sides of the pictures. steps >= 2: timed
    after the first.

    Writes report.json, report.md and report.png into output, tells report a line a step, and gives
    what report.json holds. BenchError for an unknown word; what needs more memory than there is, or
    has no such precision, is told in its row.
    """
    _require("operators", operators, OPERATORS)
    _require("dtypes", dtypes, tuple(DTYPES))
    _require("modes", modes, MODES)
    where = devices.device(device)
    rows: list[dict[str, Any]] = []
    for name, dtype, mode in itertools.product(priors, dtypes, modes):
        prior = _prepared(name, where, DTYPES[dtype], mode)
        for size, batch in itertools.product(sizes, batches):
            cell = {"prior": name, "dtype": dtype, "mode": mode, "size": size, "batch": batch}
            for row in _rows(prior, (batch, 3, size, size), solvers, operators, steps):
                rows.append({**cell, **row})
                report(", ".join(f"{key} {_shown(value)}" for key, value in rows[-1].items()))
    summary = {"settings": {"steps": steps, **_machine(where)}, "rows": rows}
    output.mkdir(parents=True, exist_ok=True)
    _draw([row for row in rows if "why" not in row], output / "report.png")
    return written(summary, markdown(summary), output, report)


def _require(argument: str, given: Sequence[str], known: Sequence[str]) -> None:
    if not set(given) <= set(known):
        raise BenchError(f"{argument}: {', '.join(given)}; there are {', '.join(known)}")


def _prepared(name: str, device: torch.device, dtype: torch.dtype, mode: str) -> Prior:
    prior: Any
    if name in NETWORKS:
        prior = shaped(name, device, dtype)
    else:
        prior = load(name, dtype=dtype)
        prior = prior.to(str(device))
    if mode == "channels-last":
        prior.network.to(memory_format=torch.channels_last)
    elif mode == "compiled":
        prior.network.compile()
    made: Prior = prior
    return made


def _rows(
    prior: Prior,
    shape: tuple[int, int, int, int],
    solvers: Sequence[str],
    operators: Sequence[str],
    steps: int,
) -> list[dict[str, Any]]:
    """Figures of every solver with every operator; one row alone where nothing goes."""
    device = next(prior.network.parameters()).device  # type: ignore[attr-defined]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    began = clock(device)
    try:
        floor = alone(prior, shape)
        # what is done once: kernels chosen, or compiled
        first = max(clock(device) - began - (REPEATS + 1) * sum(floor.values()), 0.0)
    except RuntimeError as error:
        return [{"why": _reason(error)}]
    rows: list[dict[str, Any]] = []
    for solver, name in itertools.product(solvers, operators):
        row: dict[str, Any] = {"solver": solver, "operator": name}
        try:
            row |= step(prior, floor, solver, _operator(name, shape[2]), shape, steps)
        except RuntimeError as error:
            row["why"] = _reason(error)
        rows.append({**row, "start": first, "peak_bytes": _peak(device)})
    return rows


def _operator(name: str, size: int) -> LinearOperator:
    made: dict[str, LinearOperator] = {
        "blur": Blur(kernels.random_walk(31, 0.5, 0), "reflect"),
        "x4": Downsample(4),
        "box": Mask(box_mask(size, size, size // 2, size // 2)),
        "random": Mask(random_mask(size, size, 0.7, 0)),
    }
    return made[name]


def _reason(error: RuntimeError) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return "out of memory" if is_out_of_memory(error) else text


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return devices.peak_memory()


def _machine(device: torch.device) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    return {"threads": torch.get_num_threads(), "device": name}


LEGEND = """\
seconds: of a step after the first. floor: of the calls of network, encoder and decoder that it
makes, each by itself, in the same run; of a call that is differentiated several times, once. ratio:
of both; and without what the operator takes, with its conjugate gradients. Shares are of the step;
rest is the solver's own. start: seconds that first calls took beyond the others, compilation
included. peak: GiB, on a CPU of the process so far.
"""
FIGURES = ("seconds", "evaluations a second", "floor", "ratio", "ratio without operator")
COLUMNS = (*FIGURES, *(f"{name} share" for name in SHARES))


def markdown(summary: dict[str, Any]) -> str:
    """The report: settings, a row a step."""
    cell = ("prior", "dtype", "mode", "size", "batch", "solver", "operator")
    settings = summary["settings"]
    heads = [*cell, *COLUMNS, "start", "peak"]
    lines = [
        "# Speed",
        "",
        f"{settings['device']}, threads {settings['threads']}, {settings['steps']} steps.",
        "",
        LEGEND,
        f"| {' | '.join(heads)} |",
        "|" + "---|" * len(cell) + "---:|" * (len(heads) - len(cell)),
    ]
    for row in summary["rows"]:
        cells = [_shown(row.get(name, "")) for name in cell]
        if "why" in row:
            cells += [row["why"], *[""] * (len(COLUMNS) + 1)]
        else:
            cells += [_shown(row[name]) for name in COLUMNS]
            cells += [f"{row['start']:.1f}", f"{row['peak_bytes'] / 2**30:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _draw(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Write a PNG: a bar a step in units of its floor, of what takes the time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.2 + 0.24 * len(rows)), layout="constrained")
    axes = figure.subplots()
    names = [
        f"{r['prior']} {r['dtype']} {r['mode']} {r['size']} x{r['batch']}: {r['solver']}, "
        f"{r['operator']}"
        for r in rows
    ]
    left = [0.0] * len(rows)
    for share in SHARES:
        widths = [row["ratio"] * row[f"{share} share"] for row in rows]
        axes.barh(range(len(rows)), widths, left=left, label=share)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(rows)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("a step, in units of the bare calls of its networks")
    axes.legend(fontsize=8)
    figure.savefig(file, dpi=110)


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
