"""`photomend bench enlarged`: what pixels tell of an enlargement, and what that is worth.

Photos are made small and enlarged again by Pillow, saved as PNG or JPEG, whole or cropped, and
asked by what factors; others are as they are, or blurred, shrunk or compressed, and ought to tell
none. Some are restored by `deblur`, that knows nothing of them, from what they were made from; and
as if they were blurred, by a kernel that is estimated.
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.Image import Resampling
from torch import Tensor

from operators import kernels
from operators.blur import Blur
from operators.resize import Downsample
from restore import deblur
from restore.bench import protocol
from restore.bench.compression import summarised
from restore.bench.files import encoded, levels, middle
from restore.bench.reports import Report, shown, told, written
from restore.blind import NotBlurred, Unknowable
from restore.images import Photo, read
from restore.metrics import psnr

TIMES = (1.28, 1.5, 2.0, 3.0)
WAYS = {
    "nearest": Resampling.NEAREST,
    "bilinear": Resampling.BILINEAR,
    "bicubic": Resampling.BICUBIC,
    "lanczos": Resampling.LANCZOS,
}
FILES: tuple[tuple[str, int | None], ...] = (("PNG", None), ("JPEG 90", 90))
CROPPED = (5, 7)
"""Columns and rows that are cut from some."""
NEAR = 0.01
"""By how much a factor may differ."""
SIDE = 288
"""Of the middle of photos that is used, in pixels."""
OTHERS: dict[str, Callable[[Tensor], Tensor]] = {
    "as it is": lambda x: x,
    "made small": Downsample(2),
    "blurred by a disk": Blur(kernels.disk(3), "reflect"),
    "blurred by motion": Blur(kernels.motion(12, 30), "reflect"),
    "blurred by a Gaussian": Blur(kernels.gaussian(2), "reflect"),
}
"""What was not enlarged."""
COARSE = (None, 90, 75, 50)
"""Qualities at which that is saved, None for PNG."""
RESTORED = tuple(product((1.5, 2.0, 3.0), ("bicubic",), FILES))


def main(
    folder: Path | None = None,
    *,
    limit: int | None = 4,
    output: Path = Path("out/bench-enlarged"),
    report: Report,
) -> dict[str, Any]:
    """Measure how often pixels tell that they were enlarged, and what that gains.

    folder: of photos or of the standard sets, by default what PHOTOMEND_DATA names. limit: photos a
    set; the first of each is restored.

    Writes report.json and report.md into output, tells report a line a photo, and gives what
    report.json holds. BenchError where there is no photo.
    """
    rows: list[dict[str, Any]] = []
    known: set[str] = set()
    for photo in protocol.pictures(folder, limit):
        name = {"name": f"{photo.group} {photo.name}"}
        x = Image.fromarray(levels(middle(photo.pixels, SIDE, SIDE)))
        found = [name | row for row in recognised(x)]
        if photo.group not in known:
            known.add(photo.group)
            found += [name | row for row in restored(x)]
        rows += found
        right = [row["right"] for row in found if "right" in row]
        report(told(name | {"right": f"{sum(right)} of {len(right)}"}))
    summary = {"settings": {"limit": limit}, "cases": summarised(rows), "photos": rows}
    return written(summary, markdown(summary), output, report)


def recognised(x: Image.Image) -> list[dict[str, Any]]:
    """Whether what the pixels of a photo tell is right, a row a case."""
    rows = []
    for times, way, (file, quality), cut in product(TIMES, WAYS, FILES, (False, True)):
        large = enlarged(x, times, way)
        large = large.crop((*CROPPED, *large.size)) if cut else large
        how = saved(large, quality).enlargement
        factors = () if how is None else (how.down.factor, how.right.factor)
        right = bool(factors) and all(abs(one / times - 1) < NEAR for one in factors)
        case = f"{way}, {file}{', cropped' if cut else ''}"
        rows.append({"case": case, "of": f"{times:.4g} times", "right": right})
    for (name, change), quality in product(OTHERS.items(), COARSE):
        seen = saved(Image.fromarray(levels(change(read(x).pixels))), quality)
        file = "PNG" if quality is None else f"JPEG {quality}"
        rows.append({"case": f"{name}, {file}", "of": "none", "right": seen.enlargement is None})
    return rows


def restored(x: Image.Image) -> list[dict[str, Any]]:
    """PSNR in dB of enlarged photos, and restored, a row a case; blurred: taken for blurred."""
    rows = []
    for times, way, (file, quality) in RESTORED:
        photo = saved(enlarged(x, times, way, x.size), quality)
        truth, blurred = read(x).pixels, saved(enlarged(x, times, way, x.size), quality)
        blurred.__dict__["enlargement"] = None
        figures = {"photo": psnr(photo.pixels, truth).item()}
        for name, one in (("restored", photo), ("blurred", blurred)):
            try:
                figures[name] = psnr(deblur(one).pixels, truth).item()
            except (NotBlurred, Unknowable):
                figures[name] = figures["photo"]  # is left as it is
        rows.append({"case": f"{way}, {file}, deblur", "of": f"{times:.4g} times", **figures})
    return rows


def enlarged(
    x: Image.Image, times: float, way: str, size: tuple[int, int] | None = None
) -> Image.Image:
    """Made small and enlarged to a size, or as it is, enlarged so many times."""
    if size is None:
        size = round(times * x.width), round(times * x.height)
    else:
        x = x.resize((round(size[0] / times), round(size[1] / times)), Resampling.LANCZOS)
    return x.resize(size, WAYS[way])


def saved(image: Image.Image, quality: int | None) -> Photo:
    """As a file, PNG or a JPEG of a quality, read again."""
    return read(encoded(np.asarray(image), quality))


LEGEND = """\
Right: share of the files of which the pixels tell the factors, within a hundredth, or nothing where
nothing was enlarged. Below, made small, enlarged and given to deblur: PSNR in dB of the photo,
restored from what it was made from, and as if it were blurred, by an estimated kernel.
"""


def markdown(summary: dict[str, Any]) -> str:
    """The report as two tables, a row a case."""
    told, gains = ([case for case in summary["cases"] if key in case] for key in ("right", "photo"))
    lines = ["# What pixels tell of an enlargement", "", LEGEND]
    for cases, figures in ((told, ["right"]), (gains, ["photo", "restored", "blurred"])):
        heads = ["case", "of", "photos", *figures]
        lines += [f"| {' | '.join(heads)} |", "|---|---|---:" + "|---:" * len(figures) + "|"]
        lines += [f"| {' | '.join(shown(case[head]) for head in heads)} |" for case in cases]
        lines.append("")
    return "\n".join(lines)
