"""What the routes work with: the store, the news, the worker; and waiting for a job."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from anyio.to_thread import run_sync
from fastapi import Request

from restore.server.log import log
from restore.server.problems import Problem
from restore.server.record import ENDED, Job
from restore.server.settings import Serve
from restore.server.store import Bounds, Store
from restore.server.supervisor import Hub, Supervisor
from restore.server.tasks import Tasks, tasks

KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment is sent."""
SWEEP = 30.0
"""Most seconds between two removals of what has expired."""


@dataclass
class Service:
    """One server."""

    settings: Serve
    store: Store
    hub: Hub = field(default_factory=Hub)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.settings, self.hub)
        self._tasks: Tasks | None = None

    @property
    def keep(self) -> float:
        """Seconds that results stay."""
        return self.settings.keep * 3600

    @property
    def bounds(self) -> Bounds:
        """Of the queue and the disk."""
        return Bounds(self.settings.queue, self.settings.disk_bytes)

    @property
    def tasks(self) -> Tasks:
        """What may be asked; Problem 503 before a worker has told its solvers and priors."""
        if self._tasks is not None:
            return self._tasks
        if not self.known:
            raise Problem("starting", seconds=2, headers={"Retry-After": "2"})
        priors: dict[str, Any] = self.store.fact("priors")
        readers = [name for name, card in priors.items() if card.get("text")]
        solvers: dict[str, Any] = self.store.fact("catalogue")
        usable = {name: each for name, each in solvers.items() if readers or not each.get("text")}
        found = tasks(usable, self.settings, readers)
        if self.supervisor.ready.is_set():  # else an earlier worker told it
            self._tasks = found
        return found

    @property
    def known(self) -> bool:
        """Whether a worker has told the solvers, and all the priors that clients may choose."""
        priors: dict[str, Any] = self.store.fact("priors") or {}
        told = self.store.fact("catalogue") is not None
        return told and all("text" in priors.get(name, {}) for name in self.settings.priors)

    def room(self, job: str) -> Callable[[int], bool]:
        """Whether a file of so many bytes may be kept with a job; it is counted then."""

        def kept(size: int) -> bool:
            try:
                return self.store.grow(job, size, self.bounds)
            except sqlite3.OperationalError:  # the disk itself is full
                return False

        return kept

    async def find(self, job: str, request: Request) -> Job:
        """The job; Problem 404 where there is none of this owner."""
        found = await run_sync(self.store.get, job, request.state.owner)
        if found is None:
            raise Problem("no_job", field="id")
        return found

    async def waited(self, job: Job, seconds: float, request: Request) -> Job:
        """The job at its end, or as it is after some seconds."""
        over = time.monotonic() + seconds
        with self.hub.listen(job["id"]) as news:
            while True:
                news.clear()
                job = await self.find(job["id"], request)
                left = over - time.monotonic()
                if job["state"] in ENDED or left <= 0 or self.hub.closing:
                    return job
                await _heard(news, min(left, KEEP_ALIVE))

    async def follow(self, job: str, after: int) -> AsyncIterator[bytes]:
        """The job's events after one of them, as they come, until its end."""
        yield b"retry: 2000\n\n"
        over = False
        with self.hub.listen(job) as news:
            while not self.hub.closing:
                news.clear()
                rows = await run_sync(self.store.events, job, after)
                for row in rows:
                    after = row["id"]
                    yield f"id: {after}\nevent: {row['kind']}\ndata: {row['data']}\n\n".encode()
                    if row["kind"] in ENDED:
                        return
                if over and not rows:
                    return  # removed, or its end was before the event heard last
                if not rows and not await _heard(news, KEEP_ALIVE):
                    over = not await run_sync(self.store.unfinished, job)
                    yield b": still here\n\n"

    async def sweep(self) -> None:
        """Remove what has expired, again and again."""
        while True:
            try:
                for job in await run_sync(self.store.expire, time.time(), self.keep):
                    self.hub.notify(job)
            except sqlite3.Error as error:  # such as a full disk; files go first, so there is room
                log("nothing expired", error=str(error))
            await asyncio.sleep(min(SWEEP, max(0.2, self.keep / 4)))


async def _heard(news: asyncio.Event, seconds: float) -> bool:
    """Whether there was news in time."""
    try:
        await asyncio.wait_for(news.wait(), seconds)
    except TimeoutError:
        return False
    return True
