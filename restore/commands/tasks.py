"""deblur, upscale, inpaint, restore: from the words of the command line to the library's call."""

import importlib
import os
import re
from collections.abc import Iterator
from contextlib import nullcontext
from functools import wraps
from pathlib import Path
from typing import Any

from restore import spec
from restore.commands.batch import Manner, process, write_stream
from restore.commands.failure import FAILED, Refusal
from restore.commands.files import (
    STREAM,
    SUFFIXES,
    Job,
    gather,
    inspect,
    is_address,
    plan,
    read_source,
    require,
)
from restore.commands.overlap import LARGE, Device, Shared, Turns
from restore.commands.parameters import checked
from restore.commands.progress import Progress
from restore.commands.saving import endings_of
from restore.commands.saving import save as save
from restore.decode import header

TAGS = {
    "deblur": ".deblurred",
    "upscale": ".upscaled",
    "inpaint": ".inpainted",
    "restore": ".restored",
}
SURE = 0.65
"""Confidence below which an estimated kernel is to be looked at."""
MODULE = re.compile(r"[\w.]+:\w+")
"""How a prior is named that a function gives."""


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
    far = [name for name in (*names, output or "") if is_address(name)]
    if far and options.engine != "ray":
        raise Refusal(f"{far[0]}: is read and written with --engine ray")
    used = [str(getattr(options, name, None) or "") for name in ("mask", "kernel")]
    used.append(manner.manifest or "")
    found = gather(names, TAGS[task], recursive=recursive, output=output)
    endings = endings_of(options)
    jobs = plan(found, output, TAGS[task], endings, filter(os.path.isfile, used))
    if isinstance(options, spec.Inpaint) and not os.path.exists(options.mask):
        raise Refusal(f"--mask {options.mask}: no such file or folder", FAILED)
    if options.engine == "ray":
        from restore.cluster import folders

        return folders.process(task, options, solver_options, jobs, manner)
    if len(jobs) == 1 and os.path.isfile(jobs[0].source):
        # what is no photo, or no mask of it, is refused before torch loads
        inspect(jobs[0].source, getattr(options, "mask", None))
    # what is held decides what fits, and must not depend on another photo
    device = None if options.max_memory or options.low_memory else Device()
    restored = Restored(task, options, solver_options, manner.overwrite, device)
    there = [job for job in jobs if job.source == STREAM or os.path.exists(job.source)]
    if any(manner.overwrite or not os.path.exists(job.target) for job in there):
        restored.prepare()
    return process(jobs, endings, restored, manner, restored.settings(), device)


class Restored:
    """Does jobs with the same options: one, or on a device that is shared several at a time."""

    def __init__(
        self,
        task: str,
        options: spec.Options,
        solver_options: dict[str, Any],
        overwrite: bool,
        device: Device | Shared | None = None,
    ) -> None:
        self.task, self.options, self.overwrite = task, options, overwrite
        self.device = device or Device()
        self.solver_options = solver_options
        placed = {name: value for name, value in options if name not in spec.PLACING | spec.WRITTEN}
        self.arguments: dict[str, Any] = {**placed, **solver_options}

    def settings(self) -> dict[str, Any]:
        """The command and its options, for a manifest."""
        named = {**self.given(), **self.solver_options, "overwrite": self.overwrite}
        return {"task": self.task, "options": named}

    def given(self) -> dict[str, Any]:
        """The options of the task, JSON-able."""
        return self.options.model_dump(exclude=spec.PLACING)

    def prepare(self) -> None:
        """Refuse wrong arguments, and load the prior, before the first photo."""
        from restore import asked

        self.check()
        asked.made(self.arguments)

    def check(self) -> None:
        """Refuse wrong arguments, as far as that needs no prior."""
        from restore import asked, solvers

        solver = asked.chosen_solver(self.arguments, self.options.samples)
        self.arguments["solver"] = solver
        given = self.arguments.keys() - dict(self.options).keys()
        if self.options.fidelity is not None:
            given |= {"fidelity"}
        solvers.check_options(solver, given)
        if MODULE.fullmatch(self.options.prior) and isinstance(self.arguments["prior"], str):
            self.arguments["prior"] = _imported(self.options.prior)
        if isinstance(self.options, spec.Deblur) and self.options.kernel is not None:
            from operators import kernels

            self.arguments["kernel"] = kernels.as_kernel(self.options.kernel)
        if isinstance(self.options, spec.Restore):
            from restore import chain

            self.arguments["operator"] = chain.parse(self.options.operator)

    def __call__(self, job: Job, progress: Progress) -> dict[str, Any]:
        require(job.source)
        large = job.source != STREAM and self._pixels(job) > LARGE
        with self.device.large if large else nullcontext():
            if large:
                result, report = self.device.call(lambda: self.restored(job, progress))[0]
            else:
                result, report = self.restored(job, progress)
            if job.target == STREAM:
                write_stream(result.image)
            else:
                save(result, report, job, endings_of(self.options), self.overwrite)
        _judge(job, report, progress)
        return report

    def restored(self, job: Job, progress: Progress) -> tuple[Any, dict[str, Any]]:
        """The result of a job and its report; nothing is written."""
        from restore import api

        arguments = dict(self.arguments)
        turns = Turns(self.device)
        watched = _watched(arguments, self.options.samples, progress)
        arguments["solver"] = turns.of(watched)
        if isinstance(self.options, spec.Inpaint):
            arguments["mask"] = _mask_of(self.options.mask, job)
        source = read_source(job.source)
        if job.target == STREAM and isinstance(source, str):
            source = Path(source).read_bytes()
        result = getattr(api, self.task)(source, **arguments)
        if not self.options.gps and result.photo is not None:
            result = result.of(result.photo.without_gps())
        report = {
            "task": self.task,
            "input": job.source,
            "output": job.target,
            "arguments": self.given(),
            **result.report,
        }
        report["seconds"] = round(report["seconds"] - turns.waited, 3)
        return result, report

    def _pixels(self, job: Job) -> int:
        """Pixels of the picture that comes out; 0 where no photo comes in."""
        try:
            _, width, height = header(Path(job.source).read_bytes(), job.source)
            if isinstance(self.options, spec.Upscale):
                return width * height * self.options.factor**2
            if isinstance(self.options, spec.Restore):
                shape = self.arguments["operator"].image_shape((1, 3, height, width))
                return int(shape[2] * shape[3])
        except (OSError, ValueError):
            return 0  # restoring it tells why
        return width * height


def _imported(name: str) -> Any:
    """The prior that module:function gives."""
    module, function = name.split(":")
    try:
        return getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise Refusal(f"--prior {name}: cannot be imported ({error})") from error


def _watched(given: dict[str, Any], samples: int, progress: Progress) -> Any:
    """The solver, telling the progress of every step; it is called once a sample, and for trials,
    of other steps than those given, before."""
    from restore import solvers

    solver = given["solver"]
    usual = solvers.options(solver).get("steps")
    whole = given.get("steps") or (usual.default if usual else 0)
    done, left = 0, samples

    @wraps(solver)
    def watched(*arguments: Any, **options: Any) -> Iterator[Any]:
        nonlocal done, left
        trial, steps = options.get("steps") != given.get("steps"), 0
        for state in solver(*arguments, **options):
            steps = state.steps
            rest = left * whole if trial else max(left - 1, 0) * steps
            progress.step(done + state.step, done + steps + rest)
            yield state
        done, left = done + steps, left if trial else left - 1

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
    if how := report.get("enlarged"):
        width, height = how["size"]
        progress.say(f"{job.source}: was enlarged from {width} x {height}; restored from those")
    if report.get("halved"):
        progress.say(f"{job.source}: memory was short, the windows shrank to {report['tile']}")
