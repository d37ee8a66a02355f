"""What a cluster cannot do is said in one line, before anything is begun."""

import socket
from typing import Any

import pytest

from restore import spec
from restore.cluster import connection
from restore.cluster.connection import CPU, GPU, MEMORY, devices
from restore.commands.failure import Refusal
from tests.cli.conftest import Command, picture
from tests.cluster.conftest import needs_ray

NODES = [
    {CPU: 4.0, MEMORY: 8e9},
    {CPU: 9.0, MEMORY: 32e9, GPU: 2.0},
]


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, float]]:
    """A cluster of two nodes, one with two cards."""
    alive = [dict(node) for node in NODES]
    monkeypatch.setattr(connection, "_nodes", lambda: alive)
    return alive


def asked(**options: Any) -> spec.Options:
    return spec.Deblur.model_validate(options)


@pytest.mark.parametrize(
    ("options", "count", "takes", "threads"),
    [
        ({}, 2, {GPU: 1}, 4),
        ({"device": "cuda"}, 2, {GPU: 1}, 4),
        ({"device": "cpu"}, 3, {CPU: 4}, 4),
        ({"device": "cpu", "max_memory": "6GB"}, 3, {CPU: 4, MEMORY: 6e9}, 4),
        ({"device": "cpu", "max_memory": "20GB"}, 1, {CPU: 4, MEMORY: 20e9}, 4),
    ],
)
def test_a_restorer_on_every_device(
    nodes: Any, options: dict[str, Any], count: int, takes: dict[str, float], threads: int
) -> None:
    assert devices(asked(**options), 4) == connection.Devices(count, takes, threads)


def test_a_node_that_has_fewer_processors_than_threads_still_works(nodes: Any) -> None:
    found = devices(asked(device="cpu"), 64)
    assert (found.count, found.threads) == (1, 9)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"device": "cuda"}, "1 card is needed, the cluster has 0 on 1 nodes; add a node"),
        ({"device": "cuda:1"}, "use auto, cuda or cpu"),
        ({"device": "mps"}, "use auto, cuda or cpu"),
        ({"max_memory": "64GB"}, "64 GB: no node has as much for Ray, the largest 8 GB; give less"),
    ],
)
def test_a_device_that_is_missing_is_one_line(
    nodes: list[Any], options: dict[str, Any], word: str
) -> None:
    del nodes[1]
    with pytest.raises(Refusal, match=word) as refusal:
        devices(asked(**options), 4)
    assert "\n" not in str(refusal.value)


@needs_ray
def test_a_cluster_that_does_not_answer_is_one_line(folder: Any, photomend: Command) -> None:
    for name in ("a.png", "b.png"):
        picture(16).save(name)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        words = ("deblur", "a.png", "b.png", "-k", "disk:1", "--engine", "ray", "--ray-address")
        outcome = photomend(*words, address)
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    assert f"--ray-address {address}: no cluster answers" in line and "ray start --head" in line
    (line,) = photomend(*words, "nowhere").err.splitlines()
    assert "write it as host:port" in line
    assert not list(folder.glob("*.deblurred.png"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("s3://bucket/in", "-o", "out"), "s3://bucket/in: is read and written with --engine ray"),
        (("a.png", "-o", "s3://bucket/out"), "s3://bucket/out: is read and written"),
        (("-", "--engine", "ray"), "takes files, no standard input or output"),
    ],
)
def test_what_needs_a_cluster_and_what_has_none(
    folder: Any, photomend: Command, words: tuple[str, ...], told: str
) -> None:
    picture(16).save("a.png")
    outcome = photomend("deblur", *words, "-k", "disk:1")
    assert outcome.code == 2
    assert told in outcome.err
