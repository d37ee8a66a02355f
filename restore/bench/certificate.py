"""`photomend bench certificate`: whether the verdict finds out wrong kernels and leaves right ones.

Photos blurred by one kernel are restored with it and with a wrong one, another walk or one of
nearly the same size or angle, as measurements whose noise is known, and as the JPEG of quality 90
of a camera that blurred light, noise unknown.
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from operators import kernels
from operators.blur import Blur
from operators.exposure import Camera, Exposure
from operators.measurement import simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from restore import Restorer, deblur
from restore.bench import protocol
from restore.bench.light import QUALITY, saved
from restore.bench.reports import Report, told, written
from restore.result import Result

Kernel = Callable[[int], Tensor]
FILES, KINDS = ("values", "JPEG"), ("right", "wrong")


class Case(NamedTuple):
    """A right and a wrong kernel, by the number of the photo, and a noise on [0, 1]."""

    right: Kernel
    wrong: Kernel
    sigma: float


def _walk(size: int) -> Kernel:
    return lambda number: kernels.random_walk(size, 0.5, 1000 + number)


CASES = {
    "walk of 61, not 51": Case(_walk(61), _walk(51), 0.025),
    "walk of 51, not 61": Case(_walk(51), _walk(61), 0.025),
    "disk of 4, not 4.5": Case(lambda _: kernels.disk(4), lambda _: kernels.disk(4.5), 0.01),
    "disk of 4, not 3.5": Case(lambda _: kernels.disk(4), lambda _: kernels.disk(3.5), 0.01),
    "motion of 15, not 17": Case(
        lambda _: kernels.motion(15, 30), lambda _: kernels.motion(17, 30), 0.01
    ),
    "motion at 30 degrees, not 36": Case(
        lambda _: kernels.motion(15, 30), lambda _: kernels.motion(15, 36), 0.01
    ),
    "Gaussian of 2, not 2.3": Case(
        lambda _: kernels.gaussian(2), lambda _: kernels.gaussian(2.3), 0.025
    ),
}


def main(
    folder: Path | None = None,
    *,
    limit: int | None = 4,
    seed: int = 0,
    output: Path = Path("out/bench-certificate"),
    report: Report,
) -> dict[str, Any]:
    """Count how often the verdict accepts a right kernel, and a wrong one.

    folder: of photos or of the standard sets, by default what PHOTOMEND_DATA names. limit: photos a
    set. seed: of the noise.

    Writes report.json and report.md into output, tells report a line a photo, and gives what
    report.json holds. BenchError where there is no photo.
    """
    rows: list[dict[str, Any]] = []
    photos = protocol.pictures(folder, limit)
    for (name, case), file, photo in product(CASES.items(), FILES, photos):
        seeds = Seeds(9000 + photo.index + 100_000 * seed)
        row = {"case": name, "file": file, "photo": f"{photo.group} {photo.name}"}
        rows.append({**row, **judged(photo.pixels, case, file, photo.index, seeds)})
        report(told(rows[-1]))
    summary = {"settings": {"limit": limit, "seed": seed, "quality": QUALITY}, "photos": rows}
    return written(summary, markdown(rows), output, report)


def judged(x: Tensor, case: Case, file: str, number: int, seeds: Seeds) -> dict[str, Any]:
    """Whether restorations of x (1, 3, H, W) with either kernel are accepted, and by how many nats
    a kernel like it is likelier; None where nothing tells."""
    row: dict[str, Any] = {}
    blur, other = (Blur(kernel(number), "valid") for kernel in (case.right, case.wrong))
    taken = blur if file == "values" else Exposure(blur, Camera(clip=False, bits=16))
    y = simulate(taken, Gaussian(case.sigma), x, seeds).y
    for name, given in zip(KINDS, (blur, other), strict=True):
        certificate = restored(y, given, file, case.sigma).report["certificate"]
        like = certificate["likelier"][0]
        row |= {
            f"{name}_accepted": certificate["accepted"][0],
            f"{name}_nats": None if like is None else like["nats"],
        }
    return row


def restored(y: Tensor, given: Blur, file: str, sigma: float) -> Result:
    """The result of a measurement y (1, 3, h, w) of known noise, or of its file, by a kernel."""
    if file == "values":
        return Restorer()(y, given, noise=sigma)
    return deblur(saved(y, file), kernel=given.kernel)


LEGEND = f"""\
Photos blurred by one kernel, restored by it and by a wrong one: as values whose noise is known, and
as a JPEG of quality {QUALITY} of blurred light, noise unknown. How many verdicts accept.
"""


def markdown(rows: list[dict[str, Any]]) -> str:
    """The report as a table, a row a case."""
    heads = ["blur", "photos", *(f"{kernel}, {file}" for file in FILES for kernel in KINDS)]
    lines = [f"| {' | '.join(heads)} |", "|---|---:" + "|---:" * (len(heads) - 2) + "|"]
    for name in dict.fromkeys(row["case"] for row in rows):
        own = [row for row in rows if row["case"] == name]
        counts = [
            sum(row[f"{kind}_accepted"] for row in own if row["file"] == file)
            for file, kind in product(FILES, KINDS)
        ]
        photos = len({row["photo"] for row in own})
        lines.append(f"| {' | '.join(map(str, [name, photos, *counts]))} |")
    return "\n".join(["# Are wrong kernels found out?", "", LEGEND, *lines]) + "\n"
