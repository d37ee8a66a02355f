"""The benchmark of large pictures: its pictures, its seams, its files."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from operators import Blur, kernels
from operators.exposure import Camera, Exposure
from operators.mask import box_mask
from restore.bench import large, protocol
from restore.bench.large import mirrored, refusal, simulated, slope
from restore.bench.seams import borders, edge, seam
from restore.cli import main
from restore.images import read, write
from tests.drawings import scene


def test_a_photo_is_reflected_until_it_fills_the_size() -> None:
    x = torch.arange(6.0).view(1, 1, 2, 3)
    grown = mirrored(x, 5, 8)
    assert grown[0, 0, :, 0].tolist() == [0, 3, 3, 0, 0]
    assert grown[0, 0, 0].tolist() == [0, 1, 2, 2, 1, 0, 0, 1]


def test_the_simulated_photo_is_the_truth_behind_the_kernel(tmp_path: Path) -> None:
    photo = scene(48).expand(1, 3, -1, -1)
    truth = simulated(photo, 30, 70, tmp_path / "a.bmp")
    y = read(tmp_path / "a.bmp").pixels
    assert truth.shape == y.shape == (1, 3, 30, 70)
    inner = Exposure(Blur(kernels.parse(large.KERNEL), "valid"), Camera())(truth)
    top, left = ((a - b) // 2 for a, b in zip(y.shape[2:], inner.shape[2:], strict=True))
    seen = y[..., top : top + inner.shape[2], left : left + inner.shape[3]]
    assert float((seen - inner).std()) == pytest.approx(large.SIGMA, rel=0.1)


def test_a_jump_at_a_line_is_a_seam_and_elsewhere_it_is_not() -> None:
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert seam(x, [20, 40]) == pytest.approx(1, abs=0.1)
    stepped = x.clone()
    stepped[..., 20:, :] += 1
    stepped[..., :, 20:] += 1
    assert seam(stepped, [20]) > 2 > 1.1 > seam(stepped, [40])


def test_a_jump_at_the_edge_of_a_hole_is_seen() -> None:
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    unknown = box_mask(64, 64, 24, 24)
    assert edge(x, unknown) == pytest.approx(1, abs=0.1)
    assert edge(torch.where(unknown, x + 1, x), unknown) > 2


def test_borders_are_told_in_pixels_of_the_photo() -> None:
    # 300 pixels behind a kernel of 9 + 8 more, in a frame of 320 with windows of 128
    operator = Blur(kernels.disk(4), "valid")
    lines = borders("embedded", 128, operator, 300)
    before = (operator.image_shape((1, 3, 300, 300))[2] - 300) // 2
    frame = (320 - 300 - 2 * before) // 2 + before
    assert [line + frame for line in lines] == [96, 128, 192, 224]


def test_the_slope_is_that_of_a_line() -> None:
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)


def test_what_is_beyond_the_memory_is_refused() -> None:
    assert "8000 x 6000 pixels need" in refusal({"prior": "embedded"})


@pytest.mark.slow
def test_the_command_writes_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings: dict[str, Any] = {"SIZES": ((16, 16), (17, 60), (40, 80)), "SIDE": 160}
    settings |= {"TILES": (0, 96), "WINDOWS": (64, 128)}
    for name, value in settings.items():
        monkeypatch.setattr(large, name, value)
    write(read(scene(protocol.SIZE)), tmp_path / "a.png")
    out = tmp_path / "out"
    assert main(["bench", "large", str(tmp_path), "--steps", "1", "-o", str(out)]) == 0
    assert "bytes a value of the picture" in capsys.readouterr().out
    summary = json.loads((out / "report.json").read_text())
    assert [row["tile"] for row in summary["tiles"]] == [0, 96]
    assert {row["solver"] for row in summary["sizes"]} == {"tradeoff"}
    assert summary["tiles"][1]["to whole"] > 35 and summary["tiles"][1]["seam"] < 1.1
    assert all(row["peak"] > row["held"] > 0 for row in summary["sizes"])
    assert all(row["exact"] for row in summary["filled"])
