"""The benchmark of intervals: factors, coverage, holes apart, and what the command writes."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from restore.bench import interval
from restore.bench.interval import Case, spearman, summarise
from restore.bench.protocol import BenchError
from restore.cli import main
from restore.uncertainty import FACTORS, HOLE_FACTORS
from tests.drawings import scene


def case(group: str, task: str, scale: float, hole: bool = False) -> Case:
    """Ratios even in [0, scale]; in half of them a hole, if there is one."""
    ratios = torch.linspace(0, scale, 1001)
    inside = torch.arange(1001) % 2 == 1 if hole else torch.zeros(1001, dtype=torch.bool)
    return Case(task, group, {8: ratios}, inside, 30.0, 0.5)


def test_factors_are_quantiles_of_the_set_to_fit_and_holes_have_their_own() -> None:
    found = summarise([case("a", "x4", 5.0), case("b", "x4", 5.0)], "a")
    assert found["factors"]["0.9"] == pytest.approx(4.5)
    assert found["hole_factors"] is None
    assert found["coverage"]["8"]["0.9"]["x4"] == pytest.approx(FACTORS[0.9] / 5, abs=2e-3)
    assert found["coverage"]["8"]["0.9"]["holes"] is None


def test_values_in_holes_are_held_by_wider_intervals() -> None:
    cases = [case(group, "box", 20.0, hole=True) for group in ("a", "b")]
    found = summarise(cases, "a")
    row = found["coverage"]["8"]["0.9"]
    assert row["holes"] == pytest.approx(HOLE_FACTORS[0.9] / 20, abs=2e-3)
    assert row["box"] == pytest.approx((HOLE_FACTORS[0.9] + FACTORS[0.9]) / 40, abs=2e-3)
    assert found["hole_factors"]["0.5"] == pytest.approx(10, abs=0.05)


def test_spearman_is_of_ranks() -> None:
    a = torch.rand(50, generator=torch.Generator().manual_seed(0))
    assert spearman(a, a.exp()) == pytest.approx(1)
    assert spearman(a, -a) == pytest.approx(-1)


@pytest.mark.slow
def test_the_command_writes_what_it_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = (255 * scene(64)[0, 0]).byte().numpy()
    for name in ("imagenet10", "ffhq10"):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "one.png")
    words = ["bench", "interval", str(tmp_path), "--size", "64", "--samples", "2", "--json"]
    assert main([*words, "--tasks", "box", "-o", str(tmp_path / "out")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "report.json").read_text())
    row = printed["coverage"]["2"]["0.9"]
    assert 0 <= row["holes"] <= 1 and row["all"] == row["box"]
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| draws | level | all | box | holes |" in text and "; in holes " in text


def test_a_set_to_fit_and_another_are_needed(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "one.png")
    with pytest.raises(BenchError, match="fit: imagenet10 must be one set of several"):
        interval.main(tmp_path, output=tmp_path, report=lambda _: None)
