"""Keeps one worker alive, tells it of new jobs, and tells those who listen what it says."""

import asyncio
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from restore.server.log import log
from restore.server.settings import LEASE, Serve

FIRST, LONGEST = 0.1, 5.0
"""Seconds before a dead worker is replaced; doubled while it dies young."""
PATIENCE = 15.0
"""Seconds that a worker has to stop."""
START = 120.0
"""Seconds that a worker may need to load torch and the priors."""


class Hub:
    """Who waits for news of which job."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self.closing = False

    @contextmanager
    def listen(self, job: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something happens to the job, until it is cleared."""
        event = asyncio.Event()
        self._waiting[job].add(event)
        try:
            yield event
        finally:
            self._waiting[job].discard(event)
            if not self._waiting[job]:
                del self._waiting[job]

    def notify(self, job: str) -> None:
        """Something happened to the job."""
        for event in self._waiting.get(job, ()):
            event.set()

    def close(self) -> None:
        """Wake everybody: the server stops."""
        self.closing = True
        for events in self._waiting.values():
            for event in events:
                event.set()


class Supervisor:
    """Starts the worker, and again whenever it dies or falls silent."""

    def __init__(self, settings: Serve, hub: Hub) -> None:
        self.settings, self.hub = settings, hub
        self.ready = asyncio.Event()
        self.failed: int | None = None
        self.restarts = 0
        self.process: asyncio.subprocess.Process | None = None
        self.stopping = False
        self.give_up: Callable[[], None] = lambda: None

    def wake(self) -> None:
        """Tell the worker that there is something to do."""
        self._write("wake\n")

    async def run(self) -> None:
        """Until `stop`, or until the first worker cannot start.

        Then `failed` is its exit code, and `give_up` is called.
        """
        wait = FIRST
        while True:
            began = asyncio.get_running_loop().time()
            code = await self._once()
            if self.stopping:
                return
            if not self.restarts and not self.ready.is_set() and code > 0:
                self.failed = code
                self.ready.set()
                self.give_up()
                return
            self.ready.clear()
            self.restarts += 1
            lived = asyncio.get_running_loop().time() - began
            wait = FIRST if lived > LONGEST else min(LONGEST, 2 * wait)
            log("worker died", code=code, seconds=round(lived, 1), restarts=self.restarts)
            await asyncio.sleep(wait)

    async def stop(self) -> None:
        """Let the worker put its job back and end."""
        self.stopping = True
        process = self.process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _once(self) -> int:
        """One life of a worker; its exit code."""
        pipe = asyncio.subprocess.PIPE
        words = (sys.executable, "-m", "restore.server.worker")
        self.process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe)
        log("worker started", pid=self.process.pid)
        self._write(self.settings.told() + "\n")
        assert self.process.stdout is not None
        while True:
            try:
                seconds = LEASE if self.ready.is_set() else START
                line = await asyncio.wait_for(self.process.stdout.readline(), seconds)
            except TimeoutError:
                log("worker is silent", pid=self.process.pid)
                self.process.kill()
                break
            if not line:
                break
            word = line.decode("utf-8", "replace").strip()
            if word == "ready":
                self.ready.set()
            elif word != "beat":
                self.hub.notify(word)
        return await self.process.wait()

    def _write(self, text: str) -> None:
        process = self.process
        if process is None or process.stdin is None or process.stdin.is_closing():
            return
        try:
            process.stdin.write(text.encode())
        except ConnectionError:
            return  # it died; its successor looks for itself
