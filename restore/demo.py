"""The demonstration: real photographs, damaged in known ways, one for real, and restored."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from operators import kernels
from operators.base import Operator
from operators.blur import Blur
from operators.mask import Mask
from operators.measurement import simulate
from operators.noise import Gaussian
from operators.resize import Downsample
from operators.seeds import Seeds
from restore.device import peak_memory
from restore.images import read, write
from restore.metrics import psnr, ssim
from restore.restorer import Restorer
from restore.sheet import sheet

CLOCK = "motion:36,-2"
"""The blur of scikit-image's clock: straight, read off the first minimum of its cepstrum."""


@dataclass(frozen=True, eq=False)
class Case:
    """One picture of the demonstration; truth is None where the photo is blurred for real."""

    name: str
    what: str
    operator: Operator
    y: Tensor
    shown: Tensor
    noise: float | None
    truth: Tensor | None = None


def run(
    output: Path, *, steps: int | None = None, seed: int = 0, report: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Restore every case, write `<name>.png` sheets into `output`, and report a line a case.

    Returns the printed figures: PSNR in dB and SSIM before and after (where there is a truth),
    the verdict of the certificate, seconds, and the peak memory of the process in MiB.
    ImportError when scikit-image, whose photographs these are, is missing.
    """
    output.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {} if steps is None else {"steps": steps}
    began = time.perf_counter()
    restorer = Restorer(**options)
    report(f"prior ready in {time.perf_counter() - began:.1f} s on {restorer.device}")
    figures = []
    for case in cases(seed):
        result = restorer(case.y, case.operator, noise=case.noise, seed=seed)
        figures.append(_figures(case, result.pixels, result.report))
        report(_line(figures[-1]))
        columns = [("as given", case.shown), ("photomend", result.pixels)]
        if case.truth is not None:
            columns.append(("original", case.truth))
        picture = sheet([(case.what, [pixels for _, pixels in columns])], [t for t, _ in columns])
        write(read(picture), output / f"{case.name}.png", overwrite=True)
    report(f"sheets are in {output}")
    return figures


def cases(seed: int = 0) -> Iterator[Case]:
    """Motion blur, defocus, x4, scratches, and the clock that was blurred in the camera."""
    from skimage import data

    noise = 0.01
    for name, what, photo, operator in (
        ("motion", "motion blur, 21 pixels", data.chelsea(), Blur(kernels.motion(21, 30))),
        ("defocus", "out of focus, radius 4", data.coffee(), Blur(kernels.disk(4))),
        ("upscale", "four times smaller", data.astronaut(), Downsample(4)),
    ):
        truth = _even(read(photo).pixels)
        y = simulate(operator, Gaussian(noise), truth, Seeds(seed)).y
        shown = torch.nn.functional.interpolate(y, truth.shape[2:], mode="nearest")
        yield Case(name, what, operator, y, shown, noise, truth)
    truth = _even(read(data.rocket()).pixels)
    unknown = _scratches(*truth.shape[2:])
    y = truth.masked_fill(unknown, 0)
    yield Case("inpaint", "scratched", Mask(unknown), y, truth.masked_fill(unknown, 1), 0.0, truth)
    clock = read(data.clock()).pixels
    yield Case("clock", "blurred in the camera", Blur(kernels.parse(CLOCK)), clock, clock, None)


def _even(pixels: Tensor) -> Tensor:
    """Cut to sides that four divides."""
    height, width = (side // 4 * 4 for side in pixels.shape[2:])
    return pixels[:, :, :height, :width]


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
