"""What pixels tell of their compression: of files by Pillow, whose tables are known."""

import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import Tensor

from operators import Blur, Jpeg, kernels
from operators.jpeg import FACTORS
from restore.compression import compression_of, quality_of
from restore.images import read
from restore.photo import Photo
from tests.drawings import scene

WAYS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


def coloured(height: int = 170, width: int = 234) -> Image.Image:
    """A scene in colour, with fine detail."""
    x = scene(max(height, width))[:, :1, :height, :width]
    generator = torch.Generator().manual_seed(0)
    grain = 0.03 * torch.randn(1, 3, height, width, generator=generator)
    hue = torch.stack([x, x.flip(-1), 0.5 * x.flip(-2) + 0.2], 2)[:, 0]
    levels = (255 * (0.6 * x + 0.4 * hue + grain).clamp(0, 1)).byte()
    return Image.fromarray(levels[0].permute(1, 2, 0).numpy())


def saved(image: Image.Image, quality: int, way: str = "4:2:0", **more: object) -> Photo:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=WAYS[way], **more)
    return read(buffer.getvalue())


def copied(photo: Photo) -> Photo:
    """The same pixels in a PNG."""
    buffer = io.BytesIO()
    picture = replace(photo, kind="pil").native()
    assert isinstance(picture, Image.Image)
    picture.save(buffer, "PNG")
    return read(buffer.getvalue())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("quality", [30, 60, 75, 90])
def test_a_png_tells_the_tables_of_the_jpeg_that_it_was(quality: int, way: str) -> None:
    file = saved(coloured(), quality, way)
    shown = copied(file).jpeg
    assert shown is not None and shown.subsampling == way
    told = shown.tables(file.pixels)
    assert file.tables is not None
    assert [table.flatten().tolist() for table in told[:2]] == [list(t) for t in file.tables]


@pytest.mark.parametrize(("first", "last"), [(60, 93), (50, 90), (75, 95), (30, 75)])
def test_a_jpeg_tells_that_it_was_coarser_before(first: int, last: int) -> None:
    once = saved(coloured(), first)
    again = saved(Image.fromarray(once.samples("uint8")), last)
    shown, own = again.jpeg, once.jpeg
    assert shown is not None and own is not None and again.tables is not None
    for found, of_first, of_last in zip(
        shown.tables(again.pixels), own.tables(again.pixels), again.tables, strict=False
    ):
        expected = torch.maximum(of_first.flatten(), torch.tensor(of_last).float())
        assert torch.equal(found.flatten(), expected)


@pytest.mark.parametrize("quality", [40, 75, 92])
def test_a_jpeg_that_was_nothing_before_has_its_own_tables(quality: int) -> None:
    photo = saved(coloured(), quality)
    assert photo.jpeg is not None and photo.jpeg.quality == photo.tables


def test_tables_of_no_standard_are_told_as_far_as_anything_is_left() -> None:
    generator = torch.Generator().manual_seed(3)
    table = (4 + 12 * torch.rand(64, generator=generator)).int().tolist()
    file = saved(coloured(), 75, qtables=[table, table])
    shown = copied(file).jpeg
    assert shown is not None and file.tables is not None
    found = shown.tables(file.pixels)[0].flatten()
    truth = torch.tensor(file.tables[0])
    coefficients = Jpeg(file.tables).read(file.pixels)[0].flatten(0, 3).flatten(1)
    told = (coefficients != 0).float().mean(0) > 0.05
    assert int(told.sum()) > 30 and torch.equal(found[told], truth[told].float())
    assert found.min() >= 1 and found.median() >= 4


def test_a_quality_is_named_where_its_tables_are_a_writers() -> None:
    for quality in (1, 50, 75, 98):
        photo = saved(coloured(64, 64), quality)
        assert photo.tables is not None and quality_of(Jpeg(photo.tables)) == quality
        assert quality_of(Jpeg(quality)) == quality
    assert quality_of(Jpeg((tuple(range(1, 65)),))) is None
    assert quality_of(Jpeg()) is None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("corner", [(0, 8), (3, 5), (12, 1)])
def test_a_crop_tells_the_tables_and_what_is_missing(corner: tuple[int, int], way: str) -> None:
    file = saved(coloured(), 75, way)
    top, left = corner
    found = compression_of(file.pixels[:, :, top:, left:])
    assert found is not None and found.subsampling == way and found.orientation == 1
    beyond = [first % (8 * factor) for first, factor in zip(corner, FACTORS[way], strict=True)]
    assert list(found.corner) == beyond
    assert file.tables is not None and quality_of(found) == 75


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_copy_tells_the_tables(orientation: int) -> None:
    """Whose sides are no whole blocks, so that the first are cut; rows may be the columns."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(coloured(), 60, exif=exif)
    assert file.jpeg is not None and file.jpeg.orientation == orientation
    found = copied(file).jpeg
    assert found is not None and quality_of(found) == 60 and found.subsampling == "4:2:0"
    assert torch.equal(found.luma_steps(file.pixels), file.jpeg.luma_steps(file.pixels))
    luma, step = found.unrounded(file.pixels)[0], found.tables(file.pixels)[0]
    away = (luma - (luma / step).round() * step).abs()[:, :, 1:-1, 1:-1]
    assert float((away < 2).double().mean()) > 0.95


def test_a_turned_jpeg_tells_its_own_way_round() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    once = saved(coloured(), 50)
    again = saved(Image.fromarray(once.samples("uint8")), 95, exif=exif)
    assert again.jpeg is not None and once.jpeg is not None and again.jpeg.orientation == 6
    first, found = (one.jpeg.luma_steps(one.pixels) for one in (once, again) if one.jpeg)
    assert torch.equal(found, first.T)


def nothing() -> Iterator[tuple[str, Tensor]]:
    """Pixels that were not compressed, or show it no more."""
    image = coloured()
    plain = read(image).pixels
    once = saved(image, 60).pixels
    yield "uncompressed", plain
    yield "blurred", Blur(kernels.gaussian(1.0), "reflect")(once)
    yield "noisy", once + 0.02 * torch.randn(once.shape, generator=torch.Generator().manual_seed(1))
    yield "enlarged", torch.nn.functional.interpolate(once, scale_factor=2, mode="nearest")
    yield "64 levels", (63 * plain).round() / 63
    yield "tiles", plain[:, :, :8, :8].repeat(1, 1, 20, 20)
    squares = torch.arange(200) // 25 % 2
    yield "a chessboard", (squares[:, None] ^ squares).float().expand(1, 3, 200, 200)
    yield "flat", torch.full((1, 3, 64, 64), 0.4)
    yield "tiny", plain[:, :, :7, :90]


@pytest.mark.parametrize(("name", "pixels"), [pytest.param(*one, id=one[0]) for one in nothing()])
def test_other_pixels_tell_nothing(name: str, pixels: Tensor) -> None:
    assert compression_of((255 * pixels.clamp(0, 1)).round() / 255) is None


def test_sixteen_bits_and_batches_are_not_asked() -> None:
    once = saved(coloured(), 60)
    assert replace(once, sample_type="uint16").jpeg is None
    assert replace(once, pixels=once.pixels.repeat(2, 1, 1, 1)).jpeg is None
