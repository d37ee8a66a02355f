"""deblur, upscale, inpaint, restore: from the words of the command line to the library's call."""

import os
from collections.abc import Iterator
from functools import wraps
from itertools import count
from pathlib import Path
from typing import Any

from restore import spec
from restore.commands.batch import Manner, process, together, write_json, write_stream
from restore.commands.failure import FAILED, Refusal
from restore.commands.files import STREAM, SUFFIXES, Job, gather, plan, read_source
from restore.commands.parameters import checked
from restore.commands.progress import Progress
from restore.decode import header

TAGS = {
    "deblur": ".deblurred",
    "upscale": ".upscaled",
    "inpaint": ".inpainted",
    "restore": ".restored",
}
SURE = 0.65
"""Confidence below which an estimated kernel is to be looked at."""
WHITE = 0.1
"""The standard deviation that is white in photo.std.png."""


def run(
    task: str,
    names: list[str],
    output: str | None,
    recursive: bool,
    given: dict[str, Any],
    solver_options: dict[str, Any],
    manner: Manner,
) -> int:
    """Restore every photo that the names stand for; the exit code."""
    options = checked(spec.TASKS[task], given)
    used = [str(getattr(options, name, None) or "") for name in ("mask", "kernel")]
    used.append(manner.manifest or "")
    found = gather(names, TAGS[task], recursive=recursive, output=output)
    endings = _endings(options)
    jobs = plan(found, output, TAGS[task], endings, filter(os.path.isfile, used))
    if isinstance(options, spec.Inpaint) and not os.path.exists(options.mask):
        raise Refusal(f"--mask {options.mask}: no such file or folder", FAILED)
    if len(jobs) == 1 and os.path.isfile(source := jobs[0].source):
        header(Path(source).read_bytes(), source)  # what is no photo is refused before torch loads
    restored = Restored(task, options, solver_options, manner.overwrite)
    if manner.overwrite or any(not os.path.exists(job.target) for job in jobs):
        restored.prepare()
    named = {**options.model_dump(), **solver_options, "overwrite": manner.overwrite}
    return process(jobs, endings, restored, manner, {"task": task, "options": named})


class Restored:
    """Does one job after the other with the same options."""

    def __init__(
        self, task: str, options: spec.Options, solver_options: dict[str, Any], overwrite: bool
    ) -> None:
        self.task, self.options, self.overwrite = task, options, overwrite
        self.arguments = {**dict(options), **solver_options}

    def prepare(self) -> None:
        """Refuse wrong arguments, and load the prior, before the first photo."""
        from restore import api, solvers

        solver = api.chosen_solver(self.arguments, self.options.samples)
        self.arguments["solver"] = solver
        given = self.arguments.keys() - dict(self.options).keys()
        if self.options.fidelity is not None:
            given |= {"fidelity"}
        solvers.check_options(solver, given)
        if isinstance(self.options, spec.Deblur) and self.options.kernel is not None:
            self.arguments["kernel"] = api.as_kernel(self.options.kernel)
        if isinstance(self.options, spec.Restore):
            from restore import chain

            self.arguments["operator"] = chain.parse(self.options.operator)
        api.made(self.arguments)

    def __call__(self, job: Job, progress: Progress) -> dict[str, Any]:
        result, report = self.restored(job, progress)
        if job.target == STREAM:
            write_stream(result.image)
        else:
            save(result, report, job, _endings(self.options), self.overwrite)
        _judge(job, report, progress)
        return report

    def restored(self, job: Job, progress: Progress) -> tuple[Any, dict[str, Any]]:
        """The result of a job and its report; nothing is written."""
        from restore import api

        arguments = dict(self.arguments)
        arguments["solver"] = _watched(arguments["solver"], self.options.samples, progress)
        if isinstance(self.options, spec.Inpaint):
            arguments["mask"] = _mask_of(self.options.mask, job)
        source = read_source(job.source)
        if job.target == STREAM and isinstance(source, str):
            source = Path(source).read_bytes()
        result = getattr(api, self.task)(source, **arguments)
        report = {
            "task": self.task,
            "input": job.source,
            "output": job.target,
            "arguments": self.options.model_dump(),
            **result.report,
        }
        return result, report


def _endings(options: spec.Options) -> tuple[str, ...]:
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
            weights = (result.kernel / result.kernel.max() * 65535).round().numpy()
            kernel = read(weights.astype("uint16"))
            write(kernel, job.beside(".kernel.png"), overwrite=overwrite)
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


def _overlaid(pixels: Any, share: Any) -> Any:
    """A grey picture, orange where it is not the photo that decides."""
    grey = pixels.mean(dim=1, keepdim=True)
    orange = pixels.new_tensor([1.0, 0.55, 0.0]).reshape(1, 3, 1, 1)
    return grey * (1 - share) + orange * share


def _watched(solver: Any, samples: int, progress: Progress) -> Any:
    """The solver, telling the progress of every step; it is called once a sample."""
    calls = count()

    @wraps(solver)
    def watched(*arguments: Any, **options: Any) -> Iterator[Any]:
        before = next(calls)
        for state in solver(*arguments, **options):
            runs = max(samples, before + 1)  # more where one is made again with another noise
            progress.step(before * state.steps + state.step, runs * state.steps)
            yield state

    return watched


def _mask_of(mask: str, job: Job) -> str:
    """The mask of a photo: the file, or the picture of the photo's name in the folder."""
    if not os.path.isdir(mask):
        return mask
    for suffix in (job.below.suffix, *SUFFIXES):
        candidate = Path(mask) / job.below.with_suffix(suffix)
        if candidate.is_file():
            return str(candidate)
    raise Refusal(f"--mask {mask}: holds no mask named {job.below.stem}.png", FAILED)


def _judge(job: Job, report: dict[str, Any], progress: Progress) -> None:
    """Tell the blur that was estimated, and when a result does not explain what was observed."""
    if blur := report.get("blur"):
        numbers = ", ".join(f"{name} {value:.3g}" for name, value in blur["parameters"].items())
        said = f"{blur['family']} blur {numbers}".rstrip()
        sure = "" if blur["confidence"] >= SURE else "; look at the kernel before you trust it"
        progress.say(f"{job.source}: {said}, confidence {blur['confidence']:.2f}{sure}")
    if report.get("halved"):
        progress.say(f"{job.source}: memory was short, the windows shrank to {report['tile']}")
    certificate = report.get("certificate", {})
    for verdict, unexplained, accepted in zip(
        *(certificate.get(name, ()) for name in ("verdict", "unexplained", "accepted")), strict=True
    ):
        if unexplained or not accepted:
            progress.say(f"{job.source}: {verdict}")
