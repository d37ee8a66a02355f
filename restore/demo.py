"""The demonstration: real photographs, damaged in known ways, one for real, and restored."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from operators import kernels
from operators.blur import Blur
from operators.measurement import simulate
from operators.noise import Gaussian
from operators.resize import Downsample
from operators.seeds import Seeds
from restore.api import deblur, inpaint, upscale
from restore.device import peak_memory
from restore.images import read, write
from restore.metrics import psnr, ssim
from restore.restorer import Restorer
from restore.result import Result
from restore.sheet import sheet


@dataclass(frozen=True, eq=False)
class Case:
    """One picture of the demonstration; truth is None where the photo is blurred for real."""

    name: str
    what: str
    shown: Tensor
    mend: Callable[..., Result]
    truth: Tensor | None = None
    focus: tuple[float, float] = (0.5, 0.5)
    """The middle of what `before-after.png` shows, in heights and widths."""


def run(
    output: Path, *, steps: int | None = None, seed: int = 0, report: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Restore every case, write `<name>.png` sheets into `output`, and report a line a case.

    `before-after.png` shows a piece of each.

    Returns the printed figures: PSNR in dB and SSIM before and after (where there is a truth),
    the verdict of the certificate, seconds, and the peak memory of the process in MiB.
    ImportError when scikit-image, whose photographs these are, is missing.
    """
    output.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    restorer = Restorer()
    report(f"prior ready in {time.perf_counter() - began:.1f} s on {restorer.device}")
    figures, pieces = [], []
    for case in cases(seed):
        result = case.mend(seed=seed, steps=steps)
        figures.append(_figures(case, result.pixels, result.report))
        report(_line(figures[-1]))
        columns = [("as given", case.shown), ("photomend", result.pixels)]
        if case.truth is not None:
            columns.append(("original", case.truth))
        picture = sheet([(case.what, [pixels for _, pixels in columns])], [t for t, _ in columns])
        write(read(picture), output / f"{case.name}.png", overwrite=True)
        pieces.append((case.what, _piece(case.shown, case), _piece(result.pixels, case)))
    titles, before, after = zip(*pieces, strict=True)
    picture = sheet([("as given", before), ("photomend", after)], titles)
    write(read(picture), output / "before-after.png", overwrite=True)
    report(f"sheets are in {output}")
    return figures


def cases(seed: int = 0) -> Iterator[Case]:
    """Motion blur, defocus, x4, scratches, and the clock that was blurred in the camera."""
    from skimage import data  # the demo extra

    noise = 0.01
    for name, what, array, kernel in (
        ("motion", "motion blur, 21 pixels", data.chelsea(), kernels.motion(21, 30)),
        ("defocus", "out of focus, radius 4", data.coffee(), kernels.disk(4)),
    ):
        scene = read(array).pixels
        y = simulate(Blur(kernel, "valid"), Gaussian(noise), scene, Seeds(seed)).y
        mend = partial(deblur, y, kernel=kernel, noise=noise)
        yield Case(name, what, y, mend, _centre(scene, *y.shape[2:]))
    truth = read(data.astronaut()).pixels
    y = simulate(Downsample(4), Gaussian(noise), truth, Seeds(seed)).y
    shown = torch.nn.functional.interpolate(y, truth.shape[2:], mode="nearest")
    mend = partial(upscale, y, noise=noise)
    yield Case("upscale", "four times smaller", shown, mend, truth, (0.3, 0.5))
    truth = read(data.rocket()).pixels
    unknown = _scratches(*truth.shape[2:])
    y = truth.masked_fill(unknown, 1)
    yield Case("inpaint", "scratched", y, partial(inpaint, y, unknown), truth, (0.5, 0.4))
    clock = read(data.clock()).pixels
    yield Case("clock", "blurred in the camera", clock, partial(deblur, clock, camera="srgb"))


def _piece(pixels: Tensor, case: Case, side: int = 256) -> Tensor:
    """The window of a picture around its case's focus."""
    top, left = (
        min(max(round(share * length - side / 2), 0), length - side)
        for share, length in zip(case.focus, pixels.shape[2:], strict=True)
    )
    return pixels[:, :, top : top + side, left : left + side]


def _centre(pixels: Tensor, height: int, width: int) -> Tensor:
    """The central window of a picture."""
    top, left = (pixels.shape[2] - height) // 2, (pixels.shape[3] - width) // 2
    return pixels[:, :, top : top + height, left : left + width]


def _scratches(height: int, width: int) -> Tensor:
    """Crossing strokes, seven pixels thick, of a scratched print: (1, 1, H, W), True = unknown."""
    row = torch.arange(height)[:, None]
    column = torch.arange(width)[None]
    strokes = [(0.7, 0.1), (-0.5, 0.9), (0.15, 0.45), (2.5, -0.6), (-1.8, 1.6)]
    unknown = torch.zeros(height, width, dtype=torch.bool)
    for slope, offset in strokes:
        distance = (row - slope * column - offset * height).abs() / (1 + slope**2) ** 0.5
        unknown |= distance < 3.5
    return unknown[None, None]


def _figures(case: Case, pixels: Tensor, report: dict[str, Any]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "name": case.name,
        "what": case.what,
        "width": pixels.shape[3],
        "height": pixels.shape[2],
        "seconds": report["seconds"],
        "memory_mib": round(peak_memory() / 2**20),
        "verdict": report["certificate"]["verdict"][0],
    }
    if case.truth is not None:
        for stage, picture in (("before", case.shown), ("after", pixels)):
            figures[f"psnr_{stage}"] = round(psnr(picture, case.truth).item(), 2)
            figures[f"ssim_{stage}"] = round(ssim(picture, case.truth).item(), 3)
    return figures


def _line(figures: dict[str, Any]) -> str:
    quality = "no original"
    if "psnr_after" in figures:
        quality = (
            f"PSNR {figures['psnr_before']:.2f} -> {figures['psnr_after']:.2f} dB, "
            f"SSIM {figures['ssim_before']:.3f} -> {figures['ssim_after']:.3f}"
        )
    return (
        f"{figures['name']}: {figures['width']} x {figures['height']}, {quality}, "
        f"{figures['verdict']}, {figures['seconds']:.1f} s, {figures['memory_mib']} MiB"
    )
