"""The benchmark of blur that varies, with estimates that are known."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from operators import Seeds, kernels
from priors import load
from restore.bench import shake
from restore.blind import Blind, NotBlurred
from restore.cli import main
from tests.drawings import scene

SIZE = 170


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small photos, an estimate of one kernel that is never far off."""

    def estimate(y: Tensor) -> Blind:
        report = {"evidence": {}, "reduction": 1, "window": (0, 0, *y.shape[2:])}
        return Blind(kernels.gaussian(2.5), "gaussian", {"sigma": 2.5}, 0.01, 0.9, report)

    monkeypatch.setattr(shake, "LEAST", SIZE)
    monkeypatch.setattr(shake, "estimate_kernel", estimate)


@pytest.mark.slow
def test_the_command_writes_what_it_measured(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case: list[shake.Case] = []
    simulated = shake.simulated

    def remembered(name: str, x: Tensor, turn: float, seeds: Seeds) -> shake.Case:
        case[:] = [simulated(name, x, turn, seeds)]
        return case[0]

    def known(found: Blind, y: Tensor) -> Blind:
        if not bool(case[0].path[:, 2].any()):
            return found
        true = shake.kernels_of(case[0], 2, 2)
        return replace(found, kernel=true, report={**found.report, "varying": {"gain": 50.0}})

    monkeypatch.setattr(shake, "simulated", remembered)
    monkeypatch.setattr(shake, "varied", known)
    (tmp_path / "photos").mkdir()
    pixels = (255 * scene(SIZE)[0].expand(3, -1, -1)).byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(tmp_path / "photos" / "one.png")
    Image.fromarray(pixels[1:]).save(tmp_path / "photos" / "small.png")
    output = tmp_path / "out"
    assert main(["bench", "shake", str(tmp_path / "photos"), "-o", str(output), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((output / "report.json").read_text())
    turned, straight = printed["photos"]
    assert turned["varies"] and turned["gain"] == 50 and not straight["varies"]
    assert min(turned["parts"], turned["true"]) > max(turned["one"], turned["blurry"] + 5)
    assert turned["like parts"] == pytest.approx(1) and turned["like one"] < 0.95
    assert straight["parts"] == straight["one"]
    assert printed["turned"]["varies"] == 1 and printed["not turned"]["varies"] == 0
    assert "| one | yes | True |" in (output / "report.md").read_text()


def test_refusals_are_counted(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(y: Tensor) -> Blind:
        raise NotBlurred("image: no blur")

    monkeypatch.setattr(shake, "estimate_kernel", refuse)
    case = shake.Case("none", torch.rand(1, 3, 80, 80), torch.rand(1, 3, 80, 80), torch.zeros(3, 3))
    row = shake.measured(case, load("embedded"))
    assert row["one"] is None and row["why"] == "image: no blur"
    assert shake.summarised([row])["refused"] == 1


def test_a_folder_without_large_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "shake", str(tmp_path)]) == 2
    assert "holds no .png of at least 400 pixels a side" in capsys.readouterr().err
