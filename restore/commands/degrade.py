"""degrade: make test inputs, y = A(x) + noise, and keep beside them what was done.

With a camera A is that of linear light, and noise comes before saturation, as it does in sensors.
"""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from restore import spec
from restore.commands.batch import Manner, process, together, write_json, write_stream
from restore.commands.failure import FAILED, Refusal
from restore.commands.files import STREAM, Job, gather, plan, read_source
from restore.commands.parameters import checked
from restore.commands.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from operators.base import LinearOperator

TAG = ".degraded"


def run(
    names: list[str], output: str | None, recursive: bool, given: dict[str, Any], manner: Manner
) -> int:
    """Degrade every photo that the names stand for; the exit code."""
    options = checked(spec.Degrade, given)
    if not given.keys() & {"kernel", "downsample", "mask", "noise", "jpeg"}:
        raise Refusal("nothing to do; give --kernel, --downsample, --mask, --noise or --jpeg")
    endings = [".json"]
    endings += [".kernel.npy"] if options.kernel else []
    endings += [".mask.png"] if options.mask else []
    found = gather(names, TAG, recursive=recursive, output=output)
    used = [value for value in (options.kernel, options.mask) if value]
    jobs = plan(found, output, TAG, endings, used, suffix=".png")

    def work(job: Job, progress: Progress) -> dict[str, Any]:
        return _degrade(options, job, manner.overwrite)

    if options.kernel:
        from operators import kernels

        kernels.parse(options.kernel)
    return process(jobs, endings, work, manner)


@dataclass(frozen=True, eq=False)
class _Observed:
    """y (B, 3, h, w), and the kernel, or those of parts, and the mask that made it."""

    y: "Tensor"
    kernel: "Tensor | None"
    mask: "Tensor | None"


def _degrade(options: spec.Degrade, job: Job, overwrite: bool) -> dict[str, Any]:
    import numpy

    from restore.images import read, write

    photo = read(read_source(job.source))
    seen = _observed(options, photo.pixels)
    degraded = photo.with_pixels(seen.y)
    report = {"input": job.source, "output": job.target, **options.model_dump(exclude_none=True)}
    if job.target == STREAM:
        write_stream(cast(bytes, replace(degraded, kind="bytes", format="PNG").native()))
        return report
    kernel, mask = job.beside(".kernel.npy"), job.beside(".mask.png")
    report["undo"] = _undo(options, job)
    with together([Path(job.target), kernel, mask, job.beside(".json")]):
        if seen.kernel is not None:
            numpy.save(kernel, seen.kernel.numpy())
        if seen.mask is not None:
            write(read(seen.mask[0].float()), mask, overwrite=overwrite)
        write_json(job.beside(".json"), report)
        write(degraded, job.target, report=report, overwrite=overwrite)
    return report


def _observed(options: spec.Degrade, pixels: "Tensor") -> _Observed:
    from operators import Gaussian, Identity, Operator, Seeds, simulate
    from operators.exposure import Camera, Exposure
    from operators.kernels import parse
    from operators.mask import Mask
    from operators.resize import Downsample

    light: LinearOperator = Identity()
    kernel = parse(options.kernel) if options.kernel else None
    if kernel is not None:
        light = _blur(kernel, pixels, options.boundary)
    if options.downsample:
        light = Downsample(options.downsample) @ light
    operator: Operator = light
    if options.camera == "srgb":
        # The bits are those of the file, after the noise.
        operator = Exposure(light, Camera(clip=False, bits=16))
    mask = None
    if options.mask:
        height, width = operator(pixels).shape[2:]
        mask = _mask(options.mask, height, width, options.seed)
        operator = Mask(mask) @ operator
    y = simulate(operator, Gaussian(options.noise), pixels, Seeds(options.seed)).y
    if options.jpeg:
        from operators.jpeg import Jpeg

        y = Jpeg(options.jpeg)(y.clamp(0, 1))
    return _Observed(y.clamp(0, 1), kernel, mask)


def _blur(kernel: "Tensor", pixels: "Tensor", boundary: Any) -> "LinearOperator":
    """The blur of pixels (B, 3, H, W) by one kernel, or by those of parts of what it leaves."""
    from operators.varying import blur_by

    height, width = pixels.shape[2:]
    if boundary == "valid":
        height, width = height - kernel.shape[-2] + 1, width - kernel.shape[-1] + 1
    if min(height, width) < 1:
        raise Refusal(
            f"--kernel: of {kernel.shape[-2]} x {kernel.shape[-1]} leaves nothing", FAILED
        )
    return blur_by(kernel, pixels[..., :height, :width], boundary)


def _mask(text: str, height: int, width: int, seed: int) -> "Tensor":
    from operators.mask import box_mask, random_mask
    from restore.images import read_mask

    kind, _, number = text.partition(":")
    try:
        if kind == "box":
            tall, wide = (int(number), int(number)) if number else (height // 2, width // 2)
            return box_mask(height, width, tall, wide)
        if kind == "random":
            return random_mask(height, width, float(number), seed)
    except ValueError as error:
        raise Refusal(f"--mask {text}: {error}; write it as box:128 or random:0.7") from error
    return read_mask(text, height, width)


def _undo(options: spec.Degrade, job: Job) -> str | None:
    """The command that restores what was degraded by one operator; None for several or none."""
    told = f"--noise {options.noise:g}" if options.noise else ""
    commands = {
        "kernel": f"deblur --kernel {shlex.quote(str(job.beside('.kernel.npy')))} "
        f"--boundary {options.boundary} --camera {options.camera}",
        "downsample": f"upscale --factor {options.downsample}",
        "mask": f"inpaint --mask {shlex.quote(str(job.beside('.mask.png')))}",
    }
    chosen = [command for name, command in commands.items() if getattr(options, name)]
    if len(chosen) != 1 or options.jpeg:
        return None
    return f"photomend {chosen[0]} {told} {shlex.quote(job.target)}".replace("  ", " ")
