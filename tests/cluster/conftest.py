"""Photos, and the command line in a process of its own, here and on a cluster of this machine."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from restore.bench.nodes import Nodes, cluster, free_port
from tests.cli.conftest import folder as folder
from tests.cli.conftest import photomend as photomend
from tests.cli.conftest import picture
from tests.cluster.toys import VARIABLE

PATIENCE = 300.0
"""Seconds that a command may take on a busy machine."""
ROOT = Path(__file__).resolve().parents[2]
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'photomend[ray]'"
)
WORDS = ("-k", "disk:1", "--boundary", "reflect", "--noise", "0.02", "--seed", "3")
TOY = ("--solver", "tests.cluster.toys:steady", "--prior", "restore.bench.white:white")


def album(count: int, strange: str | None = None) -> list[str]:
    """Photos to restore, in the folder "in", the last with a strange name; their names, sorted."""
    names = [f"{number:02}.png" for number in range(count)]
    names[-1] = strange or names[-1]
    Path("in").mkdir()
    for number, name in enumerate(names):
        picture(32, number).save(Path("in") / name)
    return sorted(names)


def command(*words: str) -> list[str]:
    """A deblurring by the command line."""
    return [sys.executable, "-m", "restore.cli", "deblur", *words, *WORDS]


def environment(nodes: Nodes | None = None, seconds: float = 0.0) -> dict[str, str]:
    """Of a command; seconds: that the toy solver takes on this machine, not on the nodes."""
    base = {**os.environ} if nodes is None else nodes.environment
    return {**base, "PYTHONPATH": str(ROOT), VARIABLE: str(seconds)}


def run(*words: str, nodes: Nodes | None = None) -> subprocess.CompletedProcess[str]:
    """A deblurring to its end; nodes: that it may reach."""
    with started(*words, nodes=nodes) as process:
        out, err = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@contextmanager
def started(*words: str, nodes: Nodes | None = None) -> Iterator[subprocess.Popen[str]]:
    """A deblurring under way, ended with the block; nodes: that it may reach."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command(*words), env=environment(nodes), stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def on(nodes: Nodes) -> tuple[str, ...]:
    """The words that name a cluster."""
    return ("--engine", "ray", "--ray-address", nodes.address)


def records(status: str, path: str = "run.jsonl") -> list[str]:
    """The outputs that a manifest tells of, in its order."""
    if not Path(path).exists():
        return []
    whole = Path(path).read_text().rpartition("\n")[0].splitlines()[1:]
    told: list[dict[str, Any]] = [json.loads(line) for line in whole]
    return [one["output"] for one in told if one["status"] == status]


@pytest.fixture(scope="module")
def two_nodes(store: str) -> Iterator[Nodes]:
    """A cluster of two nodes that reach the store, on which the toy solver takes half a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "0.5")
        with cluster(2) as nodes:
            yield nodes


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of a server that stores as Amazon's S3 does, with a bucket "photos"; its keys."""
    pytest.importorskip("moto")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    with (
        pytest.MonkeyPatch.context() as patch,
        subprocess.Popen(words, stdout=quiet, stderr=quiet) as server,
    ):
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        for name, value in {**keys, "AWS_ENDPOINT_URL": address, "AWS_REGION": "us-east-1"}.items():
            patch.setenv(name, value)
        try:
            ask(f"{address}/photos", "PUT")
            yield address
        finally:
            server.kill()


def ask(address: str, method: str, data: bytes | None = None) -> None:
    """Ask a server on this machine for something, as soon as it answers."""
    over = time.monotonic() + 60
    while True:
        try:
            urlopen(Request(address, data, {"Content-Type": "text/plain"}, method=method)).close()
            return
        except HTTPError:
            raise
        except URLError:
            assert time.monotonic() < over, "no answer"
            time.sleep(0.1)
