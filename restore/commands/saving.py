"""A result on the disk: the picture and what lies beside it."""

from pathlib import Path
from typing import Any

from restore import spec
from restore.commands.batch import together, write_json
from restore.commands.files import Job

WHITE = 0.1
"""The standard deviation that is white in photo.std.png."""


def endings_of(options: spec.Options) -> tuple[str, ...]:
    """Of what is written beside a picture: the report, the kernel that was estimated, the samples
    and their spread."""
    endings = [".json"]
    if isinstance(options, spec.Deblur) and options.kernel is None:
        endings.append(".kernel.png")
    if options.samples > 1:
        endings += [".std.png", ".undetermined.png"]
        endings += (f".sample{k}.png" for k in range(1, options.samples + 1))
    return tuple(endings)


def save(
    result: Any, report: dict[str, Any], job: Job, endings: tuple[str, ...], overwrite: bool
) -> None:
    """The picture comes last: where it is, the rest is."""
    from dataclasses import replace

    from restore.images import read, write

    with together([Path(job.target), *map(job.beside, endings)]):
        if result.kernel is not None:
            drawn(result.kernel, job.beside(".kernel.png"), overwrite=overwrite)
        if result.std is not None:
            report = {**report, "std_white": WHITE}
            spread = read((result.std / WHITE).clamp(0, 1))
            write(spread, job.beside(".std.png"), overwrite=overwrite)
            doubt = read(_overlaid(result.pixels, result.undetermined))
            write(doubt, job.beside(".undetermined.png"), overwrite=overwrite)
            for k, pixels in enumerate(result.samples, start=1):
                sample = replace(result, pixels=pixels)
                sample.save(job.beside(f".sample{k}.png"), overwrite=overwrite)
        write_json(job.beside(".json"), report)
        result.save(job.target, overwrite=overwrite)


def drawn(kernel: Any, path: Path, *, overwrite: bool) -> None:
    """Write a kernel (kh, kw), or those of parts (R, C, kh, kw), as `kernels.load` reads them."""
    from operators import kernels
    from restore.images import read, write

    laid, note = kernels.sheet(kernel)
    picture = read((laid / laid.max() * 65535).round().cpu().numpy().astype("uint16"))
    write(picture, path, report=note, overwrite=overwrite)


def _overlaid(pixels: Any, share: Any) -> Any:
    """A grey picture, orange where it is not the photo that decides."""
    grey = pixels.mean(dim=1, keepdim=True)
    orange = pixels.new_tensor([1.0, 0.55, 0.0]).reshape(1, 3, 1, 1)
    return grey * (1 - share) + orange * share
