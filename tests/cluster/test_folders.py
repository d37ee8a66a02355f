"""Folders on a real cluster: the same pictures, none lost and none twice, whatever is killed."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from restore.bench.nodes import Nodes
from restore.bench.scale import main
from tests.cluster.conftest import (
    TOY,
    album,
    command,
    environment,
    needs_ray,
    on,
    records,
    run,
)


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


@needs_ray
@pytest.mark.slow
def test_a_folder_is_restored_as_on_one_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = album(4)
    Path("in/02.png").write_bytes(Path("in/02.png").read_bytes()[:200])
    names.remove("02.png")
    ray = run("in", "-o", "out", "--steps", "2", "--engine", "ray")
    here = run("in", "-o", "here", "--steps", "2")
    assert (ray.returncode, here.returncode) == (3, 3), ray.stderr
    assert ray.stdout.split() == [f"out/{name}" for name in names]
    assert ray.stderr.replace("out/", "here/") == here.stderr
    assert same(names, "out", "here")


@needs_ray
@pytest.mark.slow
def test_a_node_that_is_killed_loses_no_photo_and_doubles_none(two_nodes: Nodes) -> None:
    names = album(24)
    words = ("in", "-o", "out", "--manifest", "run.jsonl", *TOY, *on(two_nodes))
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command(*words), env=environment(two_nodes), stdout=pipe, stderr=pipe, text=True
    ) as process:
        wait(lambda: len(records("ok")) >= 5 or process.poll() is not None)
        two_nodes.kill(two_nodes.nodes[0])
        out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    targets = [f"out/{name}" for name in names]
    assert out.split() == targets
    assert sorted(records("ok")) == targets
    here = run("in", "-o", "here", *TOY)
    assert here.returncode == 0, here.stderr
    assert same(names, "out", "here")


@needs_ray
@pytest.mark.slow
def test_a_run_that_is_killed_does_only_what_is_missing(two_nodes: Nodes) -> None:
    names = album(16)
    words = ("in", "-o", "out", "--manifest", "run.jsonl", *TOY, *on(two_nodes))
    with subprocess.Popen(
        command(*words), env=environment(two_nodes), stdout=subprocess.DEVNULL
    ) as process:
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
