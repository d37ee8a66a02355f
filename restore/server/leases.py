"""Jobs as the worker sees them: whoever holds a job's token may tell its progress and its end."""

import json
import time
import uuid
from typing import Any

from restore.server.problems import Problem
from restore.server.record import Job, add_event, end
from restore.server.settings import ATTEMPTS, LEASE
from restore.server.store import Store


class Lost(Exception):
    """The job is no longer this worker's, or was canceled."""


class Leases:
    """Takes, keeps and ends the jobs of a store."""

    def __init__(self, store: Store) -> None:
        self.store, self.database = store, store.database

    def recover(self, now: float) -> list[str]:
        """Put back what is leased until before now; what has taken its worker down too often fails.

        Gives the jobs.
        """
        with self.database.writing() as connection:
            dead = connection.execute(
                "SELECT * FROM jobs WHERE state = 'running' AND lease < ?", (now,)
            ).fetchall()
            for job in dead:
                if job["cancel"]:
                    end(connection, job, "canceled", 0)
                    self.store.drop(job["id"])
                elif job["attempts"] >= ATTEMPTS:
                    died = Problem("worker_died", count=job["attempts"]).content()
                    error = {**died, "title": "The worker died"}
                    connection.execute(
                        "UPDATE jobs SET error = ? WHERE id = ?", (json.dumps(error), job["id"])
                    )
                    end(connection, job, "failed", 0, error=error)
                    self.store.drop(job["id"])
                else:
                    _put_back(connection, job["id"])
        return [job["id"] for job in dead]

    def claim(self) -> Job | None:
        """The oldest job that waits, now this worker's; None where none waits."""
        with self.database.writing() as connection:
            rows = connection.execute(
                "UPDATE jobs SET state = 'running', token = ?, lease = ?, started = ?, "
                "attempts = attempts + 1, step = 0 WHERE number = (SELECT number FROM jobs "
                "WHERE state = 'queued' ORDER BY number LIMIT 1) RETURNING *",
                (uuid.uuid4().hex, time.time() + LEASE, time.time()),
            ).fetchall()
            if not rows:
                return None
            job: Job = rows[0]
            add_event(connection, job["id"], "running", {"attempt": job["attempts"]})
            return job

    def beat(self, job: Job) -> None:
        """Say that the job is still worked on."""
        with self.database.writing() as connection:
            connection.execute(
                "UPDATE jobs SET lease = ? WHERE id = ? AND token = ? AND state = 'running'",
                (time.time() + LEASE, job["id"], job["token"]),
            )

    def check(self, job: Job) -> None:
        """Lost where the job was canceled or is another's."""
        with self.database.connection() as connection:
            row = connection.execute(
                "SELECT 1 FROM jobs WHERE id = ? AND token = ? AND state = 'running' "
                "AND NOT cancel",
                (job["id"], job["token"]),
            ).fetchone()
        if row is None:
            raise Lost

    def progress(self, job: Job, step: int, steps: int, preview: str | None) -> None:
        """Tell how far it is; of previews, the last is kept. Lost as of `check`."""
        with self.database.writing() as connection:
            told = connection.execute(
                "UPDATE jobs SET step = ?, steps = ? WHERE id = ? AND token = ? "
                "AND state = 'running' AND NOT cancel",
                (step, steps, job["id"], job["token"]),
            )
            if not told.rowcount:
                raise Lost
            add_event(connection, job["id"], "progress", {"step": step, "steps": steps})
            if preview is not None:
                connection.execute(
                    "DELETE FROM events WHERE job = ? AND kind = 'preview'", (job["id"],)
                )
                add_event(connection, job["id"], "preview", {"step": step, "image": preview})

    def finish(
        self, job: Job, size: int, *, report: dict[str, Any] | None, error: dict[str, Any] | None
    ) -> str | None:
        """End the job: with a report it succeeded, with an error it failed, else it was canceled.

        The state; None where it is not this worker's any more; then nothing happened.
        """
        with self.database.writing() as connection:
            row = connection.execute(
                "SELECT * FROM jobs WHERE id = ? AND token = ? AND state = 'running'",
                (job["id"], job["token"]),
            ).fetchone()
            if row is None:
                return None
            if row["cancel"] or (report is None and error is None):
                end(connection, row, "canceled", 0)
                return "canceled"
            connection.execute(
                "UPDATE jobs SET report = ?, error = ?, step = steps WHERE id = ?",
                (_json(report), _json(error), job["id"]),
            )
            if error is not None:
                end(connection, row, "failed", 0, error=error)
                return "failed"
            end(connection, row, "succeeded", size)
            return "succeeded"

    def put_back(self, job: Job, *, tried: bool = False) -> None:
        """Let another worker do it, or this one later; tried: it counts as an attempt."""
        with self.database.writing() as connection:
            mine = connection.execute(
                "UPDATE jobs SET attempts = attempts - ? WHERE id = ? AND token = ? "
                "AND state = 'running'",
                (int(not tried), job["id"], job["token"]),
            )
            if mine.rowcount:
                _put_back(connection, job["id"])


def _put_back(connection: Any, job: str) -> None:
    connection.execute(
        "UPDATE jobs SET state = 'queued', token = NULL, lease = NULL, step = 0 WHERE id = ?",
        (job,),
    )
    add_event(connection, job, "queued", {"again": True})


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value)
