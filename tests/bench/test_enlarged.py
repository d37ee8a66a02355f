"""The benchmark of enlarged photos: its files, its judgement, its tables."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from skimage import data

from operators.resize import Downsample
from restore import deblur
from restore.bench import enlarged
from restore.images import Photo


def photo() -> Image.Image:
    return Image.fromarray(data.astronaut()[20:276, 120:376])


def test_photos_are_recognised_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enlarged, "TIMES", (1.5,))
    monkeypatch.setattr(enlarged, "WAYS", {"bicubic": 3})
    monkeypatch.setattr(enlarged, "OTHERS", {"made small": Downsample(1)})
    rows = enlarged.recognised(photo())
    assert len(rows) == 4 + 4 and all(row["right"] for row in rows)
    assert sum("cropped" in row["case"] for row in rows) == 2


def test_what_is_not_told_is_not_right(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(*given: Any) -> Photo:
        photo = saved(*given)
        photo.__dict__["enlargement"] = None
        return photo

    saved = enlarged.saved
    monkeypatch.setattr(enlarged, "TIMES", (1.5,))
    monkeypatch.setattr(enlarged, "WAYS", {"bicubic": 3})
    monkeypatch.setattr(enlarged, "saved", blind)
    rows = enlarged.recognised(photo())
    assert [row["right"] for row in rows] == [False] * 4 + [True] * (len(rows) - 4)


@pytest.mark.slow
def test_a_report_has_both_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    photo().save(tmp_path / "photo.png")
    monkeypatch.setattr(enlarged, "TIMES", (2.0,))
    monkeypatch.setattr(enlarged, "WAYS", {"bicubic": 3})
    monkeypatch.setattr(enlarged, "OTHERS", {})
    monkeypatch.setattr(enlarged, "RESTORED", ((2.0, "bicubic", ("PNG", None)),))
    monkeypatch.setattr(enlarged, "deblur", partial(deblur, steps=4, device="cpu"))
    lines: list[str] = []
    found = enlarged.main(tmp_path, output=tmp_path / "out", report=lines.append)
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| bicubic, PNG | 2 times | 1 | 1.00 |" in text
    (gain,) = [case for case in found["cases"] if "photo" in case]
    assert gain["restored"] > max(gain["photo"], gain["blurred"]) + 1
    assert text.count("\n| ") == 2 + 4 + 1 and "photo" in lines[0]
