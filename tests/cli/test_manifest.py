"""Folders that take long: a record that outlives kill -9, and a disk that is really full."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from restore.commands.failure import Refusal
from restore.commands.files import Job
from restore.commands.manifest import Manifest
from tests.cli.conftest import WHITE, Command, picture

COMMAND = (sys.executable, "-m", "restore.cli")
SETTINGS = {"task": "deblur", "options": {"steps": 1, "kernel": "disk:1", "noise": None}}
SOLVER = """
import time
from pathlib import Path
from restore.solvers import State
calls = []
def solver(measurement, prior, seeds):
    calls.append(1)
    if Path("wait").exists() and len(calls) == 2:
        print("begun", flush=True)
        time.sleep(600)
    x = prior.encode(measurement.operator.adjoint(measurement.y))
    yield State(1, 1, x, x)
"""
RUN = "deblur in -r -o out -k disk:1 --boundary reflect --noise 0.1".split()
RUN += [*"--solver steady:solver --manifest run.jsonl".split(), *WHITE]


def job(name: str) -> Job:
    return Job(f"in/{name}", f"out/{name}", Path(name))


def lines(path: str = "run.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.fixture
def album(folder: Path) -> Path:
    """in/a.png, in/b.png and in/sub/a.png, and a solver that waits at the second photo."""
    for index, name in enumerate(("a.png", "b.png", "sub/a.png")):
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(32, index).save(path)
    (folder / "steady.py").write_text(SOLVER)
    return folder


def test_a_run_goes_on_where_kill_9_ended_it(
    album: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in album.rglob("*.png")}
    Path("wait").touch()
    environment = {**os.environ, "PYTHONPATH": str(album)}
    words = [*COMMAND, *RUN]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"out/a.png\n"
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGKILL)
    assert [one["output"] for one in lines()[1:] if one["status"] == "ok"] == ["out/a.png"]
    begun = {one["output"] for one in lines()[1:] if one["status"] == "begun"}
    assert {"out/a.png", "out/b.png"} <= begun  # and the third, which is read meanwhile
    first = Path("out/a.png").stat().st_mtime_ns
    # as if it had been killed while it wrote
    Path("out/b.json").write_text("{}")
    Path("out/.b.png.0123.part").write_bytes(b"half")
    with Path("run.jsonl").open("a") as file:
        file.write('{"input": "in/su')
    Path("wait").unlink()
    monkeypatch.syspath_prepend(str(album))
    outcome = photomend(*RUN)
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines() == ["out/b.png", "out/sub/a.png"]
    assert Path("out/a.png").stat().st_mtime_ns == first
    made = {str(path.relative_to("out")) for path in Path("out").rglob("*.*")}
    assert made == {"a.png", "a.json", "b.png", "b.json", "sub/a.png", "sub/a.json"}
    made_once = sorted(one["output"] for one in lines()[1:] if one["status"] == "ok")
    assert made_once == ["out/a.png", "out/b.png", "out/sub/a.png"]
    assert photomend(*RUN).out == ""  # all is done
    assert {path: path.read_bytes() for path in before} == before


def test_a_picture_that_was_lost_is_made_again_and_one_that_was_changed_is_kept(
    album: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(album))
    assert photomend(*RUN).code == 0
    Path("out/a.json").unlink()
    Path("out/a.png").unlink()
    Path("out/b.png").write_bytes(b"mine")
    outcome = photomend(*RUN)
    assert outcome.out.splitlines() == ["out/a.png"]
    assert "out/b.png: exists, skipped" in outcome.err
    assert Path("out/b.png").read_bytes() == b"mine"


def test_a_bad_file_is_recorded_and_tried_again(
    album: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(album))
    good = Path("in/b.png").read_bytes()
    Path("in/b.png").write_bytes(good[:200])
    assert photomend(*RUN).code == 3
    (failed,) = (one for one in lines() if one.get("status") == "failed")
    assert failed["input"] == "in/b.png" and "cannot be decoded" in failed["error"]
    Path("in/b.png").write_bytes(good)
    assert photomend(*RUN).out.splitlines() == ["out/b.png"]


def test_other_options_are_refused_by_name(album: Path, photomend: Command) -> None:
    Manifest(Path("run.jsonl"), {"task": "upscale", "options": {}})
    outcome = photomend(*RUN)
    assert outcome.code == 2 and "is of a run with upscale" in outcome.err
    Path("run.jsonl").unlink()
    Manifest(Path("run.jsonl"), SETTINGS)
    with pytest.raises(Refusal, match="is of a run with --steps 1, --noise None;"):
        changed = {"steps": 2, "kernel": "disk:1", "noise": 0.1}
        Manifest(Path("run.jsonl"), {"task": "deblur", "options": changed})
    assert len(lines()) == 1


@pytest.mark.parametrize("content", [b"\x89PNG\r\n", b"[1]\n", b'{"a": 1}\n', b"a photo's notes"])
def test_a_file_that_is_no_manifest_is_left_alone(folder: Path, content: bytes) -> None:
    path = folder / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(Refusal, match="is something else"):
        Manifest(path, SETTINGS)
    assert path.read_bytes() == content


def test_a_manifest_torn_at_any_byte_is_read(folder: Path) -> None:
    path = folder / "run.jsonl"
    Path("out").mkdir()
    Path("out/a.png").write_bytes(b"picture")
    manifest = Manifest(path, SETTINGS)
    manifest.begin(job("a.png"))
    manifest.end(job("a.png"))
    whole = path.read_bytes()
    ends = [place for place, byte in enumerate(whole, start=1) if byte == ord("\n")]
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        again = Manifest(path, SETTINGS)
        assert again.begun(job("a.png")) == (ends[1] <= length < ends[2])
        assert again.finished(job("a.png")) == (length == ends[2])
        assert path.read_bytes() == whole[: max([ends[0], *(end for end in ends if end <= length)])]


def test_what_is_recorded_is_the_picture(folder: Path) -> None:
    Path("out").mkdir()
    Path("out/a.png").write_bytes(b"picture")
    manifest = Manifest(folder / "run.jsonl", SETTINGS)
    manifest.end(job("a.png"))
    digest = hashlib.sha256(b"picture").hexdigest()
    assert lines()[-1]["picture"] == {"bytes": 7, "sha256": digest}
    assert manifest.finished(job("a.png")) and not manifest.finished(job("b.png"))
    Path("out/a.png").write_bytes(b"pictures")
    assert not manifest.finished(job("a.png"))


def test_the_picture_in_standard_output_has_no_manifest(photo: Path, photomend: Command) -> None:
    outcome = photomend("deblur", photo, "-k", "disk:1", "-o", "-", "--manifest", "run.jsonl")
    assert outcome.code == 2 and "--manifest" in outcome.err and not Path("run.jsonl").exists()


FULL = 'mount -t tmpfs -o size=32k none "$1" && shift && "$@"; code=$?; ls -A small; exit $code'


@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare: cannot mount a small disk")
def test_a_disk_that_is_full_is_told_and_nothing_is_half_written(album: Path) -> None:
    Path("small").mkdir()
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets no user mount a disk")
    Image.effect_noise((192, 192), 80).convert("RGB").save("large.png")
    words = [*COMMAND, "upscale", "large.png", "in/a.png", "-o", "small", "-f", "2", "--quiet"]
    words += ["--solver", "steady:solver", *WHITE]
    environment = {**os.environ, "PYTHONPATH": str(album)}
    shell = ["unshare", "-rm", "sh", "-c", FULL, "sh", "small", *words]
    done = subprocess.run(shell, env=environment, capture_output=True, check=False, text=True)
    written = done.stdout.split()
    # the second photo was under way, and there may be room for it
    assert (done.returncode, written) in [(1, []), (3, ["a.json", "a.png"])], done.stderr
    (line,) = done.stderr.splitlines()
    assert "small/large.png" in line and "No space left on device" in line
