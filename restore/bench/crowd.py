"""Clients that ask a server for jobs at the same time, and what became of the jobs."""

import http.client
import json
import math
import sqlite3
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from restore.bench.served import Client, Served, form
from restore.encode import encode

PAUSE = 0.25
"""Seconds between two looks at a job."""
SIDE = 32
ENDED = ("succeeded", "failed", "canceled")
"""The states of a job that is over."""


class Crowd:
    """Clients and what they met: statuses, seconds by question, the jobs that were accepted."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.statuses: Counter[int] = Counter()
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.accepted: list[str] = []
        self.pictures = 0
        self.errors: list[BaseException] = []
        self._lock = threading.Lock()
        self._photo = _photo()

    def run(self, clients: int, more: Callable[[int], bool]) -> list[threading.Thread]:
        """Start clients; each asks for its job number n as long as more(n)."""
        threads = [
            threading.Thread(target=self._client, args=(number, more), daemon=True)
            for number in range(clients)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _client(self, number: int, more: Callable[[int], bool]) -> None:
        client = Client(self.served)
        job = 0
        try:
            while more(job):
                self._one(client, f"{number}-{job}")
                job += 1
        except BaseException as error:
            self.errors.append(error)
        finally:
            client.close()

    def _one(self, client: Client, key: str) -> None:
        fields = {"task": "deblur", "params": json.dumps({"kernel": "disk:1", "noise": 0.05})}
        body, headers = form(fields, {"image": self._photo})
        headers["Idempotency-Key"] = key
        status, answer = self._asked(client, "POST /v1/jobs", "POST", "/v1/jobs", body, headers)
        if status != 202:
            return
        job = json.loads(answer)
        self.accepted.append(job["id"])
        place = f"/v1/jobs/{job['id']}"
        while job["state"] not in ENDED:
            time.sleep(PAUSE)
            _, answer = self._asked(client, "GET /v1/jobs/{id}", "GET", place)
            job = json.loads(answer)
        kind = "GET /v1/jobs/{id}/result"
        status, _ = self._asked(client, kind, "GET", f"{place}/result")
        self.pictures += status == 200

    def _asked(
        self, client: Client, kind: str, method: str, path: str, body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:  # fmt: skip
        """An answer; asked again where the server was killed meanwhile."""
        while True:
            try:
                status, answer, seconds = client.ask(method, path, body, headers or {})
            except (OSError, http.client.HTTPException):  # it was killed meanwhile
                time.sleep(PAUSE)
                continue
            with self._lock:
                self.statuses[status] += 1
                self.seconds[kind].append(seconds)
            return status, answer


def _photo() -> bytes:
    """A small PNG: a ramp in two directions."""
    ramp = np.arange(SIDE, dtype=np.uint8) * (255 // SIDE)
    return encode(
        np.stack([ramp[:, None] + 0 * ramp, ramp + 0 * ramp[:, None]] * 2, -1)[..., :3],
        "PNG",
        "photo",
    )


def outcome(crowd: Crowd, store: Path) -> dict[str, Any]:
    """What became of the jobs, by the store's own record."""
    if crowd.errors:
        raise crowd.errors[0]
    found = ends(store)
    return {
        "accepted": len(crowd.accepted),
        "lost": len(set(crowd.accepted) - found["once"] - found["more"]),
        "doubled": len(found["more"]) + len(crowd.accepted) - len(set(crowd.accepted)),
        "succeeded": found["succeeded"],
        "pictures": crowd.pictures,
        "answers": sum(crowd.statuses.values()),
        "server_errors": sum(count for status, count in crowd.statuses.items() if status >= 500),
        "statuses": {str(status): count for status, count in sorted(crowd.statuses.items())},
    }


def ends(store: Path) -> dict[str, Any]:
    """Jobs by how often they ended, and how many succeeded."""
    with closing(sqlite3.connect(store / "jobs.sqlite", timeout=20)) as database:
        rows = database.execute(
            "SELECT job, COUNT(*), SUM(kind = 'succeeded') FROM events "
            "WHERE kind IN (?, ?, ?) GROUP BY job",
            ENDED,
        ).fetchall()
    return {
        "jobs": len(rows),
        "once": {job for job, count, _ in rows if count == 1},
        "more": {job for job, count, _ in rows if count > 1},
        "succeeded": sum(good for _, _, good in rows),
    }


def latency(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds: the median, the 99th of a hundred, the longest."""
    ordered = sorted(seconds)
    last = ordered[min(len(ordered) - 1, math.ceil(0.99 * len(ordered)) - 1)]
    figures = {"p50": median(ordered), "p99": last, "longest": ordered[-1]}
    return {"count": len(ordered), **{name: 1000 * each for name, each in figures.items()}}
