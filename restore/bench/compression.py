"""`photomend bench compression`: what pixels tell of a JPEG compression, and what that is worth.

Photos are compressed and copied to PNG, or compressed again to a finer JPEG, and asked for the
tables of luma and chroma and how the chroma was reduced; others are not compressed, or changed
afterwards, and ought to tell none. Some are blurred before, as light, with noise, and deblurred by
a known kernel with what the pixels tell and with what the file alone does.
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from operators import kernels
from operators.base import Identity
from operators.blur import Blur
from operators.cosine import SIDE
from operators.exposure import Camera, Exposure
from operators.jpeg import Jpeg
from operators.measurement import simulate
from operators.noise import Gaussian
from operators.resize import Downsample
from operators.seeds import Seeds
from restore import deblur
from restore.bench import protocol
from restore.bench.camera import KERNELS
from restore.bench.files import encoded, levels, middle
from restore.bench.reports import Report, shown, told, written
from restore.camera import file_sigma
from restore.compression import Corner
from restore.images import Photo, read
from restore.metrics import psnr
from restore.noise_level import estimate_sigma

SIGMA = 0.01
WAYS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}
"""Reductions of the chroma, as Pillow numbers them."""
ONCE = tuple(product((30, 50, 75, 85, 92), WAYS))
TWICE = ((30, 75), (50, 90), (60, 93), (75, 95), (80, 98))
SIDES = (256, 128, 64)
"""Of the middle of photos that is saved, in pixels."""
CROPPED = (3, 5)
"""Rows and columns that are cut from a compressed photo, so that its first blocks are not whole."""
RESTORED: tuple[tuple[int, int | None, Corner], ...] = (
    (75, None, (0, 0)),
    (50, None, (0, 0)),
    (75, None, CROPPED),
    (75, 95, (0, 0)),
)
"""Qualities of blurred photos, the last None where they are copied to PNG, and what is cropped."""
CHANGED: dict[str, Callable[[Tensor], Tensor]] = {
    "blurred": Blur(kernels.gaussian(0.5), "reflect"),
    "with noise": lambda x: simulate(Identity(), Gaussian(SIGMA), x, Seeds(0)).y,
    "made small": Downsample(2),
    "enlarged": lambda x: interpolate(x, scale_factor=2, mode="bicubic"),
    "pixels repeated": lambda x: interpolate(x, scale_factor=2, mode="nearest"),
}
"""What is done to compressed photos that then tell nothing."""
NEVER: dict[str, Callable[[Tensor], Tensor]] = {
    "as it is": lambda x: x,
    "of 64 levels": lambda x: (63 * x).round() / 63,
}
"""And to photos that were never compressed."""
CASES = "compressed, then changed", "never compressed"


def main(
    folder: Path | None = None,
    *,
    limit: int | None = 4,
    seed: int = 0,
    output: Path = Path("out/bench-compression"),
    report: Report,
) -> dict[str, Any]:
    """Measure how often the tables of a compression are told from pixels, and what that gains.

    folder: of photos or of the standard sets, by default what PHOTOMEND_DATA names. limit: photos a
    set; the first of each is deblurred. seed: of the noise.

    Writes report.json and report.md into output, tells report a line a photo, and gives what
    report.json holds. BenchError where there is no photo.
    """
    rows: list[dict[str, Any]] = []
    known: set[str] = set()
    for photo in protocol.pictures(folder, limit):
        name = {"name": f"{photo.group} {photo.name}"}
        found = [name | row for row in recognised(photo.pixels)]
        if photo.group not in known:
            known.add(photo.group)
            seeds = Seeds(9000 + photo.index + 100_000 * seed)
            found += [name | row for row in restored(photo.pixels, seeds)]
        rows += found
        right = [row["right"] for row in found if "right" in row]
        report(told(name | {"right": f"{sum(right)} of {len(right)}"}))
    settings = {"limit": limit, "seed": seed, "sigma": SIGMA}
    summary = {"settings": settings, "cases": summarised(rows), "photos": rows}
    return written(summary, markdown(summary), output, report)


def recognised(x: Tensor) -> list[dict[str, Any]]:
    """Whether what pixels of a photo x (1, 3, H, W) tell is right, a row a case."""
    rows, cuts = [], []
    for side in SIDES:
        part = middle(x, side, side)
        for quality, way in ONCE:
            file = saved(part, quality, way)
            case = f"JPEG copied to PNG, side {side}"
            rows.append({"case": case, "of": str(quality), "right": _same(copied(file), file)})
            cropped, case = copied(file, CROPPED), f"JPEG cropped, copied to PNG, side {side}"
            row = {"case": case, "of": str(quality), "right": _same(cropped, file, CROPPED)}
            cuts.append(row)
        for first, last in TWICE:
            once = saved(part, first)
            again = saved(once.pixels, last)
            case = f"JPEG of a coarser JPEG, side {side}"
            rows.append({"case": case, "of": f"{first}, {last}", "right": _same(again, once)})
    rows += cuts
    compressed = saved(x, 60).pixels
    for pixels, changes, case in ((compressed, CHANGED, CASES[0]), (x, NEVER, CASES[1])):
        for name, change in changes.items():
            left = read(levels(change(pixels))).jpeg
            rows.append({"case": case, "of": name, "right": left is None})
    return rows


def restored(x: Tensor, seeds: Seeds) -> list[dict[str, Any]]:
    """PSNR in dB of blurred and compressed photos of x, and deblurred by what is told."""
    rows = []
    for name in KERNELS:
        kernel = KERNELS[name]()
        blur = Blur(kernel, "valid")
        y = simulate(Exposure(blur, Camera(bits=16)), Gaussian(SIGMA), x, seeds).y
        window = middle(x, *y.shape[2:])
        for first, last, corner in RESTORED:
            once = saved(y, first)
            photo = copied(once, corner) if last is None else saved(once.pixels, last)
            truth = _without(window, corner)
            found = {"photo": psnr(photo.pixels, truth).item()}
            file = Camera(jpeg=_of_file(photo))
            shown = file_sigma(photo.pixels, file) or float(estimate_sigma(photo.pixels).mean())
            pixels = Camera(jpeg=photo.jpeg)
            ways = {"trusted": (file, shown), "file": (file, None), "pixels": (pixels, None)}
            for by, (camera, noise) in ways.items():
                taken = photo.samples("uint8")
                result = deblur(taken, kernel=kernel, camera=camera, noise=noise)
                found[by] = psnr(result.pixels, truth).item()
            case = f"JPEG {first}, then {'PNG' if last is None else f'JPEG {last}'}"
            case = case.replace(", then", ", cropped, then") if any(corner) else case
            rows.append({"case": case, "of": name, **found})
    return rows


def saved(pixels: Tensor, quality: int, way: str = "4:2:0") -> Photo:
    """Pixels (1, 3, H, W) in a JPEG file, read again."""
    return read(encoded(levels(pixels), quality, subsampling=WAYS[way]))


def copied(photo: Photo, corner: Corner = (0, 0)) -> Photo:
    """The pixels without the file, and without so many of its first rows and columns."""
    return read(levels(_without(photo.pixels, corner)))


def _without(x: Tensor, corner: Corner) -> Tensor:
    return x[..., corner[0] :, corner[1] :]


def _of_file(photo: Photo) -> Jpeg | None:
    """What the file alone tells."""
    return Jpeg(photo.tables) if photo.tables else None


def _same(shown: Photo, file: Photo, corner: Corner = (0, 0)) -> bool:
    """Whether a photo tells the tables and the reduction of the file that it was, no finer than
    its own, and what was cropped."""
    found, truth, last = shown.jpeg, _of_file(file), _of_file(shown)
    if found is None or truth is None or found.subsampling != file.subsampling:
        return False
    beyond = zip(corner, found.factors, strict=True)
    if found.corner != tuple(cut % (SIDE * factor) for cut, factor in beyond):
        return False
    like = file.pixels
    known = last.tables(like) if last else [like.new_ones(8, 8)] * 3
    every = zip(found.tables(like), truth.tables(like), known, strict=True)
    return all(torch.equal(one, torch.maximum(*others)) for one, *others in every)


def summarised(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The means of every case, in the order in which they came."""
    cases: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        cases.setdefault((row["case"], row["of"]), []).append(row)
    means = []
    for (case, of), own in cases.items():
        figures = {key for row in own for key in row} - {"name", "case", "of"}
        mean = {key: sum(float(row[key]) for row in own) / len(own) for key in sorted(figures)}
        means.append({"case": case, "of": of, "photos": len({row["name"] for row in own}), **mean})
    return means


LEGEND = """\
Right: share of the files of which the pixels tell the tables of luma and chroma and the reduction
of the chroma wholly, or nothing where there is nothing to tell; sides in pixels; qualities. Below,
deblurred with a known kernel (motion of 17 pixels, a disk of radius 4; light, noise {sigma}): PSNR
in dB of the photo; by what the file says of its compression, with the noise that it shows (trusted)
and with what a first picture leaves beyond that (file); and by what the pixels tell.
"""


def markdown(summary: dict[str, Any]) -> str:
    """The report as two tables, a row a case."""
    told, deblurred = (
        [case for case in summary["cases"] if key in case] for key in ("right", "pixels")
    )
    lines = ["# What pixels tell of their compression", "", LEGEND.format(**summary["settings"])]
    for cases, figures in ((told, ["right"]), (deblurred, ["photo", "trusted", "file", "pixels"])):
        heads = ["case", "of", "photos", *figures]
        lines += [f"| {' | '.join(heads)} |", "|---|---|---:" + "|---:" * len(figures) + "|"]
        lines += [f"| {' | '.join(shown(case[head]) for head in heads)} |" for case in cases]
        lines.append("")
    return "\n".join(lines)
