"""Photos under way together: the same pictures, in order, one at a time on the device."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from restore.commands import overlap, tasks
from restore.commands.overlap import IN_FLIGHT, Device, Stop
from tests.cli.conftest import WHITE, Command, picture

COMMAND = (sys.executable, "-m", "restore.cli")
WORDS = ("deblur", "-k", "disk:1", "--noise", "2/255", "--camera", "srgb", "--steps", 2, *WHITE)
SOLVER = """
import json, threading, time
from pathlib import Path
from restore.solvers import State
def solver(measurement, prior, seeds):
    with open("trace", "a") as trace:
        run = Path("run.jsonl")
        begun = [json.loads(line)["status"] for line in run.read_text().splitlines()[1:]]
        main = threading.current_thread() is threading.main_thread()
        trace.write(json.dumps([time.monotonic(), begun, main]) + "\\n")
        time.sleep(0.05)
        if Path("hang").exists() and len(begun) > 1:
            print("hanging", flush=True)
            time.sleep(600)
        trace.write(json.dumps([time.monotonic()]) + "\\n")
    x = prior.encode(measurement.operator.adjoint(measurement.y))
    yield State(1, 1, x, x)
"""


@pytest.fixture
def album(folder: Path) -> list[Path]:
    """Seven photos of several sizes and formats in in/, in their order; the fourth is broken."""
    Path("in").mkdir()
    names = [f"{k}.{'jpg' if k in (3, 5) else 'png'}" for k in range(7)]
    for k, name in enumerate(names):
        picture(32 + 8 * (k % 4), k).save(Path("in") / name)
    Path("in/3.jpg").write_bytes(Path("in/3.jpg").read_bytes()[:300])
    Path("watching.py").write_text(SOLVER)
    return [Path("in") / name for name in names]


def good(album: list[Path]) -> list[Path]:
    return [path for path in album if path.stem != "3"]


def test_the_pictures_are_those_of_one_after_the_other(
    album: list[Path], photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in good(album):
        assert photomend(*WORDS, path, "-o", "alone/").code == 0
    for out, large in (("small", overlap.LARGE), ("large", 40 * 40)):
        monkeypatch.setattr(tasks, "LARGE", large)
        outcome = photomend(*WORDS, "in", "-o", out)
        assert outcome.code == 3
        assert [Path(line).name for line in outcome.out.split()] == [p.name for p in good(album)]
        said = [line.removeprefix("error: ").split(":")[0] for line in outcome.err.splitlines()]
        assert said == sorted(said)
        assert outcome.err.count("error: in/3.jpg") == outcome.err.count("error: ") == 1
        for path in good(album):
            together, alone = (Path(place) / path.name for place in (out, "alone"))
            assert together.read_bytes() == alone.read_bytes(), path
            assert settled(together.with_suffix(".json")) == settled(alone.with_suffix(".json"))


def settled(path: Path) -> dict[str, Any]:
    """A report without what differs from run to run."""
    report = json.loads(path.read_text())
    return {k: v for k, v in report.items() if k not in ("seconds", "peak_memory_bytes", "output")}


def test_the_device_has_one_at_a_time_and_few_wait(
    album: list[Path], photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path().resolve()))
    words = ("deblur", "in", "-o", "out", "-k", "disk:1", *WHITE, "--solver", "watching:solver")
    outcome = photomend(*words, "--noise", "0.1", "--manifest", "run.jsonl", "--json")
    rows = [json.loads(line) for line in outcome.out.splitlines()]
    assert [row["input"] for row in rows] == [str(path) for path in album]
    trace = [json.loads(line) for line in Path("trace").read_text().splitlines()]
    moments = [line[0] for line in trace]
    assert len(moments) == 12
    assert moments == sorted(moments)  # none begins before the one before it ends
    assert all(main for _, _, main in trace[::2])
    waiting = [
        line.count("begun") - line.count("ok") - line.count("failed") for _, line, _ in trace[::2]
    ]
    assert 2 <= max(waiting) <= IN_FLIGHT
    busy = sum(end - begin for begin, end in zip(moments[::2], moments[1::2], strict=True))
    told = sum(row["report"]["seconds"] for row in rows if row["status"] == "done")
    assert busy <= told < busy + 2  # waiting for the device is not counted


def test_ctrl_c_is_clean(album: list[Path]) -> None:
    Path("hang").touch()
    words = [*COMMAND, "deblur", "in", "-o", "out", "-k", "disk:1", "--manifest", "run.jsonl"]
    words += [*WHITE, "--solver", "watching:solver"]
    environment = {**os.environ, "PYTHONPATH": str(Path().resolve())}
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=environment, stdout=pipe, stderr=pipe) as process:
        assert process.stdout
        assert process.stdout.readline() == b"out/0.png\n"
        assert process.stdout.readline() == b"hanging\n"
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert (process.returncode, error.splitlines()[-1]) == (130, b"photomend: interrupted")
    assert {path.name for path in Path("out").rglob("*")} == {"0.png", "0.json"}


def test_what_a_photo_raises_is_its_own() -> None:
    device, said = Device(), list[str]()

    def do(number: int) -> bool:
        try:
            device.call(lambda: 1 // (number - 1))
        except ZeroDivisionError:
            said.append(f"{number} {threading.current_thread() is threading.main_thread()}")
        return True

    device.run(range(3), do)
    assert said == ["1 False"]


def test_the_earliest_photo_comes_first_and_no_more_begin_after_the_last() -> None:
    device, order, ready = Device(), list[int](), threading.Barrier(IN_FLIGHT)

    def do(number: int) -> bool:
        if number == IN_FLIGHT - 1:
            device.call(ready.wait)  # all others have asked, too
        elif number < IN_FLIGHT:
            threading.Thread(target=ready.wait).start()
        device.call(lambda: order.append(number))
        return number < IN_FLIGHT

    device.run(range(100), do)
    assert sorted(order) == [*range(len(order))]
    assert len(order) <= 2 * IN_FLIGHT + 1


def test_an_interruption_reaches_whoever_waits() -> None:
    device, stopped = Device(), list[int]()

    def interrupt() -> None:
        raise KeyboardInterrupt

    def do(number: int) -> bool:
        try:
            device.call(interrupt)
        except Stop:
            stopped.append(number)
            raise
        return True

    with pytest.raises(KeyboardInterrupt):
        device.run(range(2), do)
    assert sorted(stopped) == [0, 1]


def test_an_error_outside_the_photos_ends_the_run() -> None:
    def do(number: int) -> bool:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        Device().run(range(5), do)
