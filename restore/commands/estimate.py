"""estimate: the noise and the blur of photos, from the photos alone.

Of a blur that varies, the kernels of the parts are laid beside the photo as one picture, which
`--kernel` takes.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from restore.commands.failure import Failure, overall, understood
from restore.commands.files import STREAM, gather, inspect, read_source, require

TAG = ".estimated"
BLUR = ("family", "parameters", "confidence", "light", "changed")


def run(names: list[str], recursive: bool, as_json: bool) -> int:
    """Tell noise and blur of every photo that the names stand for; the exit code."""
    failures: list[Failure] = []
    found = gather(names, TAG, recursive=recursive)
    for each in found:
        try:
            if len(found) == 1 and os.path.isfile(each.source):
                inspect(each.source)  # what is no photo is refused before torch loads
            told = estimated(each.source)
        except Exception as error:
            failures.append(failure := understood(error))
            named = failure.message.startswith(each.source)
            lead = "" if named else f"{each.source}: "
            sys.stderr.write(f"error: {lead}{failure.message}\n")
            continue
        line = json.dumps(told) if as_json else _line(told)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return overall(failures, len(found) - len(failures))


def estimated(source: str) -> dict[str, Any]:
    """Noise and blur of a photo, JSON-able: sigma and gain on [0, 1], the kernel's family; where it
    varies, the parts and the file of their kernels; what JPEG compression it shows, if any; and
    what it was enlarged from, of which all but the compression is then told."""
    require(source)
    from operators.noise import PoissonGaussian
    from restore import compression
    from restore.blind import NotBlurred, Unknowable
    from restore.blurred import blur_of
    from restore.images import read
    from restore.noise_level import estimate_noise, estimate_sigma
    from restore.preparation import at_least

    photo = read(read_source(source))
    pixels = at_least(16, photo.before.pixels)
    noise = estimate_noise(pixels)
    gain = noise.gain if isinstance(noise, PoissonGaussian) else None
    told: dict[str, Any] = {
        "input": source,
        "size": [photo.pixels.shape[3], photo.pixels.shape[2]],
        "noise": {
            "sigma": float(estimate_sigma(pixels)),
            "gain": gain,
            "read_sigma": None if gain is None else getattr(noise, "sigma", None),
        },
    }
    if jpeg := photo.jpeg:
        told["jpeg"] = compression.told(jpeg)
    if how := photo.enlargement:
        told["enlarged"] = how.told
    try:
        blur = blur_of(photo)
    except (NotBlurred, Unknowable) as error:
        return {**told, "blur": None, "why": " ".join(str(error).split())}
    return {**told, "blur": _named(blur, source)}


def _named(blur: Any, source: str) -> dict[str, Any]:
    named = {name: getattr(blur, name) for name in BLUR}
    named["kernel_size"] = list(blur.kernel.shape[-2:])
    rivals = [{"family": one.family, "parameters": dict(one.parameters)} for one in blur.rivals]
    named["rivals"] = rivals
    if blur.kernel.ndim == 4:
        named["parts"] = list(blur.kernel.shape[:2])
        named["kernels"] = _laid(blur.kernel, source)
    return named


def _laid(kernel: Any, source: str) -> str | None:
    """Write the kernels' picture beside the photo; None for standard input, beside which is
    nothing."""
    from restore.commands.saving import drawn

    if source == STREAM:
        return None
    path = Path(source).with_suffix(f"{TAG}.kernel.png")
    drawn(kernel, path, overwrite=True)
    return str(path)


def _line(told: dict[str, Any]) -> str:
    noise, blur = told["noise"], told["blur"]
    said = ""
    if "enlarged" in told:
        width, height = told["enlarged"]["size"]
        said = f"enlarged from {width} x {height} pixels, and of those "
    said += f"noise {noise['sigma']:.4f} ({255 * noise['sigma']:.1f}/255)"
    if noise["gain"] is not None:
        said += f", shot noise of gain {noise['gain']:.4f} and sigma {noise['read_sigma']:.4f}"
    if "jpeg" in told:
        quality, way = told["jpeg"]["quality"], told["jpeg"]["subsampling"]
        said += f", compressed as a JPEG {f'of quality {quality}, ' if quality else ''}{way}"
        said += " and cropped or turned since" if told["jpeg"]["cropped"] else ""
    if blur is None:
        return f"{told['input']}: {said}; {told['why']}"
    of = "light" if blur["light"] else "values"
    named = f"{blur['family']} blur of {of}, {_numbers(blur)}".rstrip(", ")
    if "parts" in blur:
        rows, columns = blur["parts"]
        named += f", a kernel for each of {rows} x {columns} parts"
        named += f" in {blur['kernels']}" if blur["kernels"] else ""
    named += "; noise was removed since, or it is of a video" if blur["changed"] else ""
    others = " or ".join(f"{one['family']} {_numbers(one)}".rstrip() for one in blur["rivals"])
    tried = f"; nearly as likely, and tried by deblur: {others}" if others else ""
    return f"{told['input']}: {said}; {named}, confidence {blur['confidence']:.2f}{tried}"


def _numbers(blur: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in blur["parameters"].items())
