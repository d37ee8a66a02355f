"""The same operators and solvers in deepinv, side by side: seconds here over seconds there.

deepinv (https://deepinv.github.io) is imported only when this runs.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from operators import Blur, Downsample, LinearOperator, Mask, kernels, random_mask
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import Level
from restore import solvers
from restore.bench.stopwatch import NETWORK, Stopwatch, clock
from restore.restorer import Restorer

SOLVERS, SIGMA = ("dps", "diffpir"), 0.025
REPEATS, LONG, TURNS = 15, 3.0, 3
"""So often an operator is timed, or until that many seconds; and so often a solver."""


class Pictures(Prior):
    """A prior of pictures, as deepinv wants it: D(E[z0 | z_t]), z_t = alpha_t E(x), timed."""

    def __init__(self, prior: Prior, watch: Stopwatch) -> None:
        self.prior, self.watch, self.evaluations = prior, watch, 0
        self.schedule, self.multiple, self.unit = prior.schedule, prior.multiple, 1.0

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """As the prior, of a picture."""
        return self.at(x / max(level.alpha, 1e-3), level.ratio)

    def at(self, picture: Tensor, sigma: float) -> Tensor:
        """The picture (B, 3, H, W) on [0, 1] with noise of sigma, denoised once."""
        self.evaluations += 1
        level = self.prior.schedule.at_ratio(sigma / self.prior.unit)

        def network(x: Tensor) -> Tensor:
            return self.prior.decode(self.prior.denoise(level.alpha * self.prior.encode(x), level))

        return self.watch.timed(NETWORK, network, picture)


@dataclass(frozen=True, eq=False)
class Pair:
    """One operator in both libraries."""

    name: str
    ours: LinearOperator
    theirs: Any


def pairs(size: int) -> list[Pair]:
    """Operators on pictures (B, 3, size, size). deepinv's x4 is shifted by a pixel, and circular.

    ImportError without deepinv.
    """
    from deepinv import physics

    shape = (3, size, size)
    walk, wide = kernels.random_walk(61, 0.5, 0), kernels.gaussian(3.0, 25)
    unknown = random_mask(size, size, 0.7, seed=0)
    bicubic = {"filter": "bicubic", "factor": 4, "padding": "circular"}
    return [
        Pair(
            "blur 61 x 61, circular",
            Blur(walk, "circular"),
            physics.BlurFFT(img_size=shape, filter=walk[None, None]),
        ),
        Pair(
            "blur 25 x 25, reflect",
            Blur(wide, "reflect"),
            physics.Blur(filter=wide[None, None], padding="reflect", use_fft=True),
        ),
        Pair("x4 bicubic", Downsample(4), physics.Downsampling(img_size=shape, **bicubic)),
        Pair(
            "mask of 70 %",
            Mask(unknown),
            physics.Inpainting(img_size=shape, mask=(~unknown[0]).float().expand(shape)),
        ),
    ]


def main(
    *,
    sizes: Sequence[int] = (256, 512, 1024),
    batches: Sequence[int] = (1, 8),
    steps: int = 10,
    prior: str | Prior = "embedded",
    output: Path = Path("out/bench-peers"),
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Time operators, forward and adjoint, and DPS and DiffPIR with one network; needs deepinv.

    sizes: sides of the pictures, multiples of 4, the first two for solvers; batches: how many at
    once; steps: evaluations of the network. Writes report.json and report.md into output.
    """
    import deepinv

    output.mkdir(parents=True, exist_ok=True)
    restorer = Restorer(prior, device="cpu")
    rows: list[dict[str, Any]] = []
    for size in sizes:
        for pair, batch in product(pairs(size), batches):
            rows += timed_operator(pair, size, batch)
            report(_told(rows[-2:]))
    found: list[dict[str, Any]] = []
    for size in sizes[:2]:
        for pair, name in product(pairs(size), SOLVERS):
            found.append(timed_solver(name, pair, size, restorer.prior, steps))
            report(_told(found[-1:]))
    summary = {
        "deepinv": deepinv.__version__,
        "threads": torch.get_num_threads(),
        "dtype": restorer.dtype,
        "operators": rows,
        "solvers": found,
    }
    (output / "report.json").write_text(json.dumps(summary, indent=1) + "\n")
    (output / "report.md").write_text(markdown(summary))
    return summary


@torch.no_grad()
def timed_operator(pair: Pair, size: int, batch: int) -> list[dict[str, Any]]:
    """A row for A and one for its transpose: medians of turns, seconds of processor time."""
    x = torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0))
    y = pair.ours(x)
    turns = {
        "forward": _ratio(lambda: pair.ours(x), lambda: pair.theirs.A(x)),
        "adjoint": _ratio(lambda: pair.ours.adjoint(y), lambda: pair.theirs.A_adjoint(y)),
    }
    common = {"size": size, "batch": batch}
    return [{"name": f"{pair.name}: {way}", **common, **each} for way, each in turns.items()]


def _ratio(ours: Callable[[], object], theirs: Callable[[], object]) -> dict[str, float]:
    seconds: tuple[list[float], list[float]] = ([], [])
    ours(), theirs()
    for _ in range(REPEATS):
        for function, own in zip((ours, theirs), seconds, strict=True):
            began = clock(torch.device("cpu"))
            function()
            own.append(clock(torch.device("cpu")) - began)
        if max(map(sum, seconds)) > LONG:
            break
    here, there = map(median, seconds)
    return {"ours": here, "theirs": there, "ratio": here / there}


def timed_solver(name: str, pair: Pair, size: int, prior: Prior, steps: int) -> dict[str, Any]:
    """One restoration by each library, seconds of processor time.

    ours, theirs: an evaluation outside of the network; with _whole: all of it; with _start: what is
    done once. They tell a run of `steps` evaluations from one of two.
    """
    x = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    measurement = simulate(pair.ours, Gaussian(SIGMA), x, Seeds(0))
    row: dict[str, Any] = {"name": f"{name}, {pair.name}", "size": size, "batch": 1}
    runs: dict[tuple[str, int], list[tuple[float, ...]]] = {}
    for turn, side, count in product(range(1 + TURNS), ("ours", "theirs"), (2, steps)):
        pictures = Pictures(prior, watch := Stopwatch())
        began = clock(x.device)
        _run(name, side == "ours", pair, measurement, pictures, count)
        whole = clock(x.device) - began
        if turn:  # the first one for spectra and the like
            outside = whole - watch.seconds[NETWORK]
            runs.setdefault((side, count), []).append((pictures.evaluations, whole, outside))
    for side in ("ours", "theirs"):
        timed = (zip(*runs[side, count], strict=True) for count in (2, steps))
        (few, *short), (many, *long) = (map(median, each) for each in timed)
        each, row[side] = ((b - a) / (many - few) for a, b in zip(short, long, strict=True))
        start = short[1] - few * row[side]
        row |= {f"{side}_whole": each, f"{side}_start": start, f"{side}_evaluations": int(many)}
    whole = row["ours_whole"] / row["theirs_whole"]
    return {**row, "ratio": row["ours"] / row["theirs"], "whole_ratio": whole}


def _run(
    name: str, here: bool, pair: Pair, measured: Measurement[Any], prior: Pictures, steps: int
) -> None:
    if here:
        for _ in solvers.get(name)(measured, prior, Seeds(0), steps=steps):
            pass
        return
    from deepinv import optim, physics, sampling

    pair.theirs.noise_model, denoiser = physics.GaussianNoise(SIGMA), _denoiser(prior)
    if name == "dps":
        # The last of their levels is clean, and asks no network; float64 would cost them more.
        made = sampling.DPS(denoiser, num_steps=steps + 1, dtype=torch.float32)
    else:
        made = sampling.DiffPIR(denoiser, optim.L2(), sigma=SIGMA, max_iter=steps)
    made(measured.y, pair.theirs)


def _denoiser(prior: Pictures) -> Any:
    """The prior as deepinv's Denoiser: pictures on [0, 1] and a sigma on the same scale."""
    from deepinv.models import Denoiser

    class Ours(Denoiser):  # type: ignore[misc, unused-ignore]
        def forward(self, x: Tensor, sigma: float | Tensor, **_: Any) -> Tensor:
            return prior.at(x, float(torch.as_tensor(sigma).flatten()[0]))

    return Ours()


def markdown(summary: dict[str, Any]) -> str:
    """The report as Markdown: ratios below 1 are faster here."""
    lines = [
        "# Beside deepinv",
        "",
        f"deepinv {summary['deepinv']}, {summary['threads']} threads, medians of processor time, "
        "in turns. A ratio is time here over time there.",
        "",
        "| operator | size | batch | ms | deepinv, ms | ratio |",
        "|---|---|---|---|---|---|",
        *map(_row, summary["operators"]),
        "",
        f"Solvers with one network in {summary['dtype']}: a step without the network, the ratio of "
        "the whole step, and what is done once, before the first.",
        "",
        "| solver | size | batch | ms | deepinv, ms | ratio | whole | start, ms | deepinv, ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in summary["solvers"]:
        starts = " | ".join(f"{1000 * row[f'{side}_start']:.3g}" for side in ("ours", "theirs"))
        lines.append(f"{_row(row)} {row['whole_ratio']:.2f} | {starts} |")
    return "\n".join(lines) + "\n"


def _row(row: dict[str, Any]) -> str:
    times = (f"{1000 * row[side]:.3g}" for side in ("ours", "theirs"))
    cells = [row["name"], row["size"], row["batch"], *times]
    return f"| {' | '.join(map(str, cells))} | {row['ratio']:.2f} |"


def _told(rows: Sequence[dict[str, Any]]) -> str:
    each = ", ".join(f"{row['name']} {row['ratio']:.2f}" for row in rows)
    return f"{rows[0]['size']} x {rows[0]['size']}, batch {rows[0]['batch']}: {each}"
