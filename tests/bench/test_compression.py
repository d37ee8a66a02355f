"""The benchmark of what pixels tell: its files, its judgement, its tables."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image

from operators import kernels
from operators.jpeg import Jpeg
from restore import deblur
from restore.bench import compression
from tests.drawings import scene

TINT = torch.tensor([1.0, 0.8, 0.6]).reshape(1, 3, 1, 1)


def photo(side: int = 128) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    grain = 0.05 * torch.randn(1, 3, side, side, generator=generator)
    return (scene(side) * TINT + grain).clamp(0, 1)


def test_files_are_recognised_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "SIDES", (128,))
    monkeypatch.setattr(compression, "ONCE", ((50, "4:2:0"), (85, "4:4:4")))
    monkeypatch.setattr(compression, "TWICE", ((50, 90),))
    rows = compression.recognised(photo())
    assert len(rows) == 5 + len(compression.CHANGED) + len(compression.NEVER)
    assert all(row["right"] for row in rows)
    assert sum("cropped" in row["case"] for row in rows) == 2


def test_what_is_wrongly_told_is_not_right() -> None:
    file = compression.saved(photo(), 75)
    shown = compression.copied(file)
    assert compression._same(shown, file) and shown.jpeg is not None
    assert not compression._same(compression.copied(compression.saved(photo(), 70)), file)
    other = compression.copied(file)
    other.__dict__["jpeg"] = Jpeg(75, "4:2:2")
    assert not compression._same(other, file)
    other.__dict__["jpeg"] = replace(shown.jpeg, corner=(8, 0))
    assert not compression._same(other, file)
    other.__dict__["jpeg"] = None
    assert not compression._same(other, file)


@pytest.mark.slow
def test_a_report_has_both_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    side = 96
    levels = (255 * photo(side)[0]).byte().permute(1, 2, 0).numpy()
    Image.fromarray(levels).save(tmp_path / "photo.png")
    monkeypatch.setattr(compression, "SIDES", (64,))
    monkeypatch.setattr(compression, "ONCE", ((75, "4:2:0"),))
    monkeypatch.setattr(compression, "TWICE", ())
    monkeypatch.setattr(compression, "RESTORED", ((75, None, (3, 5)),))
    monkeypatch.setattr(compression, "KERNELS", {"disk": partial(kernels.disk, 3)})
    monkeypatch.setattr(compression, "deblur", partial(deblur, steps=4, device="cpu"))
    lines: list[str] = []
    found = compression.main(tmp_path, output=tmp_path / "out", report=lines.append)
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| JPEG copied to PNG, side 64 | 75 | 1 | 1.00 |" in text
    deblurred = [case for case in found["cases"] if "pixels" in case]
    assert len(deblurred) == 1 and all(case["pixels"] > case["trusted"] for case in deblurred)
    # two heads, two cases of files, one restored
    assert text.count("\n| ") == 2 + 2 + len(compression.CHANGED) + len(compression.NEVER) + 1
    assert "photo" in lines[0]
