"""A manifest: what a run over many photos has done, so that the same command goes on there.

A file of JSON lines: first the command and its options, then a line when a photo is begun and one
when it is finished, each on the disk before the run goes on. A line that was torn is dropped.
"""

import errno
import hashlib
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from restore.commands.failure import Refusal
from restore.commands.files import Job

_BEGINNING = b'{"task": '


class Manifest:
    """The records of a run; `settings` are what every photo is restored with, JSON-able."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        """Read the file or begin it. Refusal where it is none, or of a run with other settings."""
        self.path = path
        self._lock = threading.Lock()
        self._records: dict[str, dict[str, Any]] = {}
        settings = json.loads(json.dumps(settings, default=str))
        lines = _read(path)
        if not lines:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._append(settings)
            return
        first, *records = lines
        if changes := _changes(first, settings):
            raise Refusal(
                f"--manifest {path}: is of a run with {changes}; give the same options, or "
                "another manifest"
            )
        for record in records:
            self._records[record["output"]] = record

    def finished(self, job: Job) -> bool:
        """Whether the job is done: recorded, and its picture is still what was written."""
        record = self._records.get(job.target, {})
        return record.get("status") == "ok" and fingerprint(job.target) == record["picture"]

    def begun(self, job: Job) -> bool:
        """Whether a run has begun the job and was ended before it could say how it went."""
        return self._records.get(job.target, {}).get("status") == "begun"

    def begin(self, *jobs: Job) -> None:
        """Record that jobs are at work."""
        self._record(jobs, {"status": "begun"})

    def end(
        self, job: Job, error: str | None = None, picture: dict[str, Any] | None = None
    ) -> None:
        """Record that the job is done, or why it failed; picture: its fingerprint, if known."""
        if error is None:
            self._record([job], {"status": "ok", "picture": picture or fingerprint(job.target)})
        else:
            self._record([job], {"status": "failed", "error": error})

    def _record(self, jobs: Sequence[Job], said: dict[str, Any]) -> None:
        records = [{"input": job.source, "output": job.target, **said} for job in jobs]
        self._records |= {record["output"]: record for record in records}
        self._append(*records)

    def _append(self, *records: dict[str, Any]) -> None:
        with self._lock, self.path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                lines = b"".join(json.dumps(record).encode() + b"\n" for record in records)
                if file.write(lines) < len(lines):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise


def _read(path: Path) -> list[dict[str, Any]]:
    """The lines of the file; one that was torn is cut off."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    try:
        records = [json.loads(line) for line in whole.splitlines()]
        known = [{"task", "options"} <= one.keys() for one in records[:1]]
        known += [{"output", "status"} <= one.keys() for one in records[1:]]
    except (ValueError, AttributeError):
        known = [False]
    if not all(known) or not (whole or _BEGINNING.startswith(data[: len(_BEGINNING)])):
        raise Refusal(f"--manifest {path}: is something else; name another file")
    if len(whole) < len(data):
        os.truncate(path, len(whole))
    return records


def _changes(old: dict[str, Any], new: dict[str, Any]) -> str:
    """What differs, as "deblur --steps 20": the words of the old run."""
    if old["task"] != new["task"]:
        return str(old["task"])
    names = {**old["options"], **new["options"]}
    return ", ".join(
        f"--{name.replace('_', '-')} {old['options'].get(name)}"
        for name in names
        if old["options"].get(name) != new["options"].get(name)
    )


def fingerprint(path: str) -> dict[str, Any] | None:
    """Size and SHA-256 of a file; None where there is none."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return {"bytes": file.tell(), "sha256": digest}
    except OSError:
        return None
