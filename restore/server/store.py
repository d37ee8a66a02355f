"""Jobs as the web process sees them: accepted once, looked at, canceled, expired."""

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restore.server.database import Database
from restore.server.record import STATES, Job, add_event, end, used

SELECT = """
    SELECT jobs.*, CASE state WHEN 'queued' THEN (
        SELECT COUNT(*) FROM jobs AS other
        WHERE other.state IN ('queued', 'running') AND other.number < jobs.number
    ) END AS ahead FROM jobs"""
"""Jobs, and how many go before one that is queued."""


class QueueFull(Exception):
    """As many jobs wait as may; seconds: after which it is worth another try."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class DiskFull(Exception):
    """Uploads and results take all the room that they may."""


class OtherRequest(Exception):
    """The idempotency key was used for another request."""


@dataclass(frozen=True)
class Bounds:
    """How many jobs may wait, how many bytes the store may hold."""

    queue: int
    disk: int


@dataclass(frozen=True)
class Asked:
    """A job as asked for; uploads: names of its files by what they are; bytes: room it needs."""

    id: str
    owner: str
    task: str
    params: dict[str, Any]
    uploads: dict[str, str]
    bytes: int
    fingerprint: str
    idempotency: str | None = None


class Store:
    """The jobs, events and results below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "jobs"
        self.results.mkdir(parents=True, exist_ok=True)
        self.database = Database(folder / "jobs.sqlite")

    def place(self, job: str) -> Path:
        """The folder of a job's files."""
        return self.results / job

    def add(self, asked: Asked, bounds: Bounds) -> tuple[Job, bool]:
        """The job, and whether it is new: the same idempotency key gives the same job.

        QueueFull, DiskFull, OtherRequest.
        """
        with self.database.writing() as connection:
            if known := _known(connection, asked):
                return known, False
            waiting = connection.execute(
                "SELECT COUNT(*) FROM jobs WHERE state IN ('queued', 'running')"
            ).fetchone()[0]
            if waiting >= bounds.queue:
                raise QueueFull(_seconds(connection, waiting))
            if used(connection) + asked.bytes > bounds.disk:
                raise DiskFull
            connection.execute(
                "INSERT INTO jobs (id, owner, task, params, uploads, created, bytes, idempotency, "
                "fingerprint) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(asked.id, asked.owner, asked.task, json.dumps(asked.params)),
                    *(json.dumps(asked.uploads), time.time(), asked.bytes, asked.idempotency),
                    asked.fingerprint,
                ),
            )
            add_event(connection, asked.id, "queued", {})
            return _job(connection, asked.id), True

    def get(self, job: str, owner: str) -> Job | None:
        """The job, if it is the owner's."""
        with self.database.connection() as connection:
            found: Job | None = connection.execute(
                f"{SELECT} WHERE id = ? AND owner = ?", (job, owner)
            ).fetchone()
            return found

    def page(self, owner: str, state: str | None, before: int | None, limit: int) -> list[Job]:
        """Jobs from the newest on, those below the number `before`."""
        with self.database.connection() as connection:
            return connection.execute(
                f"{SELECT} WHERE owner = ? AND state = COALESCE(?, state) "
                "AND number < ? ORDER BY number DESC LIMIT ?",
                (owner, state, 2**63 - 1 if before is None else before, limit),
            ).fetchall()

    def events(self, job: str, after: int) -> list[sqlite3.Row]:
        """What happened to a job after the event of that id."""
        with self.database.connection() as connection:
            return connection.execute(
                "SELECT id, kind, data FROM events WHERE job = ? AND id > ? ORDER BY id LIMIT 500",
                (job, after),
            ).fetchall()

    def unfinished(self, job: str) -> bool:
        """Whether the job is there and has not ended."""
        with self.database.connection() as connection:
            found = connection.execute(
                "SELECT 1 FROM jobs WHERE id = ? AND ended IS NULL", (job,)
            ).fetchone()
            return found is not None

    def cancel(self, job: str) -> Job:
        """Cancel now what is queued; what runs ends after its step."""
        with self.database.writing() as connection:
            connection.execute("UPDATE jobs SET cancel = 1 WHERE id = ?", (job,))
            found = _job(connection, job)
            if found["state"] == "queued":
                end(connection, found, "canceled", 0)
                self.drop(job)
            return _job(connection, job)

    def remove(self, job: str) -> None:
        """Forget a job that has ended."""
        self.drop(job)  # first: where the disk is full, nothing can be written before
        with self.database.writing() as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job,))
            connection.execute("DELETE FROM events WHERE job = ?", (job,))
        self.drop(job)  # what was kept meanwhile

    def grow(self, job: str, size: int, bounds: Bounds) -> bool:
        """Count bytes more of an ended job's files; False where it is gone, or there is no room."""
        with self.database.writing() as connection:
            if used(connection) + size > bounds.disk:
                return False
            grown = connection.execute(
                "UPDATE jobs SET bytes = bytes + ? WHERE id = ? AND NOT gone", (size, job)
            )
            return grown.rowcount == 1

    def expire(self, now: float, keep: float) -> list[str]:
        """Remove results whose time is over, and jobs after as long again; whose results went."""
        with self.database.connection() as connection:
            over = connection.execute(
                "SELECT id FROM jobs WHERE ended < ? AND NOT gone", (now - keep,)
            ).fetchall()
        jobs = [row["id"] for row in over]
        for job in jobs:
            self.drop(job)
            with self.database.writing() as connection:
                connection.execute("UPDATE jobs SET gone = 1, bytes = 0 WHERE id = ?", (job,))
                connection.execute("DELETE FROM events WHERE job = ?", (job,))
            self.drop(job)
        with self.database.writing() as connection:
            connection.execute("DELETE FROM jobs WHERE gone AND ended < ?", (now - 2 * keep,))
        return jobs

    def tidy(self) -> None:
        """Remove folders that no job knows: their upload was under way when the server died."""
        with self.database.connection() as connection:
            known = {row["id"] for row in connection.execute("SELECT id FROM jobs")}
        for place in self.results.iterdir():
            if place.name not in known:
                shutil.rmtree(place, ignore_errors=True)

    def drop(self, job: str) -> None:
        """Remove a job's files."""
        shutil.rmtree(self.place(job), ignore_errors=True)

    def fact(self, name: str) -> Any:
        """What was told under a name; None for nothing."""
        with self.database.connection() as connection:
            row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            return None if row is None else json.loads(row["value"])

    def tell(self, name: str, value: Any) -> None:
        """Keep a fact."""
        with self.database.writing() as connection:
            connection.execute("REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def counts(self) -> Iterator[tuple[str, int]]:
        """How many jobs are in each state."""
        with self.database.connection() as connection:
            rows = connection.execute("SELECT state, COUNT(*) FROM jobs GROUP BY state").fetchall()
        found = {row[0]: row[1] for row in rows}
        yield from ((state, found.get(state, 0)) for state in STATES)

    def tallies(self) -> list[sqlite3.Row]:
        """Jobs that ended since the store began, and their seconds, by task and state."""
        with self.database.connection() as connection:
            return connection.execute("SELECT * FROM tallies").fetchall()

    def used(self) -> int:
        """Bytes of the store."""
        with self.database.connection() as connection:
            return used(connection)


def _known(connection: sqlite3.Connection, asked: Asked) -> Job | None:
    if asked.idempotency is None:
        return None
    found: Job | None = connection.execute(
        f"{SELECT} WHERE owner = ? AND idempotency = ?", (asked.owner, asked.idempotency)
    ).fetchone()
    if found is not None and found["fingerprint"] != asked.fingerprint:
        raise OtherRequest
    return found


def _job(connection: sqlite3.Connection, job: str) -> Job:
    found: Job = connection.execute(f"{SELECT} WHERE id = ?", (job,)).fetchone()
    return found


def _seconds(connection: sqlite3.Connection, waiting: int) -> int:
    """Until an eighth of those that wait are done, from what jobs took so far."""
    count, seconds = connection.execute("SELECT SUM(count), SUM(seconds) FROM tallies").fetchone()
    each = seconds / count if count else 1.0
    return min(600, max(1, round(each * waiting / 8)))
