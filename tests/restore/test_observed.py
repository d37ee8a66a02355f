"""Files and the operators of a chain: grey ones become colour, cameras stand for what bends."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

import restore
from operators.exposure import Exposure
from operators.jpeg import Jpeg
from operators.seeds import Seeds
from restore import solvers
from restore.chain import parse
from restore.images import PhotoError, read
from restore.metrics import psnr
from restore.observed import fitted
from tests.cli.conftest import picture


def as_file(pixels: torch.Tensor, path: Path) -> Path:
    """A PNG of 8 bits of (1, 1 or 3, H, W)."""
    values = (pixels[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values).save(path)
    return path


def mode(path: Path) -> str:
    """As Pillow calls the channels."""
    with Image.open(path) as image:
        return image.mode


@pytest.mark.parametrize(
    "chain",
    [
        "clip @ gaussian:2",
        "quantize:4",
        "jpeg:20",
        "jpeg:60 @ quantize:5 @ clip @ downsample:2 @ disk:1.5",
    ],
)
def test_a_camera_does_what_the_chain_does(chain: str) -> None:
    operator = parse(chain)
    camera = fitted(operator, solvers.tradeoff)
    assert isinstance(camera, Exposure)
    x = Seeds(1).normal_like(torch.empty(1, 3, 32, 32)) * 0.3 + 0.5
    assert camera.image_shape((1, 3, 16, 16)) == operator.image_shape((1, 3, 16, 16))
    # without quantisation it has 16 bits, with JPEG the file's 8
    x = x.clamp(0, 1) if chain == "jpeg:20" else x
    torch.testing.assert_close(camera(x), operator(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("chain", "solver"),
    [
        ("gaussian:2", solvers.tradeoff),
        ("downsample:2 @ disk:1", solvers.ddnm),
        ("clip", solvers.pnpdm),  # takes it as it is
        ("clip", solvers.ddnm),  # takes no camera either
        ("gamma", solvers.tradeoff),
        ("clip @ gamma", solvers.tradeoff),
        ("clip @ jpeg:20 @ gaussian:1", solvers.tradeoff),
    ],
)
def test_what_no_camera_does_stays(chain: str, solver: solvers.Solver) -> None:
    operator = parse(chain)
    assert fitted(operator, solver) is operator


def test_a_refusal_names_solvers_that_do(tmp_path: Path) -> None:
    picture(32).save(tmp_path / "photo.png")
    with pytest.raises(TypeError, match=r"tradeoff needs .* is not one; .*pnpdm.* take it"):
        restore.restore(tmp_path / "photo.png", parse("gamma"))
    result = restore.restore(tmp_path / "photo.png", parse("gamma"), solver="pnpdm", steps=1)
    assert result.pixels.shape == (1, 3, 32, 32)


def test_few_levels_and_saturation_are_undone(tmp_path: Path) -> None:
    x = read(picture(96)).pixels
    for chain in ("quantize:3", "quantize:4 @ gaussian:1"):
        operator = parse(chain)
        path = as_file(operator(x), tmp_path / "photo.png")
        result = restore.restore(path, operator)
        assert psnr(result.pixels, x) > psnr(read(path).pixels, x) + 0.8, chain
        assert result.report["certificate"]["accepted"] == [True]
        assert result.report["camera"]["bits"] == int(chain[9])
        assert result.report["noise"]["estimated"]


@pytest.mark.parametrize(("quality", "orientation"), [(15, 1), (40, 6)])
def test_an_old_jpeg_is_nearer_to_its_original(
    quality: int, orientation: int, tmp_path: Path
) -> None:
    """By the tables of its own file; blocks that the border cuts, and a photo on its side, too."""
    x, notes = picture(96).crop((0, 0, 93, 75)), Image.Exif()
    notes[274] = orientation
    file = tmp_path / "old.jpg"
    turned = x if orientation == 1 else x.rotate(90, expand=True)
    turned.save(file, quality=quality, exif=notes)
    result = restore.restore(file, parse("jpeg"), steps=10)
    true, given = read(x).pixels, read(file).pixels
    assert result.pixels.shape == true.shape
    assert psnr(result.pixels, true) > psnr(given, true) + 0.5
    assert result.report["certificate"]["accepted"] == [True]
    assert result.report["camera"]["jpeg"]["inside_bins"][0] > 0.999
    assert result.photo is not None and result.photo.quality is None  # or it would be as before
    known = restore.restore(given, Jpeg(quality, orientation=orientation), steps=10)
    assert (known.pixels - result.pixels).abs().max() < 1e-3


def test_who_samples_is_given_the_bins_of_a_jpeg_too() -> None:
    """pnpdm takes any operator, but without them its draws leave the file's bins."""
    for chain in ("jpeg:30", "jpeg:30 @ gaussian:1"):
        assert isinstance(fitted(parse(chain), solvers.pnpdm), Exposure)
        assert not isinstance(fitted(parse(chain), solvers.ddnm), Exposure)


def test_what_shows_no_compression_is_not_undone(tmp_path: Path) -> None:
    picture(32).save(tmp_path / "photo.png")
    for photo, name in ((tmp_path / "photo.png", "photo.png"), (torch.rand(1, 3, 8, 8), "tensor")):
        with pytest.raises(PhotoError, match=rf"{name}: shows no compression.* jpeg:75"):
            restore.restore(photo, parse("clip @ jpeg"))


@pytest.mark.parametrize("chain", ["grayscale", "mosaic:GRBG"])
def test_a_grey_file_becomes_colour(chain: str, tmp_path: Path) -> None:
    x, operator = read(picture(64)).pixels, parse(chain)
    path = as_file(operator(x), tmp_path / "grey.png")
    assert mode(path) == "L"
    result = restore.restore(path, operator, noise=0.004, steps=5)
    made = result.save(tmp_path / "made.png")
    assert mode(made) == "RGB"
    again = operator(read(made).pixels)
    assert (again - operator(x)).abs().max() < 4 / 255
    if chain != "grayscale":  # which does not tell the colours
        assert psnr(read(made).pixels, x) > psnr(read(path).pixels, x) + 3


def test_grey_in_other_kinds_of_file() -> None:
    grey = picture(48).convert("L")
    array = np.array(grey)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey.info["icc_profile"] = profile
    operator = parse("grayscale")
    options: dict[str, Any] = {"noise": 0.01, "steps": 1}
    plain = restore.restore(grey, operator, **options)
    assert plain.image.mode == "RGB" and "icc_profile" not in plain.image.info
    assert restore.restore(array, operator, **options).image.shape == (48, 48, 3)
    wide = np.repeat(array[:, :, None], 3, 2)
    wide[0, 0, 0] ^= 2  # as after JPEG
    near = restore.restore(wide, operator, **options)
    assert (near.pixels - plain.pixels).abs().max() < 0.02
    tensor = torch.from_numpy(array / np.float32(255))
    assert restore.restore(tensor[None, None], operator, **options).image.shape == (1, 3, 48, 48)


def test_a_photo_in_colour_has_no_single_channel(tmp_path: Path) -> None:
    picture(32).save(tmp_path / "photo.png")
    for chain in ("grayscale", "mosaic", "downsample:2 @ grayscale"):
        with pytest.raises(PhotoError, match=r"photo.png: is in colour.* give a grey picture"):
            restore.restore(tmp_path / "photo.png", parse(chain))
