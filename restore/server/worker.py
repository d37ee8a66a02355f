"""The process that owns the device: takes one job after the other until its input ends.

    python -m restore.server.worker

Standard input: the settings in one line, then a line whenever there is something to do; its end
says that the server is gone or wants the worker to stop. Standard output: "ready", "beat", or the
id of a job that changed. The job under way goes back into the queue when the worker stops.
"""

import json
import os
import shutil
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from restore.server.database import full, lock
from restore.server.leases import Leases, Lost
from restore.server.log import log
from restore.server.offered import card, held, priors_of
from restore.server.pace import remember
from restore.server.record import Job
from restore.server.settings import ATTEMPTS, LEASE, Serve, read_told
from restore.server.store import Store

PATIENCE = 10.0
"""Seconds that a step may still take when the worker is to stop."""
ROOM = 3.0
"""Seconds until a full disk is tried again."""


T = TypeVar("T")
Work = Callable[[Job, Path, Path, Any], dict[str, Any]]
"""Does a job: where its uploads are, where its files go, who watches; its report."""


class Worker:
    """Takes jobs from the store, does them, tells their end."""

    def __init__(self, settings: Serve) -> None:
        self.settings = settings
        self.store = Store(Path(settings.store))
        self.leases = Leases(self.store)
        self.stop, self.wake = threading.Event(), threading.Event()
        self.jobs: dict[str, tuple[Job, float]] = {}
        """Those under way, and when they began."""
        self._out, self._said = sys.stdout, threading.Lock()

    def run(self) -> None:
        """Work until told to stop; PriorError, ValueError where the settings cannot be."""
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()
        held = lock(self.store.folder / "worker.lock", seconds=3 * PATIENCE)
        # Whoever had the lock before is dead, and its leases with it.
        for name in self.leases.recover(float("inf")):
            self.say(name)
        from restore.server.catalogue import catalogue, defaults

        cards = {name: card(name, self.settings) for name in self.settings.priors}
        self.store.tell("priors", cards)
        self.store.tell("defaults", defaults())
        self.store.tell("catalogue", catalogue())
        with self._restorers() as (work, count):
            self.say("ready")
            others = [threading.Thread(target=self._take, args=(work,)) for _ in range(count - 1)]
            for other in others:
                other.start()
            self._take(work)
            for other in others:
                other.join()
        held.close()

    @contextmanager
    def _restorers(self) -> Iterator[tuple[Work, int]]:
        """What does a job, and how many it does at once."""
        if self.settings.engine == "ray":
            from restore.cluster.service import deployed

            with deployed(self.settings) as found:
                yield found
        else:
            yield partial(done, self.settings, priors_of(self.settings)), 1

    def _take(self, work: Work) -> None:
        """Do one job after the other until told to stop."""
        while not self.stop.is_set():
            self.wake.clear()
            job = self._recorded(self.leases.claim)
            if job is None:
                self.wake.wait(1.0)
                continue
            self.jobs[job["id"]] = job, time.monotonic()
            try:
                self._do(job, work)
            finally:
                del self.jobs[job["id"]]

    def say(self, word: str) -> None:
        """A line to the server."""
        with self._said:
            self._out.write(word + "\n")
            self._out.flush()

    def _do(self, job: Job, work: Work) -> None:
        from restore.server.doing import Stopped, Watch, failed
        from restore.server.interrupting import interruptible

        self.say(job["id"])
        place = self.store.place(job["id"])
        result = place / job["token"]
        report = error = None
        try:
            result.mkdir()
            watch = Watch(self.leases, job, self.settings.limit, self.stop.is_set, self.say)
            with interruptible(watch) if self.settings.engine == "local" else nullcontext():
                report = work(job, place, result, watch)
        except Stopped:
            self._back(job, result, tried=False)
            return
        except Lost:
            log("job left", job=job["id"])
        except Exception as exception:
            if full(exception):
                shutil.rmtree(result, ignore_errors=True)
                if job["attempts"] < ATTEMPTS:
                    self._back(job, result, tried=True)
                    self.stop.wait(ROOM)
                    return
            error = getattr(exception, "problem", None) or failed(exception, job, place)
            log("job failed", job=job["id"], error=error["detail"], kind=type(exception).__name__)
        self._finish(job, place, result, report, error)

    def _back(self, job: Job, result: Path, *, tried: bool) -> None:
        shutil.rmtree(result, ignore_errors=True)
        self._recorded(lambda: self.leases.put_back(job, tried=tried))
        log("job put back", job=job["id"], full=tried)
        self.say(job["id"])

    def _recorded(self, write: Callable[[], T]) -> T:
        """What a write to the store gives; where the disk is full, as soon as it is not."""
        while True:
            try:
                return write()
            except sqlite3.OperationalError as error:
                if not full(error) or self.stop.is_set():
                    raise
                log("disk is full", error=str(error))
                self.stop.wait(ROOM)

    def _finish(
        self, job: Job, place: Path, result: Path, report: dict[str, Any] | None,
        error: dict[str, Any] | None,
    ) -> None:  # fmt: skip
        from restore.server.pictures import size

        seconds = round(time.monotonic() - self.jobs[job["id"]][1], 3)
        kept = 0 if report is None else size(place)
        state = self._recorded(lambda: self.leases.finish(job, kept, report=report, error=error))
        if state is None:
            shutil.rmtree(result, ignore_errors=True)
            log("job lost", job=job["id"])
            return
        for path in place.iterdir() if place.is_dir() else ():
            if state != "succeeded" or (path.is_dir() and path != result):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if state == "succeeded" and report is not None:
            self._recorded(lambda: remember(self.store, report, seconds))
        log("job ended", job=job["id"], task=job["task"], state=state, seconds=seconds)
        self.say(job["id"])

    def _listen(self) -> None:
        for _ in sys.stdin:
            self.wake.set()
        self.finish()

    def finish(self) -> None:
        """Stop after the step under way, or without it where it takes too long."""
        self.stop.set()
        self.wake.set()
        timer = threading.Timer(PATIENCE, os._exit, [1])
        timer.daemon = True
        timer.start()

    def _beat(self) -> None:
        """Say that it lives, unless a job takes so long that something must hang."""
        while not self.stop.wait(LEASE / 5):
            jobs = [*self.jobs.values()]
            now = time.monotonic()
            if any(now - began > self.settings.limit + LEASE for _, began in jobs):
                continue
            for job, _ in jobs:
                with suppress(sqlite3.OperationalError):  # a full disk is met where it matters
                    self.leases.beat(job)
            self.say("beat")


def done(
    settings: Serve, priors: dict[str, Any], job: Job, place: Path, result: Path, watch: Any
) -> dict[str, Any]:
    """Do a job whose uploads lie in place, and leave its files in result; the report."""
    from restore.commands.files import Job as Paths
    from restore.server.doing import do
    from restore.server.estimating import estimate
    from restore.server.schemas import ESTIMATE
    from restore.server.tasks import options_of

    uploads = {name: str(place / file) for name, file in json.loads(job["uploads"]).items()}
    params = json.loads(job["params"])
    if job["task"] == ESTIMATE:
        name = params.get("prior", settings.priors[0])
        source = Path(uploads["image"])
        prior = held(priors[name], settings)
        return {**estimate(source, prior, settings.device, result, watch), "prior": name}
    options, solver_options = options_of(job["task"], params, uploads, settings)
    suffix = Path(uploads["image"]).suffix
    paths = Paths(uploads["image"], str(result / f"result{suffix}"), Path(f"image{suffix}"))
    return do(job, options, solver_options, priors[options.prior], paths, watch)


def main() -> int:
    """Run a worker; the exit code."""
    from restore.commands.failure import understood

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group
    os.environ.pop("PHOTOMEND_TRACEBACK", None)
    worker = Worker(read_told(sys.stdin.readline()))
    signal.signal(signal.SIGTERM, lambda *_: worker.finish())
    try:
        worker.run()
    except Exception as error:
        failure = understood(error)
        log("worker cannot start", error=failure.message)
        return failure.code
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # nothing is left to be done, and Python takes seconds to take torch apart
