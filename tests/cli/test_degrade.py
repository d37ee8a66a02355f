"""degrade makes what the operators make, and keeps what it used."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from operators import GridBlur, kernels
from operators.blur import Blur
from operators.convolution import Boundary
from operators.resize import Downsample
from operators.tone import Gamma
from restore.images import read, read_mask
from tests.cli.conftest import Command

HALF_LEVEL = 0.5 / 255 + 1e-6  # files hold 8 bits


@pytest.mark.parametrize(
    ("words", "operator"),
    [
        (("--kernel", "motion:7,20"), Blur(kernels.motion(7, 20))),
        (("--kernel", "disk:2", "--boundary", "circular"), Blur(kernels.disk(2), "circular")),
        (("--downsample", 4), Downsample(4)),
        (("--kernel", "disk:2", "--downsample", 2), Downsample(2) @ Blur(kernels.disk(2))),
    ],
)
def test_the_picture_is_the_operators(
    photo: Path, photomend: Command, words: tuple[object, ...], operator: Blur
) -> None:
    assert photomend("degrade", photo, *words).code == 0
    expected = operator(read(photo).pixels).clamp(0, 1)
    torch.testing.assert_close(read("photo.degraded.png").pixels, expected, rtol=0, atol=HALF_LEVEL)


def test_a_camera_blurs_light_and_then_clips(photo: Path, photomend: Command) -> None:
    words = ("--kernel", "disk:3", "--camera", "srgb")
    assert photomend("degrade", photo, *words).code == 0
    light = Gamma().inverse(read(photo).pixels)
    expected = Gamma()(Blur(kernels.disk(3))(light)).clamp(0, 1)
    found = read("photo.degraded.png").pixels
    torch.testing.assert_close(found, expected, rtol=0, atol=HALF_LEVEL + 1e-5)
    assert "--camera srgb" in json.loads(Path("photo.degraded.json").read_text())["undo"]


def test_the_kernel_used_is_kept(photo: Path, photomend: Command) -> None:
    photomend("degrade", photo, "--kernel", "walk:21,0.5,7")
    kept = kernels.load("photo.degraded.kernel.npy")
    torch.testing.assert_close(kept, kernels.random_walk(21, 0.5, 7))


@pytest.mark.parametrize("boundary", ["reflect", "valid"])
def test_kernels_of_parts_blur_each_its_own(
    photo: Path, photomend: Command, boundary: Boundary
) -> None:
    grid = torch.stack([kernels.motion(5, 0), kernels.motion(5, 90)])[None]
    np.save("parts.npy", grid.numpy())
    words = ("--kernel", "parts.npy", "--boundary", boundary)
    assert photomend("degrade", photo, *words).code == 0
    side = 44 if boundary == "valid" else 48
    expected = GridBlur(grid, side, side, boundary)(read(photo).pixels)
    found = read("photo.degraded.png").pixels
    torch.testing.assert_close(found, expected, rtol=0, atol=HALF_LEVEL)
    undo = json.loads(Path("photo.degraded.json").read_text())["undo"].split()[1:]
    assert photomend(*undo, "--steps", 1, "--noise", 0.01).code == 0
    large = photomend("degrade", photo, "--kernel", "disk:30", "--boundary", "valid", "-o", "a.png")
    assert large.code == 1 and "leaves nothing" in large.err


@pytest.mark.parametrize(
    ("text", "lost"), [("box", 24 * 24), ("box:10", 100), ("random:0.7", round(0.7 * 48 * 48))]
)
def test_the_mask_used_is_kept(photo: Path, photomend: Command, text: str, lost: int) -> None:
    photomend("degrade", photo, "--mask", text)
    mask = read_mask("photo.degraded.mask.png", 48, 48)
    assert int(mask.sum()) == lost
    before, after = read(photo).pixels, read("photo.degraded.png").pixels
    torch.testing.assert_close(after, before.masked_fill(mask, 0), rtol=0, atol=0)


def test_noise_has_its_sigma_and_its_seed(photo: Path, photomend: Command) -> None:
    Image.new("RGB", (48, 48), (128, 128, 128)).save(photo)
    for name, seed in (("a.png", 0), ("b.png", 0), ("c.png", 1)):
        photomend("degrade", photo, "--noise", "10/255", "--seed", seed, "-o", name)
    a, b, c = (read(name).pixels for name in ("a.png", "b.png", "c.png"))
    assert (a == b).all()
    assert (a != c).any()
    # 6912 draws: the estimate's standard error is sigma / sqrt(2 * 6912), below 1 %
    assert float((255 * (a - read(photo).pixels)).std()) == pytest.approx(10, rel=0.05)


def test_jpeg_comes_last(photo: Path, photomend: Command) -> None:
    assert photomend("degrade", photo, "--jpeg", 10).code == 0
    difference = (read("photo.degraded.png").pixels - read(photo).pixels).abs()
    assert 1 / 255 < float(difference.max()) < 0.5


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("--kernel", "disk:2", "--noise", "0.01"), "deblur --kernel photo.degraded.kernel.npy"),
        (("--downsample", 2), "upscale --factor 2"),
        (("--mask", "box"), "inpaint --mask photo.degraded.mask.png"),
    ],
)
def test_the_report_tells_how_to_undo_it(
    photo: Path, photomend: Command, words: tuple[object, ...], command: str
) -> None:
    photomend("degrade", photo, *words)
    report = json.loads(Path("photo.degraded.json").read_text())
    assert command in report["undo"]
    assert report["undo"].split()[-1] == "photo.degraded.png"


def test_several_degradations_have_no_one_command(photo: Path, photomend: Command) -> None:
    photomend("degrade", photo, "--downsample", 2, "--kernel", "disk:1")
    assert json.loads(Path("photo.degraded.json").read_text())["undo"] is None


def test_a_pipe_gives_a_png(photo: Path, photomend: Command) -> None:
    data = photo.read_bytes()
    outcome = photomend("degrade", "-", "--downsample", 2, stdin=data)
    assert outcome.data[:4] == b"\x89PNG"
    Path("out.png").write_bytes(outcome.data)
    assert np.asarray(Image.open("out.png")).shape == (24, 24, 3)
    assert {path.name for path in Path().iterdir()} == {"photo.png", "out.png"}
