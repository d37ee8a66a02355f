"""Photo after photo: skip what is done, tell what failed and go on, one result a photo."""

import json
import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from restore.commands.certified import certified
from restore.commands.failure import FAILED, Failure, Refusal, overall, understood
from restore.commands.files import STREAM, Job, clear
from restore.commands.manifest import Manifest
from restore.commands.overlap import Device
from restore.commands.progress import Progress


@dataclass(frozen=True)
class Manner:
    """How a batch runs: replace what exists, one JSON object a photo, no progress, a record."""

    overwrite: bool = False
    as_json: bool = False
    quiet: bool = False
    manifest: str | None = None


Work = Callable[[Job, Progress], dict[str, Any]]
"""Makes and writes the picture of a job; gives its report."""


def process(
    jobs: list[Job],
    endings: Iterable[str],
    work: Work,
    manner: Manner,
    settings: dict[str, Any] | None = None,
    device: Device | None = None,
) -> int:
    """Do the jobs; the exit code. endings: of the files written beside each picture.

    settings: the command and its options, for the manifest. device: where work hands over what has
    to be done there; the rest of it then runs beside that of other photos.
    """
    check_streams(jobs, manner)
    with Progress(len(jobs), quiet=manner.quiet) as progress:
        batch = Batch(jobs, tuple(endings), manner, progress, settings)
        numbers = iter(range(len(jobs)))
        for number in numbers:
            progress.photo(jobs[number].source)
            if not batch.do(number, work):
                break
            if device is not None and batch.worked:
                # not before one is done: the first imports modules, which threads must not at once
                device.run(numbers, lambda number: batch.do(number, work))
                break
    return batch.code()


def check_streams(jobs: list[Job], manner: Manner) -> None:
    """Refusal where the picture and something else would go to standard output."""
    if any(job.target == STREAM for job in jobs) and (manner.as_json or manner.manifest):
        flag = "--json" if manner.as_json else "--manifest"
        raise Refusal(f"{flag}: the picture itself goes to standard output; use -o FILE")


@dataclass(frozen=True)
class End:
    """How a job ended: its report, or what failed, or neither: it was done before.

    lines: what else it has to say.
    """

    report: dict[str, Any] | None = None
    failure: Failure | None = None
    lines: Sequence[str] = ()


class Batch:
    """Jobs of which several may be under way; told in their order, whichever ends first."""

    def __init__(
        self,
        jobs: list[Job],
        endings: tuple[str, ...],
        manner: Manner,
        progress: Progress,
        settings: dict[str, Any] | None = None,
        out: TextIO | None = None,
    ) -> None:
        self.out = out or sys.stdout
        self.jobs, self.endings, self.manner, self.progress = jobs, endings, manner, progress
        path = manner.manifest
        self.record = None if path is None else Manifest(Path(path), settings or {})
        self.turn = 0
        """The number of the job that is to be told next."""
        self.worked = False
        """Whether a job was done in this run."""
        self.lock = threading.RLock()
        self._ended: dict[int, End] = {}
        self._failures: list[Failure] = []
        self._succeeded = 0

    def do(self, number: int, work: Work) -> bool:
        """Do a job and tell it; whether another one makes sense."""
        job = self.jobs[number]
        if (settled := self.settled(job)) is not None:
            return self.tell(number, settled)
        if self.record:
            self.record.begin(job)
        aside = Aside(self, number)
        try:
            end = End(report=work(job, aside), lines=aside.lines)
            self.worked = True
        except Exception as error:
            end = End(failure=understood(error), lines=aside.lines)
        if self.record:
            self.record.end(job, None if end.failure is None else end.failure.message)
        return self.tell(number, end)

    def settled(self, job: Job) -> End | None:
        """How the job ended before this run, or why it cannot begin; None where it is to do."""
        record, manner = self.record, self.manner
        if record and (record.finished(job) or _ended(job, self.endings, record, manner)):
            return End()
        if job.target == STREAM or manner.overwrite:
            return None
        if os.path.exists(job.target):
            return End()
        for path in map(job.beside, self.endings):
            if path.exists():
                line = f"{path}: exists already; --overwrite replaces it"
                return End(failure=Failure(line, FAILED))
        return None

    def tell(self, number: int, end: End) -> bool:
        """A job has ended; it is told when those before it are. Whether another makes sense."""
        with self.lock:
            self._ended[number] = end
            while self.turn in self._ended:
                self._tell(self.jobs[self.turn], self._ended.pop(self.turn))
                self.turn += 1
        return end.failure is None or not end.failure.fatal

    def code(self) -> int:
        """The exit code."""
        return overall(self._failures, self._succeeded)

    def _tell(self, job: Job, end: End) -> None:
        """The result on standard output: the path, or one JSON object; the rest on the other."""
        for line in end.lines:
            self.progress.say(line)
        failure, status = end.failure, "skipped" if end.report is None else "done"
        outcome: dict[str, Any] = {"status": status}
        if failure is None:
            self._succeeded += 1
        elif self._failures and self._failures[-1].fatal:
            return  # it was under way when the run came to its end, and fails alike
        else:
            self._failures.append(failure)
            source = "" if failure.message.startswith(job.source) else f"{job.source}: "
            self.progress.warn(f"error: {source}{failure.message}")
            outcome = {"status": "failed", "error": failure.message}
        if end.report is not None:
            outcome["report"] = end.report
            for line in certified(end.report) if "certificate" in end.report else ():
                self.progress.say(f"{job.source}: {line}")
        elif outcome["status"] == "skipped":
            self.progress.say(f"{job.target}: exists, skipped (--overwrite redoes it)")
        if self.manner.as_json:
            named = {"input": job.source, "output": job.target, **outcome}
            self.out.write(json.dumps(named) + "\n")
        elif outcome["status"] == "done" and job.target != STREAM and not self.manner.quiet:
            self.out.write(job.target + "\n")
        self.out.flush()


class Aside(Progress):
    """The progress of one of several photos under way; what it says waits for its turn."""

    def __init__(self, batch: Batch, number: int) -> None:
        super().__init__(len(batch.jobs), quiet=batch.manner.quiet)
        self.batch, self.number = batch, number
        self.lines: list[str] = []

    def step(self, done: int, total: int) -> None:
        """So many steps of the photo are done."""
        number, progress = self.number + 1, self.batch.progress
        if progress.number != number:
            progress.photo(self.batch.jobs[self.number].source, number)
        progress.step(done, total)

    def say(self, line: str) -> None:
        """A line for standard error; unless quiet."""
        with self.batch.lock:
            if self.batch.turn == self.number:
                self.batch.progress.say(line)
            else:
                self.lines.append(line)


def _ended(job: Job, endings: tuple[str, ...], record: Manifest, manner: Manner) -> bool:
    """Whether a run that was killed had written the picture, its last file; clears up if not."""
    if not record.begun(job):
        return False
    if os.path.exists(job.target) and not manner.overwrite:
        record.end(job)
        return True
    clear(job, endings)
    for path in (Path(job.target), *map(job.beside, endings)):
        if not manner.overwrite:
            path.unlink(missing_ok=True)
    return False


@contextmanager
def together(paths: Iterable[Path]) -> Iterator[None]:
    """Files that are written together: when the block fails, none is left that was not there."""
    paths = list(paths)
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    new = [path for path in paths if not path.exists()]
    try:
        yield
    except BaseException:
        for path in new:
            path.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a report, whole or not at all."""
    temporary = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}.part")
    try:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_stream(data: bytes) -> None:
    """A picture to standard output, never to a terminal."""
    if sys.stdout.isatty():
        raise Refusal("-o -: standard output is a terminal; redirect it, or use -o FILE")
    sys.stdout.buffer.write(data)
