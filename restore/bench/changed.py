"""`photomend bench changed`: blur of photos whose weak detail was changed since.

Light is blurred and gets noise, as in a camera; then most of that noise is removed (non-local
means, Buades et al., CVPR 2005), a median is taken, or a codec of videos, MPEG-4 or AV1,
compresses it. `restore.deblur` knows nothing of it. Beside it: the same with the true kernel; and
photos that keep their noise, and those that a program blurred without any, of which nothing of
that kind ought to be told.
"""

import io
import tempfile
from collections.abc import Callable
from itertools import islice, product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from torch import Tensor

from operators import kernels
from operators.blur import Blur
from operators.exposure import Camera, Exposure
from operators.measurement import simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from restore import deblur
from restore.bench import protocol
from restore.bench.compression import summarised
from restore.bench.files import Levels, encoded, levels, middle
from restore.bench.protocol import BenchError
from restore.bench.reports import Report, shown, told, written
from restore.blind import NotBlurred, Unknowable, correlation
from restore.images import read
from restore.metrics import psnr
from restore.misled import CHANGED

BLURS = {
    "motion": lambda: kernels.motion(15, 30),
    "disk": lambda: kernels.disk(3),
    "Gaussian": lambda: kernels.gaussian(2),
}
SIDE, LEAST = 332, 320
"""Of the middle of photos that is used, in pixels; and of photos that are."""
STILL = 8
"""Frames of a video, all alike; the last is taken."""


def main(
    folder: Path | None = None,
    *,
    limit: int | None = 4,
    seed: int = 0,
    output: Path = Path("out/bench-changed"),
    report: Report,
) -> dict[str, Any]:
    """Measure what blur is found in denoised photos and frames of videos, and what that gains.

    folder: of photos, by default bsd100 of what PHOTOMEND_DATA names. limit: photos. seed: of the
    noise.

    Writes report.json and report.md into output, tells report a line a case, and gives what
    report.json holds. BenchError where there is no photo of that size.
    """
    folder = protocol.default_folder() / "eval" / "bsd100" if folder is None else folder
    photos = ((path.stem, read(path).pixels) for _, _, path in protocol.find_pictures(folder))
    large = list(islice((one for one in photos if min(one[1].shape[2:]) >= LEAST), limit))
    if not large:
        raise BenchError(f"folder: {folder} holds no photo of at least {LEAST} pixels a side")
    rows: list[dict[str, Any]] = []
    for index, (name, x) in enumerate(large):
        for blur, file in CASES:
            row = measured(middle(x, SIDE, SIDE), blur, file, Seeds(9000 + index + 100_000 * seed))
            rows.append({"name": name, **row})
            report(told(rows[-1]))
    summary = {"settings": {"limit": limit, "seed": seed}, "cases": summarised(rows)}
    summary["photos"] = rows
    return written(summary, markdown(summary), output, report)


def measured(x: Tensor, blur: str, file: str, seeds: Seeds) -> dict[str, Any]:
    """What is found of a photo of x (1, 3, H, W), PSNR in dB, as given, restored, and by the true
    kernel; where it is refused nothing is found, and it stays as given."""
    kernel, (sigma, change) = BLURS[blur](), FILES[file]
    y = Blur(kernel, "valid")(x)  # as a program does it
    if sigma > NONE:
        y = simulate(Exposure(Blur(kernel, "valid"), Camera()), Gaussian(sigma), x, seeds).y
    truth, photo = middle(x, *y.shape[2:]), change(levels(y))
    figures = {"photo": psnr(read(photo).pixels, truth).item()}
    row: dict[str, Any] = {"case": file, "of": blur, "changed": 0.0, "correlation": 0.0}
    try:
        result = deblur(photo)
        row["changed"] = float(result.report["blur"]["changed"])
        found = result.kernel
        if found is not None and found.ndim == 2:
            row["correlation"] = correlation(found, kernel)
        figures["restored"] = psnr(result.pixels, truth).item()
    except (NotBlurred, Unknowable):
        figures["restored"] = figures["photo"]
    known = deblur(photo, kernel=kernel, noise=CHANGED if sigma > KEPT else None)
    return {**row, **figures, "known": psnr(known.pixels, truth).item()}


def _denoised(levels: Levels) -> Levels:
    return np.asarray(cv2.fastNlMeansDenoisingColored(levels, None, 6, 8, 5, 15), np.uint8)


def _filmed(levels: Levels) -> Levels:
    """A frame of a video in MPEG-4."""
    height, width = (side // 2 * 2 for side in levels.shape[:2])
    frame = np.ascontiguousarray(levels[:height, :width, ::-1])
    with tempfile.TemporaryDirectory() as folder:
        name = str(Path(folder) / "video.mp4")
        video = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*"mp4v"), 25, (width, height))
        for _ in range(STILL):
            video.write(frame)
        video.release()
        frames = cv2.VideoCapture(name)
        taken = [frames.read()[1] for _ in range(STILL)]
        frames.release()
    whole = levels.copy()
    whole[:height, :width] = taken[-1][:, :, ::-1]
    return whole


def _intra(levels: Levels) -> Levels:
    """A frame in AV1 that stands alone."""
    return np.asarray(Image.open(io.BytesIO(encoded(levels, 60, "AVIF"))).convert("RGB"))


NONE, KEPT, SOME, STRONG = 0.0, 0.01, 0.02, 0.03
FILES: dict[str, tuple[float, Callable[[Levels], bytes]]] = {
    "denoised, PNG": (STRONG, lambda x: encoded(_denoised(x))),
    "denoised, JPEG 92": (STRONG, lambda x: encoded(_denoised(x), 92)),
    "median, PNG": (SOME, lambda x: encoded(np.asarray(cv2.medianBlur(x, 3), np.uint8))),
    "video, MPEG-4": (SOME, lambda x: encoded(_filmed(x))),
    "video, AV1": (SOME, lambda x: encoded(_intra(x))),
    "noise kept, PNG": (KEPT, encoded),
    "noise kept, JPEG 92": (KEPT, lambda x: encoded(x, 92)),
    "no noise, PNG": (NONE, encoded),
    "no noise, JPEG 92": (NONE, lambda x: encoded(x, 92)),
}
"""The noise, on [0, 1], and what happens then; without noise a program blurred, not a camera."""
CASES = [(b, f) for b, f in product(BLURS, FILES) if b != "Gaussian" or FILES[f][0] == NONE]

LEGEND = """\
Motion of 15 pixels and a disk of radius 3 of light; without noise of values, as a program blurs,
and a Gaussian of 2. changed: share of the photos of which it was told; correlation of the kernels,
0 where none is found. Photo, as given; restored, with nothing given; known, with the true kernel
and, but where noise was kept or there was none, noise of {}: PSNR in dB.
"""


def markdown(summary: dict[str, Any]) -> str:
    """The report as a table, a row a case."""
    heads = ["case", "of", "photos", "changed", "correlation", "photo", "restored", "known"]
    lines = ["# Photos of which weak detail was changed", "", LEGEND.format(CHANGED)]
    lines += [f"| {' | '.join(heads)} |", "|---|---" + "|---:" * (len(heads) - 2) + "|"]
    cases = summary["cases"]
    lines += [f"| {' | '.join(shown(case[head]) for head in heads)} |" for case in cases]
    return "\n".join([*lines, ""])
