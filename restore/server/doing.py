"""One job, done as the command line does it: watched, previewed, and left when it is not wanted."""

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from sqlite3 import OperationalError
from typing import Any

import torch
from torch import Tensor

from operators.base import Operator
from operators.measurement import Measurement
from priors.base import Prior
from restore import spec
from restore.commands.failure import NO_MEMORY, USAGE, understood
from restore.commands.files import Job as Paths
from restore.commands.progress import Progress
from restore.commands.tasks import Restored, save
from restore.images import read
from restore.server.database import full
from restore.server.leases import Leases
from restore.server.pictures import keep
from restore.server.problems import Problem
from restore.server.record import Job
from restore.server.tasks import enlarged
from restore.solvers import State

TELL, SHOW = 0.1, 0.5
"""Seconds between two events of progress, and between two previews."""
PREVIEW = 256
"""Longest side of a preview in pixels."""


CAUSES = {
    "PhotoError": "photo", "NotBlurred": "not_blurred",
    "Unknowable": "unknowable", "Divergence": "diverged", "PriorError": "prior",
}  # fmt: skip
"""Codes of messages by the names of errors."""
TITLES = {
    "no_memory": "Out of memory", "failed": "Failed", "diverged": "Diverged",
    "prior": "The prior is missing",
}  # fmt: skip


class Stopped(Exception):
    """The worker stops; the job goes back into the queue."""


class TooLong(Exception):
    """The job took more time than the server allows."""


class Watch(Progress):
    """Tells a job's progress; raises between two steps: Lost, Stopped or TooLong."""

    def __init__(
        self, leases: Leases, job: Job, limit: float, stopping: Callable[[], bool],
        notify: Callable[[str], None],
    ) -> None:  # fmt: skip
        super().__init__(1, quiet=True)
        self.leases, self.job, self.stopping, self.notify = leases, job, stopping, notify
        now = time.monotonic()
        self.over, self.shown, self.told, self.stepped = now + limit, now, 0.0, now
        self.preview: Callable[[], str] | None = None

    def step(self, done: int, total: int) -> None:
        """A step is done; the next begins only if it is wanted."""
        now = self.stepped = time.monotonic()
        self.wanted()
        if now - self.told < TELL and done < total:
            return
        self.told = now
        image = None
        if self.preview is not None and now - self.shown >= SHOW:
            self.shown, image = now, self.preview()
        try:
            self.leases.progress(self.job, min(done, total), total, image)
        except OperationalError as error:
            if not full(error):  # else what is done need not be told
                raise
        self.notify(self.job["id"])

    def wanted(self) -> None:
        """Lost, Stopped or TooLong where the job is to end."""
        if self.stopping():
            raise Stopped
        if time.monotonic() > self.over:
            raise TooLong
        self.leases.check(self.job)


def do(
    job: Job, options: spec.Options, solver_options: dict[str, Any], prior: Any,
    paths: Paths, watch: Watch,
) -> dict[str, Any]:  # fmt: skip
    """Restore and write the picture with everything beside it; the report.

    prior: the name, or the prior itself. Errors are those of the library.
    """
    restored = Restored(job["task"], options, solver_options, overwrite=False)
    restored.arguments["prior"] = prior
    restored.prepare()
    larger = enlarged(job["task"], json.loads(job["params"]))
    restored.arguments["solver"] = _shown(restored.arguments["solver"], watch, larger)
    result, report = restored.restored(paths, watch)
    place = Path(paths.target).parent
    told = {**report, "input": "image", "output": Path(paths.target).name}
    told["arguments"] = _without_paths(report["arguments"], Path(paths.source).parent)
    save(result, told, paths, (), overwrite=False)
    photo = read(result.pixels) if result.photo is None else result.photo
    keep(photo.with_pixels(result.pixels), result.repeatable, place)
    return told


def failed(error: Exception, job: Job, place: Path) -> dict[str, Any]:
    """An error of a job as problem details; no path of this machine is told."""
    if isinstance(error, TooLong):
        return {**Problem("took_long").content(), "title": "Took too long"}
    kinds = [kind.__name__ for kind in type(error).__mro__]
    code = next((CAUSES[kind] for kind in kinds if kind in CAUSES), "failed")
    failure = understood(error)
    if full(error):
        return {**Problem("disk_full").content(), "title": "No room"}
    if failure.code == NO_MEMORY:
        code = "no_memory"
    elif code == "failed" and (failure.code == USAGE or isinstance(error, ValueError)):
        code = "cannot"
    why = failure.message.replace(f"{place}/", "")
    field, rest = _named(why, job)
    problem = Problem(code, field=field, why=rest).content()
    return {**problem, "title": TITLES.get(code, "Cannot be restored")}


def _named(why: str, job: Job) -> tuple[str | None, str]:
    """The part of the form, or the parameter, that a message begins with; and what follows."""
    first, _, rest = why.partition(": ")
    first = first.removeprefix("mask ")
    uploads = {file: name for name, file in json.loads(job["uploads"]).items()}
    if first in uploads or first in uploads.values():
        return uploads.get(first, first), rest
    if job["task"] in spec.TASKS and first in spec.TASKS[job["task"]].model_fields:
        return f"params.{first}", rest
    return None, why


def _shown(solver: Any, watch: Watch, larger: int) -> Any:
    """The solver, leaving with the watch how each of its states is drawn.

    larger: how many times the picture is larger than what was measured; what lies around is cut.
    """

    @wraps(solver)
    def shown(
        measurement: Measurement[Operator], prior: Prior, *rest: Any, **options: Any
    ) -> Iterator[State]:
        for state in solver(measurement, prior, *rest, **options):
            height, width = (larger * side for side in measurement.y.shape[2:])
            watch.preview = lambda state=state, height=height, width=width: preview(
                centre(prior.decode(state.x0), height, width)
            )
            yield state

    return shown


def centre(pixels: Tensor, height: int, width: int) -> Tensor:
    """The middle of (B, 3, H, W): blurred photos are restored with a margin."""
    top, left = max(0, pixels.shape[2] - height) // 2, max(0, pixels.shape[3] - width) // 2
    return pixels[:, :, top : top + height, left : left + width]


@torch.no_grad()
def preview(pixels: Tensor) -> str:
    """The first picture of (B, 3, H, W), small, as the address of a JPEG in base64."""
    from PIL import Image

    height, width = pixels.shape[2:]
    shrink = max(1.0, max(height, width) / PREVIEW)
    small = torch.nn.functional.interpolate(
        pixels[:1].float(), (max(1, int(height / shrink)), max(1, int(width / shrink))), mode="area"
    )
    samples = (small[0].clamp(0, 1).nan_to_num() * 255).round().byte().permute(1, 2, 0).cpu()
    stream = io.BytesIO()
    Image.fromarray(samples.numpy()).save(stream, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def _without_paths(arguments: dict[str, Any], place: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(arguments).replace(f"{place}/", ""))
    return told
