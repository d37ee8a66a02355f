"""The installed command as a process: pipes, signals, terminals."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from restore.cli import main
from restore.commands import tasks
from restore.commands.progress import Progress
from restore.solvers import State
from tests.cli.conftest import WHITE

COMMAND = (sys.executable, "-m", "restore.cli")
SOLVER = """
import time
def solver(measurement, prior, seeds):
    print("begun", flush=True)
    time.sleep(600)
    yield
"""


def test_a_pipe_through_the_command(photo: Path) -> None:
    words = [*COMMAND, "deblur", "-", "-k", "disk:1", "--steps", "1", "--quiet", *WHITE]
    done = subprocess.run(words, input=photo.read_bytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"\x89PNG")
    assert done.stderr == b""


def test_a_signal_leaves_no_file(photo: Path) -> None:
    Path("slow.py").write_text(SOLVER)
    words = [*COMMAND, "deblur", str(photo), "-k", "disk:1", "--solver", "slow:solver", *WHITE]
    environment = {**os.environ, "PYTHONPATH": str(Path().resolve())}
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=environment, stdout=pipe, stderr=pipe) as process:
        assert process.stdout
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate()
    assert process.returncode == 130
    assert error == b"photomend: interrupted\n"
    assert {p.name for p in Path().glob("*.*")} == {"photo.png", "slow.py"}


def test_a_reader_that_leaves_is_no_traceback(photo: Path) -> None:
    words = [*COMMAND, "--help"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_plain_progress_tells_step_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 150.0, 165.0])
    monkeypatch.setattr("restore.commands.progress.time.monotonic", lambda: next(clock))
    with Progress(2) as told:
        told.photo("a.png")
        told.step(1, 10)  # after an estimate: how long a step takes is not known
        told.step(4, 10)
    assert capsys.readouterr().err == "[1/2] a.png: step 4 of 10, 30 s left\n"


def test_progress_counts_trials_and_samples() -> None:
    """A trial has other steps than were asked for; it comes before the samples."""

    def solver(*, steps: int = 5) -> Iterator[State]:
        x = torch.zeros(1)
        yield from (State(step, steps, x, x) for step in range(1, steps + 1))

    told: list[tuple[int, int]] = []
    progress = cast(Progress, SimpleNamespace(step=lambda done, total: told.append((done, total))))
    watched = tasks._watched({"solver": solver}, 2, progress)
    runs: list[dict[str, Any]] = [{"steps": 2}, {}, {}, {}]
    assert [len(list(watched(**options))) for options in runs] == [2, 5, 5, 5]
    assert told[:3] == [(1, 12), (2, 12), (3, 12)]
    assert told[11] == (12, 12) and told[12] == (13, 17)  # once more than was expected
    assert watched.__name__ == "solver"


def test_quiet_progress_tells_only_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(1, quiet=True) as told:
        told.photo("a.png")
        told.say("hidden")
        told.warn("shown")
    assert capsys.readouterr().err == "shown\n"


def test_a_terminal_gets_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with Progress(1) as told:
        told.photo("a [b].png")  # brackets are no markup
        told.step(3, 8)
        told.warn("error: [red] a.png")
    error = capsys.readouterr().err
    assert "a [b].png" in error
    assert "3/8" in error
    assert "error: [red] a.png" in error


@pytest.mark.parametrize(("given", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_sleep_at_once_where_nobody_looks(
    monkeypatch: pytest.MonkeyPatch, given: str | None, expected: str
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
    if given is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    assert main(["doctor", "--help"]) == 0
    assert os.environ["OMP_WAIT_POLICY"] == expected
