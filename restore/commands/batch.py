"""Photo after photo: skip what is done, tell what failed and go on, one result a photo."""

import glob
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restore.commands.failure import FAILED, Failure, Refusal, overall, understood
from restore.commands.files import STREAM, Job
from restore.commands.manifest import Manifest
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
) -> int:
    """Do the jobs; the exit code. endings: of the files written beside each picture.

    settings: the command and its options, for the manifest.
    """
    if any(job.target == STREAM for job in jobs) and (manner.as_json or manner.manifest):
        flag = "--json" if manner.as_json else "--manifest"
        raise Refusal(f"{flag}: the picture itself goes to standard output; use -o FILE")
    record = None if manner.manifest is None else Manifest(Path(manner.manifest), settings or {})
    failures: list[Failure] = []
    succeeded = 0
    with Progress(len(jobs), quiet=manner.quiet) as progress:
        for job in jobs:
            progress.photo(job.source)
            outcome, failure = _one(job, tuple(endings), work, manner, progress, record)
            _tell(job, outcome, manner, progress)
            if failure is None:
                succeeded += 1
                continue
            failures.append(failure)
            if failure.fatal:
                break
    return overall(failures, succeeded)


def _one(
    job: Job,
    endings: tuple[str, ...],
    work: Work,
    manner: Manner,
    progress: Progress,
    record: Manifest | None,
) -> tuple[dict[str, Any], Failure | None]:
    if record and (record.finished(job) or _ended(job, endings, record, manner)):
        return {"status": "skipped"}, None
    if job.target != STREAM and not manner.overwrite:
        if os.path.exists(job.target):
            return {"status": "skipped"}, None
        for path in (job.beside(ending) for ending in endings):
            if path.exists():
                line = f"{path}: exists already; --overwrite replaces it"
                return {"status": "failed", "error": line}, Failure(line, FAILED)
    if record:
        record.begin(job)
    try:
        report = work(job, progress)
    except Exception as error:
        failure = understood(error)
        if record:
            record.end(job, failure.message)
        return {"status": "failed", "error": failure.message}, failure
    if record:
        record.end(job)
    return {"status": "done", "report": report}, None


def _ended(job: Job, endings: tuple[str, ...], record: Manifest, manner: Manner) -> bool:
    """Whether a run that was killed had written the picture, its last file; clears up if not."""
    if not record.begun(job):
        return False
    if os.path.exists(job.target) and not manner.overwrite:
        record.end(job)
        return True
    for path in (Path(job.target), *map(job.beside, endings)):
        for torn in path.parent.glob(f".{glob.escape(path.name[:100])}.*.part"):
            torn.unlink(missing_ok=True)
        if not manner.overwrite:
            path.unlink(missing_ok=True)
    return False


def _tell(job: Job, outcome: dict[str, Any], manner: Manner, progress: Progress) -> None:
    """The result on standard output: the path, or one JSON object; what is wrong on the other."""
    if outcome["status"] == "failed":
        named = outcome["error"].startswith(job.source)
        progress.warn(f"error: {'' if named else job.source + ': '}{outcome['error']}")
    if outcome["status"] == "skipped":
        progress.say(f"{job.target}: exists, skipped (--overwrite redoes it)")
    if manner.as_json:
        sys.stdout.write(json.dumps({"input": job.source, "output": job.target, **outcome}) + "\n")
    elif outcome["status"] == "done" and job.target != STREAM and not manner.quiet:
        sys.stdout.write(job.target + "\n")
    sys.stdout.flush()


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
