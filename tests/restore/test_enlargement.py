"""Photos that were enlarged by Pillow: how is told, undone, and restored from what was there."""

import io
import math
from typing import Any

import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

import restore
from operators import kernels
from restore.blind import Unknowable
from restore.blurred import blurs_of
from restore.enlargement import Enlargement, enlargement
from restore.images import read
from restore.interpolation import LEAST, LEAST_OF_BLOCKS, needed
from tests.drawings import blurred, scene

WAYS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}
SIDE = 150
FAST: dict[str, Any] = {"steps": 8, "device": "cpu", "dtype": "float32"}


def small(side: int = SIDE) -> Image.Image:
    return picture(scene(side))


def picture(plane: Tensor) -> Image.Image:
    return Image.fromarray((255 * plane[0, 0]).round().byte().numpy())


def tensor(image: Image.Image) -> Tensor:
    return read(image).pixels


def compressed(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def large(times: float, way: str) -> Image.Image:
    side = round(times * SIDE)
    return small().resize((side, side), WAYS[way])


def error(x: Tensor, y: Tensor) -> float:
    return 255 * float((x - y).square().mean().sqrt())


@pytest.mark.parametrize(
    ("times", "way"),
    [
        *[(n, "bicubic") for n in (1.28, 1.5, 2, 3)],
        *[(n, "nearest") for n in (2, 2.7, 4)],
        *[(n, "bilinear") for n in (1.6, 2, 4)],
        *[(n, "lanczos") for n in (2, 2.7)],
    ],
)
def test_factor_filter_and_what_was_there_are_told(times: float, way: str) -> None:
    y = tensor(large(times, way))
    how = enlargement(y)
    assert how is not None
    assert how.size == (SIDE, SIDE)
    assert [axis.offset for axis in how[:2]] == [0, 0] == [round(axis.start, 9) for axis in how[:2]]
    # Twice as large, bilinear gives what bicubic makes of a softer picture.
    alike = {"bicubic"} if way == "bilinear" and times == 2 else {way}
    assert {axis.filter for axis in how[:2]} <= alike
    if way in alike:
        assert error(how.undone(y), tensor(small())) < 1.5


@pytest.mark.parametrize("times", [1.5, 2, 3])
def test_what_was_cropped_since_moves_what_was_there(times: float) -> None:
    whole = large(times, "bicubic")
    y = tensor(whole.crop((7, 4, whole.width - 3, whole.height - 6)))
    how = enlargement(y)
    assert how is not None and [axis.factor for axis in how[:2]] == [times, times]
    assert [axis.offset for axis in how[:2]] == [pytest.approx(n % times) for n in (4, 7)]
    top, left = round(4.5 / times - 0.5), round(7.5 / times - 0.5)
    x = how.undone(y)
    assert error(x, tensor(small())[..., top:, left:][..., : x.shape[2], : x.shape[3]]) < 2
    # and the picture that shrinks to it is where the photo was
    assert error(how.shrinking(1, "bicubic")(y), x) < 0.6 * error(
        how.shrinking(1, "bicubic")(y.roll((1, 1), (2, 3))), x
    )


@pytest.mark.parametrize(
    ("times", "way"), [(1.5, "bilinear"), (2, "bicubic"), (3, "bicubic"), (3, "lanczos")]
)
def test_a_fine_compression_hides_nothing(times: float, way: str) -> None:
    y = tensor(compressed(large(times, way), 90))
    how = enlargement(y)
    assert how is not None and how.size == (SIDE, SIDE)


@pytest.mark.parametrize(
    "kernel", [torch.ones(1, 1), kernels.disk(3), kernels.gaussian(2), kernels.motion(12, 30)]
)
def test_what_is_blurred_or_sharp_was_not_enlarged(kernel: Tensor) -> None:
    y = blurred(kernel, side=256)
    assert enlargement(y) is None
    assert enlargement(tensor(picture(y).reduce(2))) is None
    assert enlargement(tensor(compressed(picture(y), 75))) is None


def test_blocks_of_a_coarse_compression_are_like_an_enlargement_but_not_taken_for_one() -> None:
    y = tensor(compressed(picture(blurred(kernels.gaussian(3), side=256)), 40))
    assert enlargement(y) is None
    assert LEAST < enlargement_by_blocks(y) < LEAST_OF_BLOCKS == needed(8 / 7) == needed(8 / 6)


def enlargement_by_blocks(y: Tensor) -> float:
    """The contrast of 8 / 7, by least squares that are written out."""
    lines = y[0, 0, :128, :128].double()
    rest = []
    for phase in range(8):
        places = (torch.arange(128).double() + 0.5 + phase / 7) / (8 / 7) - 0.5
        others = torch.arange(-3, 116).double()
        e = (1 - (places[:, None] - others).abs()).clamp(min=0)
        basis = torch.linalg.qr(e[:, e.sum(0) > 0.01])[0]
        rest.append(float((lines - lines @ basis @ basis.T)[:, 8:-8].norm()))
    return sorted(rest)[4] / min(rest)


def test_what_is_enlarged_again_has_every_pixel() -> None:
    """Also those halfway between two, of which 2.7 times has some."""
    y = tensor(large(2.7, "nearest"))
    how = enlargement(y)
    assert how is not None
    again = how.done(how.undone(y))
    assert float((again - y).abs().median()) < 1e-3
    assert float(again.mean((0, 1, 2)).min()) > 0.5 * float(y.mean((0, 1, 2)).min())
    assert float(again.mean((0, 1, 3)).min()) > 0.5 * float(y.mean((0, 1, 3)).min())


def test_the_axes_have_to_agree() -> None:
    x = small()
    assert enlargement(tensor(x.resize((2 * SIDE, round(2.1 * SIDE)), 3))) is None
    assert enlargement(tensor(x.resize((2 * SIDE, 2 * SIDE), 3))) is not None


def test_little_pictures_and_flat_ones_tell_nothing() -> None:
    assert enlargement(tensor(small(48).resize((95, 95), 3))) is None
    assert enlargement(torch.full((1, 3, 128, 128), 0.5)) is None


@pytest.mark.slow
def test_a_photo_that_was_blurred_before_it_was_enlarged_is_deblurred_as_it_was() -> None:
    soft = picture(blurred(kernels.disk(3), side=160))
    y = soft.resize((2 * soft.width, 2 * soft.height), WAYS["bicubic"])
    (found,) = blurs_of(read(y), [False], parts=False)
    assert found.family == "disk" and found.parameters["radius"] == pytest.approx(3, rel=0.1)
    x = tensor(picture(scene(160)[..., 3:-3, 3:-3]).resize(y.size, WAYS["bicubic"]))
    result = restore.deblur(y, **FAST)
    assert result.image.size == y.size and result.report["size"] == list(y.size)
    assert result.report["enlarged"]["size"] == list(soft.size)
    assert decibels(result.pixels, x) > decibels(tensor(y), x) + 3


def decibels(x: Tensor, y: Tensor) -> float:
    return -20 * math.log10(error(x, y) / 255)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1.5, 2])
def test_an_enlarged_photo_is_restored_from_what_was_there(times: float) -> None:
    truth = Image.fromarray(data.astronaut()[60:204, 160:304])
    before = truth.resize((round(144 / times),) * 2, Image.Resampling.LANCZOS)
    photo = before.resize((144, 144), Image.Resampling.BICUBIC)
    result = restore.deblur(photo, **FAST)
    assert result.report["enlarged"] == {
        "factors": [times, times], "filter": "bicubic", "size": [before.width, before.height]
    }  # fmt: skip
    x, y = tensor(truth), tensor(photo)
    assert decibels(result.pixels, x) > decibels(y, x) + 1.5
    assert result.accepted


def test_enlarging_an_enlarged_photo_begins_at_what_was_there() -> None:
    before = Image.fromarray(data.astronaut()[80:144, 180:244])
    photo = before.resize((96, 96), Image.Resampling.BICUBIC)
    result = restore.upscale(photo, 2, **FAST)
    assert result.image.size == (192, 192)
    assert result.report["enlarged"]["size"] == [64, 64]
    how = enlargement(tensor(photo))
    assert isinstance(how, Enlargement)
    measured = how.shrinking(2, "bicubic")(result.pixels)
    assert result.accepted and error(measured, tensor(before)) < 3


def test_rows_that_are_repeated_in_another_way_are_no_blur_either() -> None:
    """Of one and a half times every other pixel is halfway, and programs take the one or other."""
    y = large(1.5, "nearest")
    assert enlargement(tensor(y)) is None
    with pytest.raises(Unknowable, match="rows and columns are repeated"):
        blurs_of(read(y), [False], parts=False)
