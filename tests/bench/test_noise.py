"""The benchmark of the estimated noise: its figures and its files."""

import json
import math
from pathlib import Path

import pytest
import torch

from operators import Seeds
from restore.bench import noise
from restore.bench.noise import ratio, rounded, shares, shot
from restore.cli import main
from restore.images import read, write
from tests.drawings import scene


def test_shares_are_of_ratios_within_a_tenth() -> None:
    found = shares([1.0, 0.91, 1.09, 1.2, 0.7])
    assert found == {"near": 0.6, "mean": pytest.approx(0.98), "worst": 0.7}


@pytest.mark.parametrize("bits", [None, 8])
def test_a_photo_without_grain_has_a_ratio_of_one(bits: int | None) -> None:
    x = scene(192).expand(1, 3, -1, -1)
    assert ratio(x, 5 / 255, bits, Seeds(1)) == pytest.approx(1, abs=0.05)


def test_rounding_clips() -> None:
    y = torch.tensor([-0.5, 0.5, 1.5])
    assert (255 * rounded(y)).tolist() == [0, 128, 255]


def test_a_gain_is_counted_where_it_is_found() -> None:
    photos = [(0, torch.linspace(0.1, 0.8, 192).expand(1, 3, 192, 192))]
    row = shot(photos, 0.003, 1 / 255, 0)
    assert row["found"] == 1 and math.isclose(row["median"], 1, rel_tol=0.3)
    assert shot(photos, 0.0, 5 / 255, 0) == {"gain": 0.0, "sigma": 5.0, "found": 0}


def test_the_command_writes_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(noise, "LEVELS", (5,))
    write(read(scene(96)), tmp_path / "a.png")
    out = tmp_path / "out"
    assert main(["bench", "noise", str(tmp_path), "-o", str(out)]) == 0
    assert "| 5 | 8 | 1.000 |" in capsys.readouterr().out
    summary = json.loads((out / "report.json").read_text())
    assert [row["bits"] for row in summary["gaussian"]] == [32, 8]
    assert len(summary["shot"]) == len(noise.SHOT)
