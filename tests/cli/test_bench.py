"""photomend bench: lists of noise levels and steps, progress, what is refused, and peers."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from restore.commands import progress
from tests.cli.conftest import Command, picture

WORDS = ("--tasks", "x4", "--size", 32)


@pytest.fixture
def photos(folder: Path) -> Path:
    """A folder with one photo."""
    (folder / "photos").mkdir()
    picture(32).save(folder / "photos" / "a.png")
    return Path("photos")


def test_noise_levels_and_steps_are_lists(
    photos: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def run(place: Path | None, **options: Any) -> dict[str, Any]:
        asked.append(options)
        return {}

    monkeypatch.setattr("restore.bench.main", run)
    assert photomend("bench", photos, "--json").code == 0
    words = ("--sigma", "6.375/255,0.05", "--steps", "10,20,50")
    assert photomend("bench", photos, *words, "--json").code == 0
    assert [(one["sigma"], one["steps"]) for one in asked] == [
        ((0.025, 0.05), None),
        ((0.025, 0.05), (10, 20, 50)),
    ]


def test_progress_is_told_with_the_time_left(
    photos: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    words = ("bench", photos, *WORDS, "--methods", "lanczos,dpir", "--steps", "1,2")
    first = photomend(*words)
    assert first.code == 0, first.err
    lines = first.err.splitlines()
    steps = [line for line in lines if line.startswith("[1/1] estimates: step")]
    # One photo, one task, two noise levels; lanczos and dpir with two numbers of steps.
    assert [line.split(",")[0] for line in steps] == [
        f"[1/1] estimates: step {k} of 6" for k in range(2, 7)
    ]
    assert all(line.endswith("s left") for line in steps)
    assert steps[-1].endswith("0 s left")
    assert any(line.startswith("1/1 photos/a, x4, sigma 0.05: lanczos") for line in lines)
    again = photomend(*words)
    # All is known: no estimate is made, and the tables are the same, but for the times.
    assert "estimates" not in again.err
    tables = [out.split("## Speed")[0] for out in (first.out, again.out)]
    assert tables[0] == tables[1]
    assert "curves-0.05.png" in tables[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--sigma", "0.025,0"), "--sigma: got '0.025,0', it must be greater than 0"),
        (("--sigma", "0.025,-1"), "--sigma: got '0.025,-1'"),
        (("--sigma", "nan"), "--sigma: got 'nan'"),
        (("--sigma", ""), "--sigma: got ''"),
        (("--steps", "10,0"), "--steps: got '10,0'"),
        (("--steps", "ten"), "--steps: got 'ten'"),
        (("--methods", "dpri"), "did you mean dpir"),
        (("--tasks", "x3"), "there are gaussian"),
    ],
)
def test_bad_lists_are_refused_in_a_line_before_any_work(
    photos: Path, photomend: Command, words: tuple[str, str], told: str
) -> None:
    outcome = photomend("bench", photos, *words)
    assert outcome.code == 2
    assert told in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert not Path("out").exists()


def test_peers_without_deepinv_names_the_extra(
    folder: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "deepinv", None)
    outcome = photomend("bench", "peers", "--sizes", "64")
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    assert line.endswith("pip install 'photomend[deepinv]'")
    assert not Path("out").exists()


def test_peers_passes_its_options_on(
    photomend: Command, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    asked: list[dict[str, Any]] = []

    def run(**options: Any) -> dict[str, Any]:
        options.pop("report")("a line")
        asked.append(options)
        return {"operators": []}

    monkeypatch.setattr("restore.bench.deepinv_peers.main", run)
    outcome = photomend("bench", "peers", "--sizes", "64,128", "--batches", 2, "--json")
    assert (outcome.code, outcome.err) == (0, "a line\n")
    assert json.loads(outcome.out) == {"operators": []}
    given = {"sizes": (64, 128), "batches": (2,), "steps": 10, "prior": "embedded"}
    assert asked == [{**given, "output": Path("out/bench-peers")}]
