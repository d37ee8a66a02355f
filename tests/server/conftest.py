"""A real server in a process of its own, on a free port of this machine."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from restore.bench.served import Served
from tests.cli.conftest import picture
from tests.priors import families

ROOT = Path(__file__).resolve().parents[2]
QUICK, SLOW = "restore.bench.white:white", "tests.server.toys:slow"


class Live(Served):
    """A server and a client of it; it may be killed and started again on the same store."""

    def __init__(self, store: Path, *words: str, **environment: str) -> None:
        super().__init__(store, *words, **environment)
        self.clients: list[httpx.Client] = []

    def start(self) -> Self:
        """Start it, with a new client."""
        super().start()
        self.clients.append(httpx.Client(base_url=self.address, timeout=60, trust_env=False))
        return self

    def stop(self) -> int:
        """Ask it to end; the exit code."""
        for client in self.clients:
            client.close()
        return super().stop()

    @property
    def http(self) -> httpx.Client:
        """The client of the server as it was started last."""
        return self.clients[-1]

    def ready(self) -> Self:
        """Wait until the worker takes jobs."""
        self.wait(lambda: self.http.get("/readyz").status_code == 200)
        return self

    def post(self, image: bytes | None = None, task: str = "deblur", **more: Any) -> httpx.Response:
        """Ask for a job; params as a dictionary, files by their names, headers."""
        headers, files = more.pop("headers", {}), more.pop("files", {})
        given = {"kernel": "disk:1", "noise": 0.05, "camera": "none"}
        params = (given if task == "deblur" else {}) | more
        named = {"image": png() if image is None else image, **files}
        form = {name: (f"{name}.png", data) for name, data in named.items()}
        data = {"task": task, "params": json.dumps(params)}
        return self.http.post("/v1/jobs", data=data, files=form, headers=headers)

    def job(self, **more: Any) -> dict[str, Any]:
        """A job that was accepted."""
        answer = self.post(**more)
        assert answer.status_code in (200, 202), answer.text
        job: dict[str, Any] = answer.json()
        return job

    def get(self, job: str, wait: int | None = None) -> dict[str, Any]:
        """A job as it stands, or as it ends."""
        headers = {} if wait is None else {"Prefer": f"wait={wait}"}
        found: dict[str, Any] = self.http.get(f"/v1/jobs/{job}", headers=headers).json()
        return found

    def events(self, job: str, last: int | None = None) -> list[tuple[int, str, dict[str, Any]]]:
        """All events of a job, from the stream, to its end: id, kind, data."""
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        text = self.http.get(f"/v1/jobs/{job}/events", headers=headers).text
        return parsed(text)


def parsed(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    """Server-sent events."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def png(side: int = 32, format: str = "PNG", **options: Any) -> bytes:
    """The bytes of a small picture."""
    stream = io.BytesIO()
    picture(side).save(stream, format, **options)
    return stream.getvalue()


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny prior that reads text: Stable Diffusion 1 with random weights."""
    return families.save("sd1", tmp_path_factory.mktemp("reader") / "sd1")


@pytest.fixture(scope="module")
def mixed(reader: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with a prior that reads no text, its default, and one that does."""
    store = tmp_path_factory.mktemp("mixed") / "store"
    live = Live(store, "--prior", f"{QUICK},{reader}").start().ready()
    yield live
    assert live.stop() == 0


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with a quick, a slow and the embedded prior, for tests that leave it alive."""
    store = tmp_path_factory.mktemp("server") / "store"
    live = Live(store, "--prior", f"{QUICK},{SLOW},embedded", "--queue", "500").start().ready()
    yield live
    assert live.stop() == 0


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Callable[..., Live]]:
    """Starts servers with their own settings, which end with the test."""
    started: list[Live] = []

    def start(*words: str, **environment: str) -> Live:
        priors = () if "--prior" in words else ("--prior", f"{QUICK},{SLOW}")
        live = Live(tmp_path / f"store{len(started)}", *priors, *words, **environment)
        started.append(live)
        return live.start()

    yield start
    for live in started:
        live.stop()
