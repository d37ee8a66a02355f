"""`photomend bench shake`: blur that varies, of a camera that turned while it was shaken.

Photos of at least 400 pixels a side, moved along a random path of shifts and turns and averaged;
noise 0.01, 8 bits. The blur is estimated as `photomend deblur` does, as one kernel for the photo
and as kernels for its parts; both pictures are compared with that by the true kernels. The same
paths without turns tell how often one blur is taken for many.
"""

import math
import time
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from operators.seeds import Seeds
from priors.base import Prior
from priors.hub import load
from restore.bench import protocol
from restore.bench.alignment import distance
from restore.bench.protocol import BenchError
from restore.bench.reports import Report, shown, written
from restore.blind import Blind, NotBlurred, Unknowable, correlation, estimate_kernel
from restore.blind.refined import STEPS, picture, refined
from restore.blind.varying import varied
from restore.guessed import KERNEL_ERROR, PARTS_ERROR
from restore.images import read

SIGMA = 0.01
"""Noise of the photos; a restoration by an estimated kernel is told of more (`restore.guessed`)."""
LEAST = 400
REACH, TURN = 6.0, 0.01
"""Pixels and radians by which a camera moves and turns to either side, at most."""
POSES, SIDE, MARGIN = 160, 41, 32
FIGURES = ("one", "parts", "true", "blurry", "like one", "like parts", "gain")


class Case(NamedTuple):
    """A photo y (1, 3, H, W), the truth x of its size, and the camera's path (N, 3)."""

    name: str
    y: Tensor
    x: Tensor
    path: Tensor


def main(
    folder: Path | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
    prior: str = "embedded",
    output: Path = Path("out/bench-shake"),
    report: Report,
) -> dict[str, Any]:
    """Measure blur that varies.

    folder: of photos, by default set14 of what PHOTOMEND_DATA names. limit: photos, all by default.
    seed: of paths and noise. prior: that refines a kernel and restores.

    Writes report.json and report.md into output, tells report a line a photo, and gives what
    report.json holds. BenchError where there is no photo of 400 pixels a side.
    """
    folder = protocol.default_folder() / "eval" / "set14" if folder is None else folder
    photos = [read(path).pixels for path in sorted(folder.iterdir()) if path.suffix == ".png"]
    names = [path.stem for path in sorted(folder.iterdir()) if path.suffix == ".png"]
    large = [pair for pair in zip(names, photos, strict=True) if min(pair[1].shape[2:]) >= LEAST]
    if not large:
        raise BenchError(f"folder: {folder} holds no .png of at least {LEAST} pixels a side")
    learned, rows = load(prior), []
    for (index, (name, x)), turn in product(enumerate(large[:limit]), (TURN, 0.0)):
        case = simulated(name, x, turn, Seeds(seed, index))
        rows.append({"name": name, "turned": turn > 0, **measured(case, learned)})
        report(", ".join(f"{key} {shown(value)}" for key, value in rows[-1].items()))
    summary = {
        "settings": {"limit": limit, "seed": seed, "sigma": SIGMA, "turn": TURN, "prior": prior},
        "turned": summarised([row for row in rows if row["turned"]]),
        "not turned": summarised([row for row in rows if not row["turned"]]),
        "photos": rows,
    }
    return written(summary, markdown(summary), output, report)


def simulated(name: str, x: Tensor, turn: float, seeds: Seeds) -> Case:
    """Shake a camera before a picture (1, 3, H, W), turning it by so many radians at most."""
    generator = torch.Generator().manual_seed(7919 * seeds.seeds[0] + 13 * seeds.seeds[1] + 5)
    steps = torch.randn(2, POSES, 3, generator=generator)
    walk = (steps[0].cumsum(0) / 10 + steps[1]).cumsum(0)
    walk = walk - walk.mean(0)
    path = walk / walk.abs().amax(0) * torch.tensor([REACH, REACH, turn])
    inner = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    clean = moved(x, path)[inner]
    y = clean + SIGMA * torch.randn(clean.shape, generator=generator)
    return Case(name, (y.clamp(0, 1) * 255).round() / 255, x[inner], path)


def moved(x: Tensor, path: Tensor) -> Tensor:
    """The mean of a picture moved to every pose: shifts down and right in pixels, radians."""
    sides = torch.tensor([x.shape[3], x.shape[2]])
    rows, columns = (torch.arange(side).to(x) - (side - 1) / 2 for side in x.shape[2:])
    total = torch.zeros_like(x)
    for down, right, angle in path.tolist():
        v, u = rows[:, None] - down, columns[None] - right
        back = [
            math.cos(angle) * u - math.sin(angle) * v,
            math.sin(angle) * u + math.cos(angle) * v,
        ]
        grid = 2 * torch.stack(back, -1) / (sides - 1)
        total += functional.grid_sample(
            x, grid[None], mode="bicubic", padding_mode="reflection", align_corners=True
        )
    return total / len(path)


def kernels_of(case: Case, rows: int, columns: int) -> Tensor:
    """The true kernels (R, C, h, w) in the middles of equal parts."""
    height, width = case.y.shape[2:]
    down = [height * ((row + 0.5) / rows - 0.5) for row in range(rows)]
    right = [width * ((column + 0.5) / columns - 0.5) for column in range(columns)]
    found = torch.stack([kernel_at(case.path, v, u) for v, u in product(down, right)])
    return found.reshape(rows, columns, SIDE, SIDE)


def kernel_at(path: Tensor, v: float, u: float) -> Tensor:
    """Where a point of light goes that lies v pixels below and u right of the middle."""
    found = torch.zeros(SIDE, SIDE)
    down, right, angle = path.T
    to = (
        torch.cos(angle) * v - torch.sin(angle) * u + down - v + SIDE // 2,
        torch.sin(angle) * v + torch.cos(angle) * u + right - u + SIDE // 2,
    )
    for i, j in product((0, 1), (0, 1)):
        near = [each.floor() + k for each, k in zip(to, (i, j), strict=True)]
        shares = [1 - (each - place).abs() for each, place in zip(to, near, strict=True)]
        places = (near[0].long(), near[1].long())
        found.index_put_(places, shares[0] * shares[1], accumulate=True)
    kernel: Tensor = found / len(path)
    return kernel


def measured(case: Case, prior: Prior) -> dict[str, Any]:
    """Figures of a case: PSNR in dB by one kernel, by those of parts and by the true ones, of the
    blurry photo; the correlation with the true ones; what is gained, in nats a part; null where the
    estimate refuses.
    """
    row: dict[str, Any] = {"varies": False, **dict.fromkeys(FIGURES)}
    began = time.perf_counter()
    try:
        found = estimate_kernel(case.y)
    except (NotBlurred, Unknowable) as refusal:
        return {**row, "why": str(refusal)}
    grid = varied(found, case.y)
    seconds = time.perf_counter() - began
    one = refined(found, case.y, prior)
    grid = grid if grid.kernel.ndim == 4 else one
    true = kernels_of(case, *_parts(grid))
    noisy = PARTS_ERROR if grid.kernel.ndim == 4 else KERNEL_ERROR
    told = ((one.kernel, KERNEL_ERROR), (grid.kernel, noisy), (true, SIGMA))
    restored = [picture(case.y, *each, prior, Seeds(0)) for each in told]
    errors = [distance(picture, case.x) for picture in (*restored, case.y)]
    row |= dict(zip(FIGURES, (-10 * math.log10(error) for error in errors), strict=False))
    return row | {
        "varies": grid.kernel.ndim == 4,
        "like one": _alike(one.kernel, true),
        "like parts": _alike(grid.kernel, true),
        "gain": grid.report.get("varying", {}).get("gain"),
        "seconds": seconds,
    }


def summarised(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the photos that were not refused, and how many were told to vary."""
    known = [row for row in rows if row["one"] is not None]
    names = [name for name in FIGURES if name != "gain"]
    means = {name: sum(row[name] for row in known) / max(len(known), 1) for name in names}
    varies = sum(row["varies"] for row in rows)
    return {"photos": len(rows), "refused": len(rows) - len(known), "varies": varies, **means}


LEGEND = f"""\
Paths of up to {REACH:.0f} pixels and {math.degrees(TURN):.1f} degrees to either side, noise
{SIGMA}, 8 bits. varies: photos that were given a kernel for each part. one, parts, true: PSNR in dB
restored (dpir, {STEPS} evaluations) by one kernel, refined with the prior, by what `photomend
deblur` takes, and by the true kernels of the parts; like: correlation with these. Distances are the
least over shifts by quarters of a pixel.
"""


def markdown(summary: dict[str, Any]) -> str:
    """The report as a table, with the photos below."""
    heads = ["photos", "refused", "varies", *(name for name in FIGURES if name != "gain")]
    lines = [f"| camera | {' | '.join(heads)} |", "|---" + "|---:" * len(heads) + "|"]
    for kind in ("turned", "not turned"):
        lines.append(f"| {kind} | {' | '.join(shown(summary[kind][head]) for head in heads)} |")
    heads = ["varies", *FIGURES]
    lines += ["", f"| photo | turned | {' | '.join(heads)} |", "|---|---" + "|---:" * 8 + "|"]
    for row in summary["photos"]:
        cells = " | ".join(shown(row[head]) for head in heads)
        lines.append(f"| {row['name']} | {'yes' if row['turned'] else 'no'} | {cells} |")
    return "\n".join(["# Blur that varies", "", LEGEND, *lines]) + "\n"


def _parts(found: Blind) -> tuple[int, int]:
    """Of the estimate; 3 x 3 where it is one."""
    shape = found.kernel.shape
    return (shape[0], shape[1]) if len(shape) == 4 else (3, 3)


def _alike(kernel: Tensor, true: Tensor) -> float:
    """The mean correlation with the true kernels."""
    each = (
        kernel.flatten(0, 1) if kernel.ndim == 4 else kernel.expand(true.shape[:2].numel(), -1, -1)
    )
    pairs = zip(each, true.flatten(0, 1), strict=True)
    return sum(correlation(*pair) for pair in pairs) / len(each)
