"""The benchmark of strengths: its comparison, its table, and what the command writes."""

import json
from pathlib import Path

import pytest
from PIL import Image

from restore import solvers
from restore.bench import strengths
from restore.bench.protocol import BenchError
from restore.cli import main
from tests.drawings import scene


def test_every_strength_is_an_option_of_its_solver() -> None:
    for name, option in strengths.STRENGTHS.items():
        assert option in solvers.options(solvers.get(name))


def test_the_loss_is_what_the_default_lacks() -> None:
    found = strengths.compared({0.5: 20.0, 1.0: 22.0, 2.0: 23.5, 4.0: None})
    assert (found["factor"], found["best"], found["loss"]) == (2.0, 23.5, 1.5)
    assert strengths.compared({0.5: 20.0, 1.0: 22.0})["loss"] == 0
    assert strengths.compared({0.5: 20.0, 1.0: None})["loss"] is None


def test_a_solver_without_a_strength_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="solvers: ddnm; strengths have dpir"):
        strengths.main(tmp_path, chosen=["ddnm"], output=tmp_path, report=lambda _: None)


def test_the_command_writes_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    pixels = (255 * scene(64)[0, 0]).byte().numpy()
    Image.fromarray(pixels).save(tmp_path / "photos" / "one.png")
    monkeypatch.setattr(strengths, "FACTORS", (1.0, 1000.0))
    words = ["bench", "strengths", str(tmp_path / "photos"), "--size", "64", "--tasks", "x4,random"]
    assert main([*words, "--chosen", "dpir", "-o", str(tmp_path / "out"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "report.json").read_text())
    assert [row["task"] for row in printed["rows"]] == ["x4", "random"]
    for row in printed["rows"]:
        # a thousand times the weight of the prior washes everything out
        assert row["factor"] == 1 and row["loss"] == 0
        assert row["psnr"]["1000.0"] < row["default"] - 0.5
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| dpir | lambda_ | 0.00 | 0.00 | 0.00 |" in text
