"""The service's restorers as Ray Serve replicas; jobs, events and results stay with the server.

A job's uploads travel to a replica, its steps and previews come back as they happen, and at last
its files. Who stops listening ends the restoration at its next step.
"""

import asyncio
import hashlib
import json
import tempfile
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from restore import spec
from restore.cluster.connection import CPU, GPU, connected, devices
from restore.commands.progress import Progress
from restore.server.doing import SHOW, Watch, failed
from restore.server.leases import Lost
from restore.server.log import log
from restore.server.offered import priors_of
from restore.server.record import Job
from restore.server.settings import ATTEMPTS, Serve, read_told
from restore.server.worker import Work, done

HEALTH = {"health_check_period_s": 5, "health_check_timeout_s": 30}
Event = tuple[str, Any]


class Failed(Exception):
    """What went wrong in a replica, as problem details."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem["detail"])
        self.problem = problem


class Relay(Watch):
    """Sends on what a restoration tells; ends it when nobody listens any more."""

    def __init__(self, send: Callable[[Event], None]) -> None:
        Progress.__init__(self, 1, quiet=True)
        self.send, self.shown, self.left = send, time.monotonic(), threading.Event()
        self.preview: Callable[[], str] | None = None

    def step(self, done: int, total: int) -> None:
        """A step is done; Lost where the next is not wanted."""
        if self.left.is_set():
            raise Lost
        image = None
        if self.preview is not None and time.monotonic() - self.shown >= SHOW:
            self.shown, image = time.monotonic(), self.preview()
        self.send(("step", (done, total, image)))


class Replica:
    """A restorer on one device; one job at a time."""

    def __init__(self, told: str, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)  # which the last bits of a sum depend on
        self.settings = read_told(told)
        self.priors = priors_of(self.settings)

    async def restore(self, job: dict[str, Any], files: dict[str, bytes]) -> AsyncIterator[Event]:
        """The events of a job, the last of which is "done" with its report and files, or "failed".

        In a thread, so that Ray Serve can ask meanwhile whether the replica is well.
        """
        events: asyncio.Queue[Event] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def send(event: Event) -> None:
            loop.call_soon_threadsafe(events.put_nowait, event)

        relay = Relay(send)
        work = loop.run_in_executor(None, self._work, job, files, relay)
        try:
            while True:
                event = await events.get()
                yield event
                if event[0] in ("done", "failed"):
                    return
        finally:
            relay.left.set()
            await work

    def _work(self, job: dict[str, Any], files: dict[str, bytes], relay: Relay) -> None:
        with tempfile.TemporaryDirectory(prefix="photomend-") as folder:
            place = Path(folder)
            result = place / "result"
            result.mkdir()
            for name, data in files.items():
                (place / name).write_bytes(data)
            named: Any = job
            try:
                report = done(self.settings, self.priors, named, place, result, relay)
            except Exception as error:
                relay.send(("failed", failed(error, named, place)))
                return
            made = {path.name: path.read_bytes() for path in result.iterdir()}
            relay.send(("done", (report, made)))


@contextmanager
def deployed(settings: Serve) -> Iterator[tuple[Work, int]]:
    """What does a job on the cluster, and how many it does at once; Refusal as of `connected`."""
    import torch

    with connected(settings.ray_address), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray import serve

        found = devices(spec.Upscale(device=settings.device), torch.get_num_threads())
        name = "photomend-" + hashlib.sha256(str(settings.store).encode()).hexdigest()[:12]
        replicas = serve.deployment(
            Replica,
            max_ongoing_requests=1,
            autoscaling_config={
                "min_replicas": 1,
                "max_replicas": found.count,
                "target_ongoing_requests": 1,
                "upscale_delay_s": 1,
                "look_back_period_s": 5,
                "metrics_interval_s": 1,
            },
            ray_actor_options={
                "num_cpus": found.takes.get(CPU, 0), "num_gpus": found.takes.get(GPU, 0),
            },
            **HEALTH,
        )  # fmt: skip
        serve.start(proxy_location="Disabled", logging_config={"log_level": "ERROR"})
        bound = replicas.bind(settings.told(), found.threads)
        handle = serve.run(bound, name=name, route_prefix=None)
        try:
            yield _Remote(handle), found.count
        finally:
            serve.delete(name)


class _Remote:
    """Does jobs by the replicas; again where one dies, but not for ever."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle.options(stream=True)

    def __call__(self, job: Job, place: Path, result: Path, watch: Watch) -> dict[str, Any]:
        from ray.exceptions import RayError

        names = json.loads(job["uploads"]).values()
        files = {name: (place / name).read_bytes() for name in names}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._heard(dict(job), files, result, watch)
            except RayError as error:
                log("replica died", job=job["id"], attempt=attempt, kind=type(error).__name__)
                time.sleep(1.0)
        raise RuntimeError(f"it ended its restorer {ATTEMPTS} times; a smaller tile needs less")

    def _heard(
        self, job: dict[str, Any], files: dict[str, bytes], result: Path, watch: Watch
    ) -> dict[str, Any]:
        events = self.handle.restore.remote(job, files)
        try:
            for kind, told in events:
                if kind == "failed":
                    raise Failed(told)
                if kind == "done":
                    report, made = told
                    for name, data in made.items():
                        (result / name).write_bytes(data)
                    return dict(report)
                count, total, image = told
                watch.preview = None if image is None else lambda image=image: image
                watch.step(count, total)
        finally:
            events.cancel()
        raise RuntimeError("the restorer said nothing more")
