"""`photomend bench blind`: how often the blur of a photo is found, and what a restoration loses.

Photographs of a shaken camera with measured kernels (Levin et al., CVPR 2009), where they lie in
the folder, and photos blurred by straight motion, disks, Gaussians and random walks. Restored with
the estimated and with the true kernel, by sparse gradients as Levin et al. do and by total
variation; distances are the least over small shifts (`restore.bench.alignment`).
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators import kernels
from operators.blur import Blur
from operators.measurement import Measurement
from operators.noise import Gaussian
from operators.seeds import Seeds
from priors.base import Prior
from priors.hub import load
from restore.bench import protocol
from restore.bench.alignment import distance
from restore.bench.files import middle
from restore.bench.protocol import LEVIN_FILE, BenchError
from restore.bench.reports import Report, shown, written
from restore.bench.sparse import sparse
from restore.bench.variational import total_variation
from restore.blind import NotBlurred, Unknowable, correlation, estimate_kernel
from restore.blind.refined import refined
from restore.images import read

SIGMA = 0.01
"""Noise of the simulated photos, which are then rounded to 8 bits."""
WEIGHT = 1e-3
"""Of total variation: near the best for the true kernels."""
KINDS = ("levin", "motion", "disk", "gaussian", "walk", "sharp")
FIGURES = ("correlation", "ratio", "ratio by tv", "restored", "known", "blurry", "confidence")


class Case(NamedTuple):
    """A blurred photo y and the truth: planes (1, 1, H, W) of one size, a kernel (kh, kw)."""

    name: str
    kind: str
    y: Tensor
    x: Tensor
    kernel: Tensor


def main(
    folder: Path | None = None,
    *,
    limit: int | None = 5,
    seed: int = 0,
    prior: str = "embedded",
    output: Path = Path("out/bench-blind"),
    report: Report,
) -> dict[str, Any]:
    """Measure the estimation of kernels.

    folder: of photos or of the standard sets, by default what PHOTOMEND_DATA names. limit: photos a
    set, and pictures a kernel of Levin et al. seed: of kernels and noise. prior: that refines free
    kernels, or "none".

    Writes report.json and report.md into output, tells report a line a photo, and gives what
    report.json holds. BenchError where there is no photo.
    """
    folder = protocol.default_folder() if folder is None else folder
    learned = None if prior == "none" else load(prior)
    rows = []
    for case in cases(folder, limit, seed):
        rows.append(measured(case, learned))
        report(", ".join(f"{name} {shown(value)}" for name, value in rows[-1].items()))
    summary = {
        "settings": {"limit": limit, "seed": seed, "sigma": SIGMA, "prior": prior},
        "kinds": {kind: summarised(rows, kind) for kind in KINDS if _of(rows, kind)},
        "confidence": calibration(rows),
        "photos": rows,
    }
    return written(summary, markdown(summary), output, report)


def cases(folder: Path, limit: int | None, seed: int) -> Iterator[Case]:
    """Give the cases: of Levin et al. where the folder holds them, then the simulated ones."""
    root = folder / "eval" if (folder / "eval").is_dir() else folder
    if (root / LEVIN_FILE).is_file() and (root / "levin09").is_dir():
        yield from _levin(root, limit)
    for group, index, path in protocol.find_pictures(folder, limit):
        x = protocol.load_picture(group, index, path).pixels.mean(1, keepdim=True)
        for kind in KINDS[1:]:
            yield simulated(f"{group} {path.stem}", x, kind, Seeds(seed, index))


def simulated(name: str, x: Tensor, kind: str, seeds: Seeds) -> Case:
    """Blur a plane (1, 1, H, W) by a kernel of a kind, drawn at random, in noise and 8 bits."""
    generator = torch.Generator().manual_seed(10_007 * seeds.seeds[0] + 11 * seeds.seeds[1])
    u, v = torch.rand(2, generator=generator).tolist()
    kernel = {
        "motion": lambda: kernels.motion(6 + 18 * u, 180 * v),
        "disk": lambda: kernels.disk(2 + 4 * u),
        "gaussian": lambda: kernels.gaussian(1 + 2 * u),
        "walk": lambda: kernels.random_walk(13 + 2 * int(8 * u), 0.5, int(1000 * v)),
        "sharp": lambda: torch.ones(1, 1),
    }[kind]()
    clean = Blur(kernel, "valid")(x)
    y = clean + SIGMA * torch.randn(clean.shape, generator=generator)
    return Case(
        name, kind, (y.clamp(0, 1) * 255).round() / 255, middle(x, *clean.shape[2:]), kernel
    )


def measured(case: Case, prior: Prior | None = None) -> dict[str, Any]:
    """Estimate the kernel, refine it with the prior and restore: figures of a case.

    correlation of the kernels, largest over shifts; ratio of squared errors with the estimated and
    with the true kernel, by `sparse` and by total variation; restored, known, blurry: PSNR in dB of
    the latter; null where the estimate refuses.
    """
    began = time.perf_counter()
    row: dict[str, Any] = {"name": case.name, "kind": case.kind, "found": "refused"}
    row |= dict.fromkeys(FIGURES)
    try:
        found = estimate_kernel(case.y)
        found = found if prior is None else refined(found, case.y, prior)
    except (NotBlurred, Unknowable) as refusal:
        return {**row, "why": str(refusal), "seconds": time.perf_counter() - began}
    seconds = time.perf_counter() - began
    both = (found.kernel, case.kernel)
    sparsely = [distance(sparse(case.y, kernel), case.x) for kernel in both]
    pictures = [restored(case.y, kernel) for kernel in both]
    errors = [distance(picture, case.x) for picture in (*pictures, case.y)]
    decibels = [-10 * math.log10(error) for error in errors]
    return {
        **row,
        "found": found.family,
        "correlation": correlation(found.kernel, case.kernel),
        "ratio": sparsely[0] / sparsely[1],
        "ratio by tv": errors[0] / errors[1],
        **dict(zip(("restored", "known", "blurry"), decibels, strict=True)),
        "confidence": found.confidence,
        "seconds": seconds,
    }


def restored(y: Tensor, kernel: Tensor) -> Tensor:
    """Restore by total variation, with what lies beyond the border unknown; of the size of y."""
    measurement = Measurement(y, Blur(kernel, "valid"), Gaussian(SIGMA))
    return middle(total_variation(measurement, WEIGHT), *y.shape[2:])


def summarised(rows: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Shares and means of a kind; a refusal counts as a failure, but of sharp photos."""
    own, known = _of(rows, kind), [row for row in _of(rows, kind) if row["ratio"] is not None]
    if kind == "sharp":
        return {"photos": len(own), "refused": 1 - len(known) / len(own)}

    def mean(values: list[float]) -> float:
        return sum(values) / max(len(values), 1)

    return {
        "photos": len(own),
        "refused": 1 - len(known) / len(own),
        "ratio at most 2": sum(row["ratio"] <= 2 for row in known) / len(own),
        "by tv": sum(row["ratio by tv"] <= 2 for row in known) / len(own),
        "correlation at least 0.9": sum(row["correlation"] >= 0.9 for row in known) / len(own),
        "correlation": mean([row["correlation"] for row in known]),
        "gain": mean([row["restored"] - row["blurry"] for row in known]),
        "loss": mean([row["known"] - row["restored"] for row in known]),
        "seconds": mean([row["seconds"] for row in known]),
    }


def calibration(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Share of ratios of at most 2 among the estimates of low, middle and high confidence."""
    table = []
    for low, high in ((0.0, 0.5), (0.5, 0.8), (0.8, 1.01)):
        within = [r for r in rows if r["ratio"] is not None and low <= r["confidence"] < high]
        right = [row for row in within if row["ratio"] <= 2]
        share = len(right) / len(within) if within else None
        table.append({"from": low, "to": min(high, 1.0), "photos": len(within), "right": share})
    return table


LEGEND = """\
levin: 8 measured kernels of a shaken camera; the others are simulated, noise 0.01, 8 bits.
Refusals count as failures, except for sharp photos. ratio: squared error of the picture restored
with the estimated kernel over that with the true one, by the sparse gradients of Levin et al., and
by total variation. gain, loss: dB over the blurry photo, dB below the restoration with the true
kernel, by total variation. Distances are the least over shifts by quarters of a pixel, as theirs.
"""


def markdown(summary: dict[str, Any]) -> str:
    """The report as a table, a row a kind, then the calibration of the confidence."""
    heads = ["photos", "refused", "ratio at most 2", "by tv", "correlation at least 0.9"]
    heads += ["correlation", "gain", "loss", "seconds"]
    lines = [f"| kind | {' | '.join(heads)} |", "|---" + "|---:" * len(heads) + "|"]
    for kind, row in summary["kinds"].items():
        lines.append(f"| {kind} | {' | '.join(shown(row.get(head)) for head in heads)} |")
    lines += ["", "| confidence | photos | ratio at most 2 |", "|---|---:|---:|"]
    for row in summary["confidence"]:
        lines.append(f"| {row['from']} to {row['to']} | {row['photos']} | {shown(row['right'])} |")
    return "\n".join(["# Blind deblurring", "", LEGEND, *lines]) + "\n"


def _levin(root: Path, limit: int | None) -> Iterator[Case]:
    truths = sorted((root / "levin09" / "gt").glob("im*.png"))[:limit]
    if not truths:
        raise BenchError(f"folder: {root / 'levin09'} holds no gt/im1.png and so on")
    for truth in truths:
        x = read(truth).pixels.mean(1, keepdim=True)
        for number, kernel in enumerate(protocol.levin_kernels(root / LEVIN_FILE), start=1):
            path = root / "levin09" / f"{truth.stem}_kernel{number}_img.png"
            y = read(path).pixels.mean(1, keepdim=True)
            # The file's kernels are of a correlation.
            yield Case(f"{truth.stem} kernel {number}", "levin", y, x, kernel.flip(0, 1))


def _of(rows: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["kind"] == kind]
