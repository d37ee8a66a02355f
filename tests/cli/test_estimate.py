"""estimate: what a photo alone tells of its noise and its blur."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data

from operators import PoissonGaussian, Seeds, kernels
from restore.blind import Blind, NotBlurred, correlation
from restore.commands import estimate
from restore.images import read, write
from tests.cli.conftest import WHITE, Command
from tests.drawings import blurred
from tests.restore.test_varying import LEFT, RIGHT, photo

FOUND = Blind(
    kernels.motion(9, 0), "motion", {"length": 9.0, "angle": 0.0}, 0.01, 0.9, {"evidence": {}}
)


def sharp(*_: object, **__: object) -> Blind:
    raise NotBlurred("image: no blur")


@pytest.fixture(autouse=True)
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a photo the command tells in words and in JSON the same estimate, which takes seconds."""
    monkeypatch.setattr(estimate, "estimated", cache(estimate.estimated))


def test_noise_and_blur_are_told(folder: Path, photomend: Command) -> None:
    write(read(blurred(kernels.motion(9, 30), 3, 128)), folder / "moved.png")
    outcome = photomend("estimate", "moved.png")
    assert outcome.code == 0 and outcome.err == ""
    assert (
        outcome.out.startswith("moved.png: noise 0.0")
        and "motion blur of values, length" in outcome.out
    )
    told = json.loads(photomend("estimate", "--json", "moved.png").out)
    assert told["noise"]["sigma"] == pytest.approx(0.01, rel=0.1) and told["noise"]["gain"] is None
    assert told["blur"]["family"] == "motion" and told["size"] == [120, 120]
    assert told["blur"]["light"] is False
    assert told["blur"]["parameters"]["length"] == pytest.approx(9, abs=0.7)


def test_shot_noise_is_told(folder: Path, photomend: Command) -> None:
    x = torch.linspace(0.1, 0.8, 144).expand(1, 3, 144, 144)
    write(read(PoissonGaussian(0.003, 0.005).sample(x, Seeds(0))), folder / "dim.png")
    told = json.loads(photomend("estimate", "--json", "dim.png").out)
    assert told["noise"]["gain"] == pytest.approx(0.003, rel=0.2)
    assert told["blur"] is None and told["why"]
    assert "shot noise of gain" in photomend("estimate", "dim.png").out


def test_a_compression_is_told(
    folder: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("restore.blurred.blur_of", lambda photo: FOUND)
    moved = read(blurred(kernels.motion(13, 30), 3)).samples("uint8")
    Image.fromarray(moved).save("moved.jpg", quality=80)
    Image.open("moved.jpg").save("copy.png")
    assert ", compressed as a JPEG of quality 80, 4:2:0; " in photomend("estimate", "copy.png").out
    told = json.loads(photomend("estimate", "--json", "copy.png").out)
    assert told["jpeg"] == {"quality": 80, "subsampling": "4:2:0", "cropped": False}
    Image.open("copy.png").crop((3, 5, 128, 128)).save("part.png")
    said = photomend("estimate", "part.png").out
    assert "quality 80, 4:2:0 and cropped or turned since; " in said


def test_what_a_photo_was_enlarged_from_is_told(
    folder: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("restore.blurred.estimate_kernel", sharp)
    small = Image.fromarray(data.astronaut()[80:160, 180:260])
    small.resize((160, 160), Image.Resampling.BICUBIC).save("large.png")
    said = photomend("estimate", "large.png").out
    assert said.startswith("large.png: enlarged from 80 x 80 pixels, and of those noise 0.0")
    assert "; image: no blur" in said
    told = json.loads(photomend("estimate", "--json", "large.png").out)
    assert told["size"] == [160, 160] and told["blur"] is None
    assert told["enlarged"] == {"factors": [2, 2], "filter": "bicubic", "size": [80, 80]}
    outcome = photomend("deblur", "large.png", "--steps", 4, *WHITE, "-o", "out.png")
    assert outcome.code == 0
    assert "large.png: was enlarged from 80 x 80; restored from those" in outcome.err
    assert read("out.png").pixels.shape == (1, 3, 160, 160)


def test_detail_that_was_changed_is_told(
    folder: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (80, 80)).save(folder / "filmed.png")
    changed = replace(FOUND, changed=True)
    monkeypatch.setattr("restore.blurred.blur_of", lambda photo: changed)
    said = photomend("estimate", "filmed.png").out
    assert "length 9, angle 0; noise was removed since, or it is of a video, confidence" in said
    assert json.loads(photomend("estimate", "--json", "filmed.png").out)["blur"]["changed"] is True


def test_tiny_and_bad_files_stop_nothing(folder: Path, photomend: Command) -> None:
    Image.new("RGB", (1, 1), (50, 60, 70)).save("dot.png")
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    outcome = photomend("estimate", ".")
    assert outcome.code == 3
    (line,) = outcome.err.splitlines()
    assert line.startswith("error: broken.png: ")
    assert outcome.out.startswith("dot.png: noise")


@pytest.mark.slow
def test_kernels_of_parts_are_told_and_laid_beside_the_photo(
    folder: Path, photomend: Command
) -> None:
    write(read(photo(LEFT, RIGHT)), folder / "turned.png")
    outcome = photomend("estimate", "turned.png")
    assert "a kernel for each of 1 x 3 parts in turned.estimated.kernel.png" in outcome.out
    found = kernels.load("turned.estimated.kernel.png")
    assert found.shape[:2] == (1, 3)
    assert correlation(found[0, 0], LEFT) > 0.6 < correlation(found[0, 2], RIGHT)
    told = json.loads(photomend("estimate", "--json", ".").out)  # and the picture is no photo
    assert told["blur"]["family"] == "varying" and told["blur"]["parts"] == [1, 3]
    assert told["blur"]["kernel_size"] == list(found.shape[2:])
    undone = photomend("deblur", "turned.png", "-k", "turned.estimated.kernel.png", "--steps", 1)
    assert undone.code == 0, undone.err
