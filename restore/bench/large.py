"""`photomend bench large`: what a deblurring by windows takes, and whether they leave a seam.

A photo is reflected at its edges until it fills the size, its light blurred by a straight motion,
noise 0.01, 8 bits; the file is restored with the true kernel, as `deblur` does by default, with a
camera, and written, in a process of its own, whose peak memory Linux tells. Seams are counted where
windows begin and end: the mean absolute difference across them over that elsewhere, over the same
of the picture restored without windows. Of filled holes the same is told at their edge, against a
ring of known pixels.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators import kernels
from operators.blur import Blur
from operators.exposure import Camera, Exposure
from restore.bench import protocol
from restore.bench.reports import Report, written
from restore.bench.seams import borders, filled, seam
from restore.images import read, write
from restore.memory import NotEnoughMemory, memory_held
from restore.metrics import psnr

KERNEL, SIGMA = "motion:17,32", 0.01
SIZES = ((16, 16), (17, 300), (1, 3000), (251, 509), (1024, 1024), (1536, 2048), (3000, 4000))
"""Heights and widths that are restored as they come."""
SIDE, TILES = 1024, (0, 512, 256, 128)
"""Side of the picture that is restored with windows of several sizes, 0 for none."""
WINDOWS = (256, 512, 1024)
"""Sides of windows whose memory is measured on its own."""
BUDGET, BEYOND = "6GB", (6000, 8000)
"""A picture of 48 megapixels that this memory does not hold."""


class Job(NamedTuple):
    """A deblurring: files read and written, options of `restore.deblur`."""

    source: str
    target: str
    options: dict[str, Any]


def main(
    folder: Path | None = None,
    *,
    steps: int = 2,
    megapixels: float = 12.0,
    prior: str = "embedded",
    output: Path = Path("out/bench-large"),
    report: Report,
) -> dict[str, Any]:
    """Measure memory, time and seams of large pictures.

    folder: of photos or of the standard sets, by default what PHOTOMEND_DATA names; the first photo
    of the last set is taken. steps: of the solver. megapixels: sizes above are left out.

    Writes report.json and report.md into output, tells report a line a size, and gives what
    report.json holds. BenchError where there is no photo.
    """
    folder = protocol.default_folder() if folder is None else folder
    photo = read(protocol.find_pictures(folder, 1)[-1][2]).pixels
    options = {"kernel": KERNEL, "noise": SIGMA, "steps": steps, "prior": prior}
    summary: dict[str, Any] = {"settings": {"steps": steps, "prior": prior, "kernel": KERNEL}}
    with tempfile.TemporaryDirectory() as place:
        sizes = [size for size in SIZES if size[0] * size[1] <= megapixels * 1e6]
        rows = [sized(photo, size, options, Path(place), report) for size in sizes]
        summary["sizes"] = rows
        summary["bytes a value"] = slope([(r["values"], r["peak"]) for r in rows[-3:]])
        summary["tiles"] = tiled(photo, options, Path(place), report)
    windows = [{"side": side, **alone(window, prior, side)} for side in WINDOWS]
    summary["windows"] = windows
    summary["bytes a pixel"] = slope([(row["side"] ** 2, row["taken"]) for row in windows])
    summary["refused"] = alone(refusal, options)
    summary["filled"] = filled(folder, {"prior": prior})
    return written(summary, markdown(summary), output, report)


def mirrored(photo: Tensor, height: int, width: int) -> Tensor:
    """A photo (B, C, H, W) reflected at its edges until it fills the size."""
    for dim, length in ((-2, height), (-1, width)):
        side = photo.shape[dim]
        place = torch.arange(length) % (2 * side)
        photo = photo.index_select(dim, torch.minimum(place, 2 * side - 1 - place))
    return photo


def simulated(photo: Tensor, height: int, width: int, path: Path) -> Tensor:
    """Write the blurred photo; gives the original, (1, 3, height, width)."""
    kernel = kernels.parse(KERNEL)
    down, right = (side // 2 for side in kernel.shape)
    x = mirrored(photo, height + 2 * down, width + 2 * right)
    y = Exposure(Blur(kernel, "valid"), Camera(bits=16))(x)
    y += SIGMA * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    write(read((y.clamp(0, 1) * 255).round().to(torch.uint8)), path, overwrite=True)
    return x[..., down : down + height, right : right + width]


def restored(job: Job) -> dict[str, Any]:
    """Deblur a file: peak memory and what was held before, in bytes, seconds, the tile."""
    from restore import api

    began, held = time.perf_counter(), memory_held()
    result = api.deblur(job.source, **job.options)
    result.save(job.target, overwrite=True)
    seconds = time.perf_counter() - began
    told = {name: result.report[name] for name in ("tile", "halved", "solver", "evaluations")}
    return {"peak": memory_held(most=True), "held": held, "seconds": seconds, **told}


def window(prior: str, side: int) -> dict[str, Any]:
    """Bytes that denoising and decoding one window of a side takes."""
    from restore.restorer import Restorer

    networks = Restorer(prior, tile=0).prior
    with torch.no_grad():
        x = torch.zeros(networks.state_shape((1, 3, side, side)))
        networks.denoise(x[..., :8, :8], networks.schedule.at(0.5))
        held = memory_held()
        networks.decode(networks.denoise(x, networks.schedule.at(0.5)))
    return {"taken": memory_held(most=True) - held}


def refusal(options: dict[str, Any]) -> str:
    """What is said of a picture that the memory does not hold."""
    from restore.restorer import Restorer

    try:
        Restorer(options["prior"], max_memory=BUDGET).fitted_prior((1, 3, *BEYOND))
    except NotEnoughMemory as error:
        return str(error)
    return "not refused"


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """The value of a call in a process of its own; None where the system ended that."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            return None


def sized(
    photo: Tensor, size: tuple[int, int], options: dict[str, Any], place: Path, report: Report
) -> dict[str, Any]:
    """The figures of one size: those of `restored`, and PSNR in dB."""
    source, target = place / "photo.bmp", place / "restored.png"
    truth = simulated(photo, *size, source)
    row: dict[str, Any] = {"height": size[0], "width": size[1], "values": 3 * size[0] * size[1]}
    row |= alone(restored, Job(str(source), str(target), options)) or {"peak": 0}
    if row["peak"]:
        row["psnr"] = psnr(read(target).pixels, truth).item()
    report(", ".join(f"{name} {_shown(value)}" for name, value in row.items()))
    return row


def tiled(
    photo: Tensor, options: dict[str, Any], place: Path, report: Report
) -> list[dict[str, Any]]:
    """One picture with windows of several sizes: figures of `sized`, distance and seams."""
    source, target = place / "photo.bmp", place / "restored.png"
    truth = simulated(photo, SIDE, SIDE, source)
    rows: list[dict[str, Any]] = []
    whole: Tensor | None = None
    for tile in TILES:
        row = {**alone(restored, Job(str(source), str(target), {**options, "tile": tile}))}
        picture = read(target).pixels
        whole = picture if whole is None else whole
        row |= {"psnr": psnr(picture, truth).item(), "windows": 1}
        if tile:
            lines = borders(options["prior"], tile, Blur(kernels.parse(KERNEL), "valid"), SIDE)
            row |= {
                "windows": (len(lines) // 2 + 1) ** 2,
                "to whole": psnr(picture, whole).item(),
                "seam": seam(picture, lines) / seam(whole, lines),
            }
        rows.append(row)
        report(", ".join(f"{name} {_shown(value)}" for name, value in row.items()))
    return rows


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The least-squares slope through (x, y)."""
    x, y = torch.tensor(points, dtype=torch.float64).T
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


LEGEND = """\
A photo reflected at its edges until it fills the size, motion blur of 17 pixels in linear light,
noise 0.01, 8 bits, deblurred by the default solver and camera with {steps} steps from file to file;
memory is the peak of a process, MB = 10^6
bytes. to whole: PSNR in dB between the pictures restored with and without windows. seam: mean
difference across the lines where windows begin and end over that elsewhere, over the same of the
picture without windows.
"""


def markdown(summary: dict[str, Any]) -> str:
    """The report as tables: sizes, windows of several sizes, what the memory is made of."""
    heads = {
        "width": "width", "height": "height", "peak": "peak, MB", "held": "before, MB",
        "seconds": "seconds", "tile": "window", "psnr": "PSNR",
    }  # fmt: skip
    cuts = {
        "tile": "window", "windows": "windows", "peak": "peak, MB", "seconds": "seconds",
        "psnr": "PSNR", "to whole": "to whole", "seam": "seam",
    }  # fmt: skip
    alone_heads = {"side": "window alone", "taken": "taken, MB"}
    return "\n".join(
        [
            "# Large pictures", "", LEGEND.format(**summary["settings"]),
            *_table(heads, summary["sizes"]), "", f"{SIDE} x {SIDE}:", "",
            *_table(cuts, summary["tiles"]), "", *_table(alone_heads, summary["windows"]), "",
            f"{summary['bytes a value']:.0f} bytes a value of the picture, "
            f"{summary['bytes a pixel']:.0f} bytes a pixel of a window.", "",
            f"{BEYOND[1]} x {BEYOND[0]} within {BUDGET}: {summary['refused']}", "",
            *_table({n: n for n in summary["filled"][0]}, summary["filled"]), "",
        ]
    )  # fmt: skip


def _table(heads: dict[str, str], rows: Sequence[dict[str, Any]]) -> list[str]:
    lines = [f"| {' | '.join(heads.values())} |", "|" + "---:|" * len(heads)]
    for row in rows:
        lines.append(f"| {' | '.join(_shown(row.get(name), name) for name in heads)} |")
    return lines


def _shown(value: Any, name: str = "") -> str:
    if name in ("peak", "held", "taken"):
        return f"{value / 1e6:.0f}"
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
