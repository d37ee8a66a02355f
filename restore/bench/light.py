"""`photomend bench light`: whether light was blurred or coded values, told from the photo.

Cameras blur light, programs the values that it was coded as. Photos are blurred both ways, and as
light of which some is brighter than white, with noise, rounded to 8 bits and saved as PNG and as
JPEG of quality 90; `restore.deblur` decides by its trials, and is compared with both decisions. The
kernel is given, or estimated, of light and of values.
"""

from itertools import product
from pathlib import Path
from typing import Any

from torch import Tensor

from operators.blur import Blur
from operators.exposure import Camera, Exposure
from operators.measurement import simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from restore import deblur, solvers
from restore.bench import protocol
from restore.bench.camera import KERNELS
from restore.bench.files import encoded, levels, middle
from restore.bench.reports import Report, shown, told, written
from restore.blind import NotBlurred, Unknowable
from restore.camera import camera_of, rivals
from restore.images import read
from restore.metrics import psnr

SIGMA, QUALITY = 0.01, 90
FILES, TRUTHS = ("PNG", "JPEG"), ("light", "bright", "values")
BRIGHT = 1.4
"""By how much the coded values of "bright" are larger, those beyond white as well."""
FIGURES = ("right", "photo", "decided", "light", "values")


def main(
    folder: Path | None = None,
    *,
    limit: int | None = 1,
    seed: int = 0,
    output: Path = Path("out/bench-light"),
    report: Report,
) -> dict[str, Any]:
    """Measure how often it is told rightly whether light was blurred, and what errors cost.

    folder: of photos or of the standard sets, by default what PHOTOMEND_DATA names. limit: photos a
    set. seed: of the noise.

    Writes report.json and report.md into output, tells report a line a photo, and gives what
    report.json holds. BenchError where there is no photo.
    """
    rows: list[dict[str, Any]] = []
    for photo in protocol.pictures(folder, limit):
        for case in product((True, False), FILES, KERNELS, TRUTHS):
            row = measured(photo.pixels, *case, Seeds(7000 + photo.index + 100_000 * seed))
            rows.append({"name": f"{photo.group} {photo.name}", **row})
            report(told(rows[-1]))
    settings = {"limit": limit, "seed": seed, "sigma": SIGMA, "quality": QUALITY, "bright": BRIGHT}
    summary = {"settings": settings, "cases": summarised(rows), "photos": rows}
    return written(summary, markdown(summary), output, report)


def measured(
    x: Tensor, known: bool, file: str, blurred: str, truth: str, seeds: Seeds
) -> dict[str, Any]:
    """Figures of a photo taken of x (1, 3, H, W), in dB; right and decided None where refused.

    known: whether the kernel is given; truth: what was blurred. Where a decision leads to a refusal
    it has the figure of the photo.
    """
    kernel = KERNELS[blurred]()
    blur = Blur(kernel, "valid")
    taken = blur if truth == "values" else Exposure(blur, Camera(clip=False, bits=16))
    x = BRIGHT * x if truth == "bright" else x
    y = simulate(taken, Gaussian(SIGMA), x, seeds).y
    window = middle(x, *y.shape[2:]).clamp(max=1)
    data = saved(y, file)
    whole, coded, *_ = rivals(camera_of(read(data), "auto", solvers.get("tradeoff")))
    asked = {"known": known, "file": file, "blur": blurred, "truth": truth}
    found = dict.fromkeys(FIGURES) | {"photo": psnr(read(data).pixels, window).item()}
    by = {"decided": "auto", "light": whole or "none", "values": coded or "none"}
    for name, camera in by.items():
        try:
            result = deblur(data, kernel=kernel if known else None, camera=camera)
        except (NotBlurred, Unknowable):
            if name == "decided":
                break
            found[name] = found["photo"]
            continue
        found[name] = psnr(result.pixels, window).item()
        if name == "decided":
            used = result.report["camera"]
            found["right"] = float((truth != "values") == bool(used and used["curve"]))
    return asked | found


def saved(y: Tensor, file: str) -> bytes:
    """The bytes of a photo (1, 3, H, W), rounded to 8 bits, as a PNG or JPEG."""
    return encoded(levels(y), QUALITY if file == "JPEG" else None)


def summarised(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The mean figures of every case, of the photos that were not refused."""
    cases = []
    for known, file, truth in product((True, False), FILES, TRUTHS):
        case = {"known": known, "file": file, "truth": truth}
        own = [row for row in rows if case.items() <= row.items()]
        seen = [row for row in own if row["right"] is not None]
        means = {
            name: sum(row[name] for row in seen) / len(seen) if seen else None for name in FIGURES
        }
        cases.append({**case, "photos": len(own), "refused": len(own) - len(seen), **means})
    return cases


LEGEND = """\
Motion of 17 pixels and a disk of radius 4, noise {sigma}, 8 bits, JPEG of quality {quality}. What
was blurred was light, light of values {bright} times as large (bright), clipped at white, or coded
values; right: share of the photos that it was decided rightly for; then PSNR in dB of the photo, of
the picture by what was decided, and by either (by one that refuses, of the photo).
"""


def markdown(summary: dict[str, Any]) -> str:
    """The report as a table, a row a case."""
    heads = ["kernel", "file", "blurred", "photos", "refused", *FIGURES]
    lines = [f"| {' | '.join(heads)} |", "|---|---|---" + "|---:" * (len(heads) - 3) + "|"]
    for case in summary["cases"]:
        cells = ["given" if case["known"] else "estimated", case["file"], case["truth"]]
        figures = [case[name] for name in ("photos", "refused", *FIGURES)]
        lines.append(f"| {' | '.join([*cells, *map(shown, figures)])} |")
    legend = LEGEND.format(**summary["settings"])
    return "\n".join(["# Was light blurred, or values?", "", legend, *lines]) + "\n"
