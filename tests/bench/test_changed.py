"""The benchmark of photos whose weak detail was changed: its files, its figures, its table."""

import io
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from operators.seeds import Seeds
from restore import deblur
from restore.bench import changed
from restore.bench.protocol import BenchError
from restore.blind import NotBlurred
from restore.images import read
from restore.metrics import psnr
from restore.misled import CHANGED


def photo(side: int = 120) -> Tensor:
    return torch.tensor(data.astronaut()[20 : 20 + side, 120 : 120 + side]).permute(2, 0, 1) / 255


@pytest.mark.parametrize("file", changed.FILES)
def test_files_are_like_what_they_are_made_of(file: str) -> None:
    levels = np.ascontiguousarray((255 * photo(97)).byte().permute(1, 2, 0).numpy())
    _, change = changed.FILES[file]
    made = change(levels)
    assert Image.open(io.BytesIO(made)).size == (97, 97)
    alike = psnr(read(made).pixels, photo(97)[None]).item()
    assert alike > 25
    assert (alike < 60) is (file not in ("noise kept, PNG", "no noise, PNG"))


@pytest.mark.parametrize("blurred", [True, False])
def test_a_case_has_its_figures(blurred: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def restored(data: bytes, **options: Any) -> Any:
        asked.append(options)
        if not options and not blurred:
            raise NotBlurred("no blur")
        result = deblur(data, kernel="motion:15,30", noise=0.02, solver="dpir", steps=2)
        return replace(result, report=result.report | {"blur": {"changed": True}})

    monkeypatch.setattr(changed, "deblur", restored)
    row = changed.measured(photo()[None], "motion", "denoised, PNG", Seeds(0))
    assert [*asked[0]] == [] and asked[1]["noise"] == CHANGED
    assert row["known"] > row["photo"]
    assert row["restored"] == row["known" if blurred else "photo"]
    assert row["changed"] == float(blurred) and row["of"] == "motion"


@pytest.mark.slow
def test_a_report_has_a_row_for_each_case(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Image.fromarray(data.chelsea()).save(tmp_path / "0.png")
    files = ("denoised, PNG", "noise kept, PNG", "no noise, PNG")
    monkeypatch.setattr(changed, "CASES", [("motion", file) for file in files])
    monkeypatch.setattr(changed, "SIDE", 280)
    monkeypatch.setattr(changed, "deblur", partial(deblur, solver="dpir", steps=6))
    lines: list[str] = []
    found = changed.main(tmp_path, output=tmp_path / "out", report=lines.append)
    denoised, kept, none = found["cases"]
    assert denoised["changed"] == 1 and kept["changed"] == none["changed"] == 0 and len(lines) == 4
    for case in (denoised, kept, none):
        assert case["correlation"] > 0.95 and case["restored"] > case["photo"] + 1
    text = (tmp_path / "out" / "report.md").read_text()
    assert text.count("\n| ") == 4 and "| denoised, PNG | motion | 1 | 1.00 |" in text


def test_small_photos_are_none(tmp_path: Path) -> None:
    Image.fromarray(data.astronaut()[:300]).save(tmp_path / "0.png")
    with pytest.raises(BenchError, match="320 pixels"):
        changed.main(tmp_path, report=print)
