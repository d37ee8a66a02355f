"""doctor, demo and bench: what they tell, and where."""

import inspect
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from restore import doctor
from restore.bench import latent
from tests.cli.conftest import Command, picture


def test_the_version_is_the_installed_one(photomend: Command) -> None:
    assert photomend("--version").out == f"photomend {version('photomend')}\n"


def test_nothing_asked_is_help(photomend: Command) -> None:
    assert photomend() == photomend("--help")
    assert photomend().code == 0


def test_doctor_says_that_all_is_well(photomend: Command) -> None:
    outcome = photomend("doctor")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert "prior embedded: loads" in lines
    assert any(line.startswith("packages torch: ") for line in lines)
    assert lines[-1] == "all is well"


def test_doctor_names_what_is_missing(photomend: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("torch", "no-such-package"))
    outcome = photomend("doctor", "--json")
    assert outcome.code == 1
    assert "no-such-package" in outcome.err
    report = json.loads(outcome.out)
    assert report["packages"]["no-such-package"] is None
    assert report["problems"] == outcome.err.splitlines()


def test_doctor_says_when_a_prior_does_not_load(
    photomend: Command, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr("priors.hub.EMBEDDED", folder)
    outcome = photomend("doctor")
    assert outcome.code == 1
    assert "model_index.json" in outcome.err
    assert "prior embedded: fails" in outcome.out


def test_demo_passes_its_options_on(
    photomend: Command, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    def run(
        output: Path, *, steps: int | None, seed: int, report: Callable[[str], None]
    ) -> list[dict[str, Any]]:
        report(f"{output} {steps} {seed}")
        return [{"name": "clock"}]

    monkeypatch.setattr("restore.demo.run", run)
    assert photomend("demo", "-o", "here", "--steps", 3).out == "here 3 0\n"
    quiet = photomend("demo", "--seed", 5, "--json")
    assert (quiet.out, quiet.err) == ('{"name": "clock"}\n', "out/demo None 5\n")


def test_demo_without_scikit_image_names_the_extra(
    photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: Any, **__: Any) -> None:
        raise ImportError("No module named 'skimage'")

    monkeypatch.setattr("restore.demo.run", run)
    outcome = photomend("demo")
    assert outcome.code == 1
    assert "photomend[demo]" in outcome.err


def test_bench_prints_its_table(photomend: Command, folder: Path) -> None:
    (folder / "photos").mkdir()
    picture(32).save(folder / "photos" / "a.png")
    words = ("bench", "photos", "--tasks", "x4", "--methods", "lanczos", "--size", 32)
    outcome = photomend(*words, "--sigma", "6.375/255")
    assert outcome.code == 0, outcome.err
    assert "lanczos" in outcome.out
    assert "| " in outcome.out
    report = json.loads((folder / "out" / "bench" / "report.json").read_text())
    assert report["settings"]["sigma"] == 0.025


def test_bench_prior_passes_its_options_on(
    photomend: Command, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    asked: list[Any] = []

    def run(place: Path | None, **options: Any) -> dict[str, Any]:
        options.pop("report")("a line")
        asked.append((place, options))
        options["output"].mkdir(exist_ok=True)
        (options["output"] / "report.md").write_text("# Prior")
        return {"all": {}}

    monkeypatch.setattr("restore.bench.prior.main", run)
    words = ("--limit", 3, "--peers", "nets", "--lpips-weights", "l.pth", "--prior", "mine")
    outcome = photomend("bench", "prior", "photos", *words, "-o", "here")
    assert (outcome.code, outcome.out, outcome.err) == (0, "# Prior\n", "a line\n")
    given = {"prior": "mine", "limit": 3, "peers": Path("nets"), "lpips_weights": Path("l.pth")}
    assert asked.pop() == (Path("photos"), {**given, "output": Path("here")})
    assert photomend("bench", "prior", "--json", "-o", "there").out == '{"all": {}}\n'
    (place, options) = asked.pop()
    assert (place, options["peers"], options["prior"]) == (None, None, "embedded")


def test_bench_without_a_subcommand_is_the_restoration(
    photomend: Command, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    asked: list[Any] = []

    def run(place: Path | None, **options: Any) -> dict[str, Any]:
        asked.append((place, options["tasks"]))
        return {}

    monkeypatch.setattr("restore.bench.main", run)
    for words in ((), ("--tasks", "x4"), ("photos",), ("restoration", "photos"), ("./prior",)):
        assert photomend("bench", *words, "--json").code == 0
    prior = Path("prior")
    photos = Path("photos")
    assert asked == [(None, None), (None, ["x4"]), (photos, None), (photos, None), (prior, None)]


def test_the_help_of_bench_names_subcommands_and_the_defaults_options(photomend: Command) -> None:
    text = photomend("bench", "--help").out
    for word in ("restoration", "prior", "--tasks", "--peers", "bench [OPTIONS] [folder]"):
        assert word in text
    assert photomend("bench", "-h").out == text
    assert "--tasks" not in photomend("bench", "prior", "--help").out


def test_bench_latent_passes_its_options_on(
    photomend: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def measured(place: Path, *, photos: Path, minutes: float, **options: Any) -> dict[str, Any]:
        asked.update(options, place=place, photos=photos, minutes=minutes)
        return {"all": {}}

    # the real signature takes what is given here
    assert {"photos", "minutes", "limit"} <= set(inspect.signature(latent.main).parameters)
    assert next(iter(inspect.signature(latent.main).parameters)) == "folder"
    monkeypatch.setattr("restore.bench.latent.main", measured)
    words = ("bench", "latent", "test", "--photos", "train", "--minutes", 2, "--json")
    assert photomend(*words).out == '{"all": {}}\n'
    assert (asked["place"], asked["photos"]) == (Path("test"), Path("train"))
    assert (asked["minutes"], asked["limit"]) == (2.0, 2)
