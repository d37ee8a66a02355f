"""The benchmark of blind deblurring: its distances, its cases, its files."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from operators import Blur, Seeds, kernels
from restore.bench import alignment, blind
from restore.bench.alignment import distance, moved
from restore.bench.blind import measured, restored, simulated
from restore.bench.protocol import SIZE
from restore.bench.sparse import sparse
from restore.blind import Blind, NotBlurred, correlation
from restore.cli import main
from tests.drawings import scene


def test_correlation_forgives_shifts_and_nothing_else() -> None:
    kernel = kernels.motion(9, 30)
    moved = torch.nn.functional.pad(kernel, (4, 0, 0, 2))
    assert correlation(moved, kernel) == pytest.approx(1)
    assert correlation(kernel.flip(0), kernel) < 0.7
    one = torch.ones(1, 1)
    assert correlation(kernel, one) == pytest.approx(float(kernel.max() / kernel.norm()))


def test_distance_forgives_small_shifts_and_the_border() -> None:
    x = scene(96)
    assert distance(x.roll((3, -5), (-2, -1)), x) == 0
    assert distance(x.roll(6, -1), x) > 1e-3
    bordered = x.clone()
    bordered[..., : alignment.BORDER, :] = 5
    assert distance(bordered, x) == 0
    assert distance(x + 0.1, x) == pytest.approx(0.01, rel=1e-4)


def waves(down: float = 0.0, right: float = 0.0) -> Tensor:
    """A picture of a few waves, of 96 x 96 pixels, that begins so many pixels later."""
    rows, columns = torch.arange(96)[:, None] - down, torch.arange(96)[None] - right
    fine = torch.sin(0.9 * rows + 0.4 * columns) + torch.cos(1.1 * columns)
    coarse = torch.sin(0.07 * rows - 0.05 * columns) + torch.cos(0.08 * rows)
    return (0.5 + 0.1 * fine + 0.2 * coarse)[None, None]


@pytest.mark.parametrize("shift", [(0.25, -0.5), (-3.75, 2.0), (4.5, -5.25)])
def test_distance_forgives_quarters_of_a_pixel(shift: tuple[float, float]) -> None:
    x, late = waves(), waves(*shift)
    assert distance(late, x) < 1e-6
    assert float((late.roll([-round(by) for by in shift], (-2, -1)) - x).square().mean()) > 1e-3
    inner = (..., slice(20, -20), slice(20, -20))
    torch.testing.assert_close(moved(x, *shift)[inner], late[inner], atol=2e-3, rtol=0)


@pytest.mark.parametrize("kind", blind.KINDS[1:])
def test_a_simulated_photo_is_the_truth_behind_the_kernel(kind: str) -> None:
    x = scene(96)
    case, again = (simulated("one", x, kind, Seeds(3, 1)) for _ in range(2))
    assert torch.equal(case.y, again.y) and case.y.shape == case.x.shape
    assert not torch.equal(simulated("one", x, kind, Seeds(4, 1)).y, case.y)
    residual = case.y - Blur(case.kernel, "valid")(x)
    assert float(residual.std()) == pytest.approx(blind.SIGMA, rel=0.05)
    assert torch.equal((255 * case.y).round() / 255, case.y)


def test_a_restoration_is_sharper_with_the_true_kernel_only() -> None:
    case = simulated("one", scene(128), "disk", Seeds(0, 0))
    blurry = distance(case.y, case.x)
    assert distance(restored(case.y, case.kernel), case.x) < blurry / 1.5
    assert distance(restored(case.y, kernels.motion(15, 20)), case.x) > blurry


def test_sparse_gradients_keep_what_is_sharp_and_sharpen_what_is_not() -> None:
    x = scene(96)
    one = torch.ones(1, 1)
    assert distance(sparse(x, one, 1e-6), x) < 1e-7
    case = simulated("one", scene(128), "disk", Seeds(0, 0))
    assert distance(sparse(case.y, case.kernel), case.x) < distance(case.y, case.x) / 1.3
    flat = sparse(case.y, one, 1.0)
    assert float(flat.std()) < 0.9 * float(case.y.std())


def found(y: Tensor, kernel: Tensor, confidence: float) -> Blind:
    return Blind(kernel, "disk", {"radius": 3.0}, 0.01, confidence, {})


def test_figures_of_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    case = simulated("one", scene(128), "disk", Seeds(0, 0))
    monkeypatch.setattr(blind, "estimate_kernel", lambda y: found(y, case.kernel, 0.9))
    row = measured(case)
    assert row["ratio"] == 1 and row["correlation"] == pytest.approx(1)
    assert row["restored"] == row["known"] > row["blurry"] + 1.5
    summary = blind.summarised([row], "disk")
    assert summary["ratio at most 2"] == 1 and summary["loss"] == 0


def test_the_command_writes_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def estimate(y: Tensor) -> Blind:
        if y.shape[-1] == SIZE:
            raise NotBlurred("image: no blur")
        return found(y, kernels.disk(3), 0.3)

    (tmp_path / "photos").mkdir()
    pixels = (255 * scene(SIZE)[0, 0]).byte().numpy()
    Image.fromarray(pixels).save(tmp_path / "photos" / "one.png")
    monkeypatch.setattr(blind, "KINDS", ("levin", "disk", "sharp"))
    monkeypatch.setattr(blind, "estimate_kernel", estimate)
    output = tmp_path / "out"
    code = main(["bench", "blind", str(tmp_path / "photos"), "-o", str(output), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert code == 0
    assert printed == json.loads((output / "report.json").read_text())
    assert set(printed["kinds"]) == {"disk", "sharp"}
    assert "| disk | 1 |" in (output / "report.md").read_text()
    assert [row["kind"] for row in printed["photos"]] == ["disk", "sharp"]


def test_refusals_count_as_failures_and_confidence_is_compared() -> None:
    base: dict[str, Any] = {"kind": "walk", "correlation": 0.95, "seconds": 1.0}
    base |= {"ratio by tv": 1.0}
    base |= {"restored": 30.0, "known": 31.0, "blurry": 25.0}
    rows = [
        {**base, "ratio": 1.2, "confidence": 0.9},
        {**base, "ratio": 3.0, "confidence": 0.2},
        {"kind": "walk", "ratio": None},
    ]
    summary = blind.summarised(rows, "walk")
    assert summary["refused"] == pytest.approx(1 / 3)
    assert summary["ratio at most 2"] == pytest.approx(1 / 3)
    assert (summary["gain"], summary["loss"]) == (5, 1)
    low, _, high = blind.calibration(rows)
    assert (low["right"], high["right"]) == (0, 1)
    assert math.isclose(sum(row["photos"] for row in blind.calibration(rows)), 2)
