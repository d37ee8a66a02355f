"""Photos, and the command line in a process of its own, here and on a cluster of this machine."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from restore.bench.nodes import Nodes, cluster
from tests.cli.conftest import folder as folder
from tests.cli.conftest import photomend as photomend
from tests.cli.conftest import picture
from tests.cluster.toys import VARIABLE

ROOT = Path(__file__).resolve().parents[2]
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'photomend[ray]'"
)
WORDS = ("-k", "disk:1", "--boundary", "reflect", "--noise", "0.02", "--seed", "3")
TOY = ("--solver", "tests.cluster.toys:steady", "--prior", "restore.bench.white:white")


def album(count: int, folder: Path = Path("in")) -> list[str]:
    """Photos to restore; their names."""
    folder.mkdir(parents=True)
    for number in range(count):
        picture(32, number).save(folder / f"{number:02}.png")
    return sorted(path.name for path in folder.iterdir())


def command(*words: str) -> list[str]:
    """A deblurring by the command line."""
    return [sys.executable, "-m", "restore.cli", "deblur", *words, *WORDS]


def environment(nodes: Nodes | None = None, seconds: float = 0.0) -> dict[str, str]:
    """Of a command; seconds: that the toy solver takes on this machine, not on the nodes."""
    base = {**os.environ} if nodes is None else nodes.environment
    return {**base, "PYTHONPATH": str(ROOT), VARIABLE: str(seconds)}


def run(*words: str, nodes: Nodes | None = None) -> subprocess.CompletedProcess[str]:
    """A deblurring to its end; nodes: that it may reach."""
    return subprocess.run(
        command(*words), env=environment(nodes), capture_output=True, text=True, check=False
    )


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


@pytest.fixture
def two_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """A cluster of two nodes, on which the toy solver takes a second; an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "1")
    with cluster(2) as nodes:
        yield nodes
