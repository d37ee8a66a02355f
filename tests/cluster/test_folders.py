"""Folders on a real cluster: the same pictures, none lost and none twice, whatever is killed."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from restore.bench.nodes import Nodes
from restore.bench.scale import main
from restore.cluster.places import fetched, listed, put
from tests.cluster.conftest import PATIENCE, TOY, album, needs_ray, on, records, run, started


def wait(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    over = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < over, "waited in vain"
        time.sleep(0.1)


def same(names: list[str], one: str, other: str) -> bool:
    """Whether two folders hold these pictures, alike to the last byte, and nothing torn."""
    for folder in (one, other):
        files = {path.name for path in Path(folder).iterdir()}
        assert files == {*names, *(Path(name).stem + ".json" for name in names)}
    return all(Path(one, name).read_bytes() == Path(other, name).read_bytes() for name in names)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@needs_ray
@pytest.mark.slow
def test_a_folder_is_restored_as_on_one_machine(empty: Path) -> None:
    names = album(4)
    Path("in/02.png").write_bytes(Path("in/02.png").read_bytes()[:200])
    names.remove("02.png")
    ray = run("in", "-o", "out", "--steps", "2", "--engine", "ray")
    here = run("in", "-o", "here", "--steps", "2")
    assert (ray.returncode, here.returncode) == (3, 3), ray.stderr
    assert ray.stdout.split() == [f"out/{name}" for name in names]
    told = [re.sub(r"[\d.]+ s, \d+ MB", "", words) for words in (ray.stderr, here.stderr)]
    assert told[0].replace("out/", "here/") == told[1]
    assert same(names, "out", "here")


@needs_ray
@pytest.mark.slow
def test_a_store_is_restored_as_a_folder_is(two_nodes: Nodes, empty: Path) -> None:
    names = album(5, strange="a b%20\u00fc#[1].png")
    for name in names[1:]:
        put(Path("in", name).read_bytes(), f"s3://photos/in/{name}")
    words = ("s3://photos/in", "-o", "s3://photos/out/", *TOY, *on(two_nodes))
    first = run(*words, nodes=two_nodes)
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines() == [f"s3://photos/out/{name}" for name in names[1:]]
    put(Path("in", names[0]).read_bytes(), f"s3://photos/in/{names[0]}")
    again = run(*words, nodes=two_nodes)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines() == [f"s3://photos/out/{names[0]}"]
    assert run("in", "-o", "here", *TOY).returncode == 0
    for name in (*names, *(Path(name).stem + ".json" for name in names)):
        Path("out").mkdir(exist_ok=True)
        Path("out", name).write_bytes(fetched(f"s3://photos/out/{name}"))
    assert same(names, "out", "here")
    assert len(listed("s3://photos/out", recursive=True)) == 2 * len(names)


@needs_ray
def test_a_node_that_is_killed_loses_no_photo_and_doubles_none(
    two_nodes: Nodes, empty: Path
) -> None:
    names = album(14)
    words = ("in", "-o", "out", "--manifest", "run.jsonl", *TOY, *on(two_nodes))
    with started(*words, nodes=two_nodes) as process:
        wait(lambda: len(records("ok")) >= 3 or process.poll() is not None)
        two_nodes.kill(two_nodes.nodes.pop(0))
        out, err = process.communicate(timeout=PATIENCE)
    two_nodes.add()
    assert process.returncode == 0, err
    targets = [f"out/{name}" for name in names]
    assert out.split() == targets
    assert sorted(records("ok")) == targets
    here = run("in", "-o", "here", *TOY)
    assert here.returncode == 0, here.stderr
    assert same(names, "out", "here")


@needs_ray
@pytest.mark.slow
def test_a_run_that_is_killed_does_only_what_is_missing(two_nodes: Nodes, empty: Path) -> None:
    names = album(16)
    words = ("in", "-o", "out", "--manifest", "run.jsonl", *TOY, *on(two_nodes))
    with started(*words, nodes=two_nodes) as process:
        wait(lambda: len(records("ok")) >= 4 or process.poll() is not None)
        os.kill(process.pid, signal.SIGKILL)
    time.sleep(5)  # Ray ends what the dead run had begun
    before = {path: path.stat().st_mtime_ns for path in Path("out").glob("*.png")}
    assert 4 <= len(before) < len(names)
    again = run(*words, nodes=two_nodes)
    assert again.returncode == 0, again.stderr
    assert set(again.stdout.split()) == {f"out/{name}" for name in names} - {*map(str, before)}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    # here, with the same manifest, nothing is left to do
    here = run("in", "-o", "out", "--manifest", "run.jsonl", *TOY)
    assert (here.returncode, here.stdout) == (0, ""), here.stderr
    assert run("in", "-o", "here", *TOY).returncode == 0
    assert same(names, "out", "here")


@needs_ray
@pytest.mark.slow
def test_two_nodes_are_worth_more_than_one(tmp_path: Path) -> None:
    summary = main(files=16, size=64, seconds=1.5, nodes=(1, 2), output=tmp_path, report=print)
    one, two = summary["runs"][1:]
    assert (one["written"], two["written"], one["devices"], two["devices"]) == (16, 16, 1, 2)
    assert two["photos_per_second"] >= 1.7 * one["photos_per_second"]
