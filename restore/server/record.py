"""What happens to a job is recorded in the transaction that changes its state."""

import json
import sqlite3
import time
from typing import Any

ENDED = ("succeeded", "failed", "canceled")
STATES = ("queued", "running", *ENDED)
Job = sqlite3.Row


def add_event(connection: sqlite3.Connection, job: str, kind: str, data: dict[str, Any]) -> None:
    """Something happened to a job."""
    connection.execute(
        "INSERT INTO events (job, kind, data) VALUES (?, ?, ?)", (job, kind, json.dumps(data))
    )


def end(connection: sqlite3.Connection, job: Job, state: str, size: int, **told: Any) -> None:
    """Set a job's last state; size: bytes of what is kept of it; told: the event's data."""
    now = time.time()
    connection.execute(
        "UPDATE jobs SET state = ?, ended = ?, lease = NULL, bytes = ? WHERE id = ?",
        (state, now, size, job["id"]),
    )
    connection.execute(
        "INSERT INTO tallies VALUES (?, ?, 1, ?) ON CONFLICT DO UPDATE "
        "SET count = count + 1, seconds = seconds + excluded.seconds",
        (job["task"], state, now - (job["started"] or now)),
    )
    add_event(connection, job["id"], state, told)


def used(connection: sqlite3.Connection) -> int:
    """Bytes of files and of the database."""
    held: int = connection.execute("SELECT COALESCE(SUM(bytes), 0) FROM jobs").fetchone()[0]
    pages: int = connection.execute("PRAGMA page_count").fetchone()[0]
    size: int = connection.execute("PRAGMA page_size").fetchone()[0]
    return held + pages * size
