"""The benchmark of what was blurred: its photos, its decisions, its table."""

from functools import partial

import pytest
import torch

from operators.seeds import Seeds
from restore import deblur
from restore.bench import light
from restore.blind import NotBlurred
from restore.images import read
from restore.result import Result
from tests.drawings import scene

TINT = torch.tensor([1.0, 0.8, 0.6]).reshape(1, 3, 1, 1)


def test_a_photo_is_taken_and_both_decisions_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(light, "deblur", partial(deblur, steps=6, device="cpu"))
    row = light.measured(scene(80) * TINT, True, "PNG", "motion", "values", Seeds(0))
    assert row["right"] == 1 and row["decided"] == row["values"] > row["light"]


def test_a_refusal_has_no_figures_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotBlurred("image: no blur")

    monkeypatch.setattr(light, "deblur", refuse)
    row = light.measured(scene(64) * TINT, False, "JPEG", "disk", "light", Seeds(0))
    assert row["right"] is None and row["photo"] > 10
    cases = light.summarised([row])
    (case,) = [case for case in cases if case["photos"]]
    assert case["refused"] == 1 and case["decided"] is None
    settings = {"sigma": light.SIGMA, "quality": light.QUALITY, "bright": light.BRIGHT}
    text = light.markdown({"settings": settings, "cases": cases})
    assert "| estimated | JPEG | light | 1 | 1 |" in text and text.count("\n| ") == 13


def test_a_decision_that_is_refused_has_the_figure_of_the_photo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, camera: object, **__: object) -> Result:
        if camera != "auto":
            raise NotBlurred("image: no blur")
        return Result(torch.zeros(1, 3, 48, 48), torch.zeros(1), None, {"camera": None})

    monkeypatch.setattr(light, "deblur", refuse)
    row = light.measured(scene(64) * TINT, False, "PNG", "motion", "bright", Seeds(0))
    assert row["right"] == 0 and row["light"] == row["values"] == row["photo"] > row["decided"]


def test_files_are_what_they_are_called() -> None:
    y = scene(64) * TINT
    png, jpeg = (read(light.saved(y, file)) for file in light.FILES)
    torch.testing.assert_close(png.pixels, (255 * y).round() / 255)
    assert jpeg.format == "JPEG" and jpeg.tables
