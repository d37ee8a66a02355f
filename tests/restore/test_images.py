"""Pictures in and out: real files, written by Pillow and OpenCV and read by them again."""

import errno
import io
import json
import os
import re
import stat
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, ImageOps, TiffImagePlugin

from restore.decode import decode_bytes
from restore.encode import SUFFIXES, encode
from restore.images import Photo, PhotoError, Source, read, read_mask, write
from restore.result import Result

Array = np.ndarray[Any, np.dtype[Any]]
SUFFIX_LIST = sorted(SUFFIXES)
EXACT = [".png", ".tif", ".webp", ".bmp"]
DEEP = [".png", ".tif"]
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def picture(channels: int = 3, dtype: type = np.uint8, height: int = 12, width: int = 17) -> Array:
    generator = np.random.default_rng(channels)
    largest = np.iinfo(dtype).max
    return generator.integers(0, largest + 1, (height, width, channels)).astype(dtype)


def file_bytes(image: Image.Image, format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def pixels_of(array: Array) -> torch.Tensor:
    values = torch.from_numpy(array.astype(np.float32)) / np.iinfo(array.dtype).max
    return values.permute(2, 0, 1)[None]


@pytest.mark.parametrize("suffix", EXACT)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_pillow_wrote_is_read_and_written_without_a_change(
    tmp_path: Path, suffix: str, channels: int
) -> None:
    array = picture(channels)
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    Image.fromarray(array.squeeze()).save(source, lossless=True)
    photo = read(source)
    torch.testing.assert_close(photo.pixels, pixels_of(array).expand(-1, 3, -1, -1), rtol=0, atol=0)
    assert (photo.depth, photo.format) == (8, SUFFIXES[suffix])
    assert photo.grey == (channels == 1 and suffix != ".webp")  # WebP knows no grey
    write(photo, target)
    with Image.open(source) as before, Image.open(target) as after:
        assert before.mode == after.mode
        np.testing.assert_array_equal(np.asarray(before), np.asarray(after))


@pytest.mark.parametrize("suffix", DEEP)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_survive(tmp_path: Path, suffix: str, channels: int) -> None:
    array = picture(channels, np.uint16)
    swapped = array if channels == 1 else array[:, :, [2, 1, 0, 3][:channels]]
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    assert cv2.imwrite(str(source), swapped)
    photo = read(source)
    colours = 1 if channels == 1 else 3
    expected = pixels_of(array)
    torch.testing.assert_close(
        photo.pixels, expected[:, :colours].expand(-1, 3, -1, -1), rtol=0, atol=0
    )
    assert (photo.depth, photo.grey) == (16, channels == 1)
    write(photo, target)
    again = cv2.imread(str(target), cv2.IMREAD_UNCHANGED)
    assert again is not None and again.dtype == np.uint16
    np.testing.assert_array_equal(again.reshape(swapped.shape), swapped)
    with Image.open(target) as image:
        image.load()  # Pillow finds no fault in it either


def test_sixteen_bit_grey_with_alpha_survives_in_png(tmp_path: Path) -> None:
    array = picture(2, np.uint16)
    (tmp_path / "a.png").write_bytes(encode(array, "PNG", "a"))
    unchanged = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert unchanged is not None
    np.testing.assert_array_equal(unchanged[:, :, 2:], array)
    photo = read(tmp_path / "a.png")
    assert photo.grey and photo.depth == 16
    np.testing.assert_array_equal(photo.samples("uint16"), array)


def test_a_tiff_that_counts_from_white_is_not_a_negative() -> None:
    data = bytearray(encode(picture(1, np.uint16), "TIFF", "a"))
    entry = data.index(bytes([6, 1, 3, 0, 1, 0, 0, 0]))  # tag 262, SHORT, one value
    assert data[entry + 8] == 1
    data[entry + 8] = 0
    np.testing.assert_array_equal(
        decode_bytes(bytes(data), "a", 1000).samples, 65535 - picture(1, np.uint16)
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_orientation_is_applied_once(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = "Camera"
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    Image.fromarray(picture()).save(source, exif=exif, lossless=True, quality=95)
    with Image.open(source) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    photo = read(source)
    torch.testing.assert_close(photo.pixels, pixels_of(upright), rtol=0, atol=0)
    write(photo, target)
    with Image.open(target) as image:
        assert image.getexif().get(ExifTags.Base.Orientation, 1) == 1
        assert image.getexif()[ExifTags.Base.Make] == "Camera"
        assert image.size == upright.shape[1::-1]


def test_orientation_is_applied_to_sixteen_bits_and_to_alpha(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    array = picture(4, np.uint16)
    (tmp_path / "a.png").write_bytes(encode(array, "PNG", "a", exif=exif.tobytes()))
    np.testing.assert_array_equal(
        read(tmp_path / "a.png").samples("uint16"), np.rot90(array, -1, (0, 1))
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_metadata_travels(tmp_path: Path, suffix: str, dtype: type) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "M"
    exif[ExifTags.Base.ImageDescription] = "A walk"
    exif[ExifTags.Base.ImageWidth] = 99999
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.DateTimeOriginal: "2020:01:02 03:04:05",
        ExifTags.Base.ExifImageWidth: 99999,
    }
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    source, target = tmp_path / "in.png", tmp_path / f"out{suffix}"
    source.write_bytes(encode(picture(3, dtype), "PNG", "a", exif=exif.tobytes(), icc=ICC))
    report = {"seed": 3, "text": 'é < & ]]> "quoted"'}
    write(read(source), target, report=report)
    with Image.open(target) as image:
        kept = image.getexif()
        assert (kept[ExifTags.Base.Model], kept[ExifTags.Base.ImageDescription]) == ("M", "A walk")
        assert kept.get(ExifTags.Base.ImageWidth) in (None, image.width)
        assert kept.get_ifd(ExifTags.IFD.Exif) == {
            ExifTags.Base.DateTimeOriginal: "2020:01:02 03:04:05"
        }
        assert kept.get_ifd(ExifTags.IFD.GPSInfo) == {ExifTags.GPS.GPSLatitudeRef: "N"}
        assert image.info["icc_profile"] == ICC
        if suffix == ".png":
            assert json.loads(image.info["photomend"]) == report
        else:
            packet = ElementTree.fromstring(image.info["xmp"])
            assert json.loads("".join(packet.itertext())) == report
    again = read(target)  # and what was written is read as such
    assert (again.icc, again.exif) == (ICC, read(source).exif)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_where_a_photo_was_taken_can_be_left_out(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitude: (48.0, 8.0, 30.5)}
    alone = read(encode(picture(), "PNG", "a", exif=exif.tobytes()))
    assert alone.exif is not None and alone.without_gps().exif is None
    exif[ExifTags.Base.Model] = "M"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.DateTimeOriginal: "2020:01:02 03:04:05"}
    photo = read(encode(picture(), "PNG", "a", exif=exif.tobytes()))
    result = Result(photo.pixels, photo.pixels[None], None, {}, photo)
    result.save(tmp_path / f"a{suffix}", gps=False)
    with Image.open(tmp_path / f"a{suffix}") as image:
        kept = image.getexif()
        assert kept[ExifTags.Base.Model] == "M" and len(kept.get_ifd(ExifTags.IFD.Exif)) == 1
        assert ExifTags.IFD.GPSInfo not in kept
    assert photo.without_gps().without_gps().exif == photo.without_gps().exif


def layers(path: Path) -> set[tuple[int, ...]]:
    with Image.open(path) as image:
        return {layer[1:3] for layer in image.layer}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("quality", "subsampling"), [(75, "4:2:0"), (92, "4:2:2"), (100, "4:4:4")])
def test_a_jpeg_keeps_its_quality(tmp_path: Path, quality: int, subsampling: str) -> None:
    source, target = tmp_path / "a.jpg", tmp_path / "b.jpg"
    flat = Image.fromarray(picture(height=96, width=80)).resize((80, 96), box=(0, 0, 8, 8))
    flat.save(source, quality=quality, subsampling=subsampling)
    photo = read(source)
    write(photo, target)
    assert read(target).tables == photo.tables and layers(target) == layers(source)
    assert read(read(source.read_bytes()).native()).tables == photo.tables
    # what is not changed is rounded to nearly the same again
    assert float((read(target).pixels - photo.pixels).abs().mean()) < 1 / 255


def test_a_turned_jpeg_keeps_its_quality_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(picture()).save(tmp_path / "a.jpg", quality=90, exif=exif)
    write(read(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    before, after = read(tmp_path / "a.jpg").tables, read(tmp_path / "b.jpg").tables
    assert before is not None and after is not None
    turned = np.array(before[0]).reshape(8, 8).T
    np.testing.assert_array_equal(np.array(after[0]).reshape(8, 8), turned)


def test_a_poor_jpeg_is_written_better_than_it_was(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.jpg", quality=74)
    photo = read(tmp_path / "a.jpg")
    assert photo.tables is not None and len(photo.tables) == 2
    write(photo, tmp_path / "b.jpg")
    assert layers(tmp_path / "b.jpg") == {(1, 1)}
    coarse, fine = photo.tables[0], read(tmp_path / "b.jpg").tables
    assert fine is not None and sum(fine[0]) < sum(coarse) / 4


def test_alpha_is_kept_aside_and_put_back(tmp_path: Path) -> None:
    array = picture(4)
    array[:2, :, 3] = 0  # colours under full transparency are colours all the same
    Image.fromarray(array).save(tmp_path / "a.png")
    photo = read(tmp_path / "a.png")
    assert photo.alpha is not None
    torch.testing.assert_close(
        torch.cat([photo.pixels, photo.alpha], 1), pixels_of(array), rtol=0, atol=0
    )
    for suffix in (".png", ".tif", ".webp"):
        write(photo, tmp_path / f"b{suffix}")
        with Image.open(tmp_path / f"b{suffix}") as image:
            np.testing.assert_array_equal(np.asarray(image), array)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_transparency_is_never_dropped_in_silence(tmp_path: Path, suffix: str) -> None:
    array = picture(4)
    with pytest.raises(PhotoError, match=r"holds no transparency; save as \.png"):
        write(read(array), tmp_path / f"a{suffix}")
    array[:, :, 3] = 255
    write(read(array), tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}").alpha is None


def test_alpha_follows_the_size_of_new_pixels() -> None:
    photo = read(picture(4)).with_pixels(torch.full((1, 3, 48, 68), 0.5))
    native = photo.native()
    assert isinstance(native, np.ndarray) and native.shape == (48, 68, 4)
    with pytest.raises(ValueError, match=re.escape("pass (B, 3, H, W)")):
        photo.with_pixels(torch.zeros(3, 4, 4))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "YCbCr", "HSV"])
def test_modes_of_pillow(mode: str) -> None:
    image = Image.fromarray(picture()).convert("P" if mode == "PA" else mode).convert(mode)
    photo = read(image)
    alpha = mode in ("LA", "PA", "RGBA")
    assert photo.grey == (mode in ("1", "L", "LA")) and (photo.alpha is not None) == alpha
    reference = pixels_of(np.asarray(image.convert("RGB")))
    torch.testing.assert_close(photo.pixels, reference, rtol=0, atol=0)
    native = photo.native()
    assert isinstance(native, Image.Image)
    assert native.mode == ("L" if photo.grey else "RGB") + ("A" if alpha else "")


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_transparent_colour_becomes_alpha(mode: str) -> None:
    image = Image.fromarray(picture()).convert(mode)
    colour = image.getpixel((0, 0))
    photo = read(file_bytes(image, "PNG", transparency=colour))
    expected = np.asarray(
        Image.open(io.BytesIO(file_bytes(image, "PNG", transparency=colour))).convert("RGBA")
    )
    assert photo.alpha is not None and float(photo.alpha[0, 0, 0, 0]) == 0
    np.testing.assert_array_equal(photo.alpha[0, 0].numpy() * 255, expected[:, :, 3])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
def test_arrays_come_back_as_they_went(dtype: str, channels: int) -> None:
    array = picture(max(channels, 1), np.uint16)
    if dtype.startswith("float"):
        array = (array / 65535).astype(dtype)
    array = array.astype(dtype) if channels else array[:, :, 0].astype(dtype)
    before = array.copy()
    native = read(array).native()
    assert isinstance(native, np.ndarray) and native.dtype == array.dtype
    # float64 passes through float32, whose numbers below 1 lie 2^-24 apart at most
    np.testing.assert_allclose(native, before, rtol=0, atol=2**-24 if dtype == "float64" else 0)
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize(
    "dtype",
    [torch.uint8, torch.uint16, torch.float16, torch.bfloat16, torch.float32, torch.float64],
)
@pytest.mark.parametrize("shape", [(5, 6), (1, 5, 6), (3, 5, 6), (4, 5, 6), (2, 3, 5, 6)])
def test_tensors_come_back_as_they_went(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    values = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    tensor = values.to(dtype) if dtype.is_floating_point else (values * 255).int().to(dtype)
    photo = read(tensor)
    native = photo.native()
    assert photo.pixels.dtype == torch.float32 and photo.pixels.shape[1] == 3
    assert isinstance(native, torch.Tensor) and native.dtype == dtype
    torch.testing.assert_close(native, tensor, rtol=0, atol=2**-24 if dtype.itemsize == 8 else 0)


def test_byte_order_and_strides_of_an_array_do_not_matter() -> None:
    array = picture(3, np.uint16)
    torch.testing.assert_close(read(array.astype(">u2")).pixels, read(array).pixels)
    torch.testing.assert_close(read(array[::-1, ::-1]).pixels, read(array).pixels.flip(2, 3))


def test_bytes_come_back_as_a_file_of_the_same_format() -> None:
    for format in ("PNG", "TIFF", "WEBP", "BMP", "JPEG"):
        native = read(file_bytes(Image.fromarray(picture()), format)).native()
        assert isinstance(native, bytes)
        assert Image.open(io.BytesIO(native)).format == format


def test_a_pillow_image_keeps_its_notes_and_its_owner_keeps_the_image() -> None:
    image = Image.fromarray(picture())
    image.getexif()[ExifTags.Base.Orientation] = 6
    image.getexif()[ExifTags.Base.Make] = "Camera"
    image.info["icc_profile"] = ICC
    native = read(image).native()
    assert isinstance(native, Image.Image) and native.size == (12, 17)
    assert native.info["icc_profile"] == ICC
    saved = Image.open(io.BytesIO(file_bytes(native, "PNG", exif=native.info["exif"])))
    assert saved.getexif() == {ExifTags.Base.Make: "Camera"}
    assert image.getexif()[ExifTags.Base.Orientation] == 6


def test_deep_grey_of_pillow_stays_deep() -> None:
    array = picture(1, np.uint16)[:, :, 0]
    native = read(Image.fromarray(array)).native()
    assert isinstance(native, Image.Image) and native.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(native), array)


@pytest.mark.parametrize("suffix", SUFFIX_LIST)
def test_floating_point_is_written_with_all_the_bits_of_the_format(
    tmp_path: Path, suffix: str
) -> None:
    write(read(torch.full((3, 4, 5), 0.3)), tmp_path / f"a{suffix}")
    photo = read(tmp_path / f"a{suffix}")
    assert photo.depth == (16 if suffix in (".png", ".tif", ".tiff") else 8)
    # half a step of rounding; JPEG's colour conversion rounds three more times
    steps = 2.5 if suffix.startswith(".j") else 0.51
    assert float((photo.pixels - 0.3).abs().max()) <= steps / (2**photo.depth - 1)


def test_pixels_beyond_the_range_are_clipped_and_not_wrapped() -> None:
    photo = read(picture()).with_pixels(torch.tensor([-0.2, 0.5, 1.2]).reshape(1, 3, 1, 1))
    assert np.asarray(photo.native()).tolist() == [[[0, 128, 255]]]


def test_a_batch_is_not_one_file(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="2 pictures in one"):
        write(read(torch.zeros(2, 3, 4, 4)), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_write_does_not_overwrite_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    with pytest.raises(PhotoError, match="exists already"):
        write(read(picture()), path)
    assert path.read_bytes() == b"precious"
    write(read(picture()), path, overwrite=True)
    assert os.listdir(tmp_path) == ["a.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(path)), picture())


def test_a_file_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(read(picture()), tmp_path / "a.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o640


@pytest.mark.parametrize("step", ["write", "replace"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_full_disk_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, existing: bool
) -> None:
    path = tmp_path / "a.png"
    if existing:
        path.write_bytes(b"precious")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if step == "write":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(PhotoError, match=r"a\.png: cannot be written \(No space left"):
        write(read(picture()), path, overwrite=True)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([b"precious"] if existing else [])


def test_an_interrupt_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(read(picture()), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def animation(format: str) -> bytes:
    frames = [Image.fromarray(picture(3)), Image.fromarray(255 - picture(3))]
    return file_bytes(frames[0], format, save_all=True, append_images=frames[1:])


LARGE = encode(np.zeros((400, 500, 1), np.uint8), "PNG", "large")
BAD: list[tuple[str, bytes, str]] = [
    ("empty", b"", "the file is empty"),
    ("text", b"hello, this is a letter", "not a picture of a known kind"),
    ("gif", file_bytes(Image.fromarray(picture()), "GIF"), "not a picture of a known kind"),
    ("apng", animation("PNG"), "2 frames or pages"),
    ("webp", animation("WEBP"), "2 frames or pages"),
    ("pages", animation("TIFF"), "2 frames or pages"),
    ("large", LARGE, "500 x 400 pixels are more than the 100000 allowed"),
    ("large, cut after the header", LARGE[:60], "are more than the 100000 allowed"),
    ("cmyk", file_bytes(Image.new("CMYK", (4, 4)), "JPEG"), "a printer's (CMYK)"),
    ("cmyk tiff", file_bytes(Image.new("CMYK", (4, 4)), "TIFF"), "a printer's (CMYK)"),
    ("float", file_bytes(Image.new("F", (4, 4)), "TIFF"), "samples of kind 'F'"),
]


@pytest.mark.parametrize(("data", "reason"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_what_cannot_be_read_is_named_with_reason_and_cure(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    (tmp_path / "holiday.png").write_bytes(data)
    with pytest.raises(PhotoError) as caught:
        read(tmp_path / "holiday.png", max_pixels=100_000)
    message = str(caught.value)
    assert "holiday.png: " in message and reason in message and "; " in message
    assert "\n" not in message


def test_a_second_reduced_page_is_no_page(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.tif")
    reduced = Image.fromarray(picture(height=3, width=4))
    with TiffImagePlugin.AppendingTiffWriter(str(tmp_path / "a.tif")) as file:
        reduced.save(file, "TIFF", tiffinfo={254: 1})
    torch.testing.assert_close(read(tmp_path / "a.tif").pixels, pixels_of(picture()))


def test_a_phone_photo_with_a_second_picture_inside_is_a_jpeg() -> None:
    data = file_bytes(
        Image.fromarray(picture()), "MPO", save_all=True, append_images=[Image.new("RGB", (4, 4))]
    )
    photo = read(data)
    assert (photo.format, photo.pixels.shape) == ("JPEG", (1, 3, 12, 17))


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="a folder; pass a picture file"):
        read(tmp_path)
    with pytest.raises(PhotoError, match=r"none\.png: cannot be read \(No such file"):
        read(str(tmp_path / "none.png"))
    with pytest.raises(PhotoError, match="cannot be read"):
        read("a\0b.png")
    with pytest.raises(PhotoError, match="source: a int; pass a path"):
        read(3)  # type: ignore[arg-type]
    with pytest.raises(PhotoError, match=r"suffix '\.xyz'; name it with one of \.png"):
        write(read(picture()), tmp_path / "a.xyz")
    with pytest.raises(PhotoError, match="cannot be written"):
        write(read(picture()), tmp_path / "none" / "a.png")


BAD_VALUES: list[tuple[Any, str]] = [
    (np.zeros((3, 8, 9)), "pass (H, W) or (H, W, C)"),
    (np.zeros((8, 9), np.int64), "of int64"),
    (np.zeros((0, 9, 3), np.uint8), "shape"),
    (np.full((4, 4, 3), 200.0), "scale them to [0, 1] or pass uint8"),
    (np.full((4, 4), np.nan), "values from nan"),
    (torch.zeros(5, 4, 4), "(C, H, W) or (B, C, H, W)"),
    (torch.zeros(4, 4, dtype=torch.bool), "of bool"),
    (torch.zeros(1, 1, 3, 4, 4), "shape (1, 1, 3, 4, 4)"),
]


@pytest.mark.parametrize(("values", "reason"), BAD_VALUES)
def test_arrays_and_tensors_that_are_no_pictures(values: Any, reason: str) -> None:
    with pytest.raises(PhotoError, match=re.escape(reason)):
        read(values)


FILES = [
    encode(picture(), "PNG", "a", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", icc=ICC),
    encode(picture(3, np.uint16), "PNG", "a"),
    encode(picture(4, np.uint16), "TIFF", "a", icc=ICC),
    encode(picture(1), "TIFF", "a"),
    encode(picture(), "JPEG", "a", icc=ICC),
    encode(picture(), "WEBP", "a"),
    encode(picture(), "BMP", "a"),
]


@pytest.mark.filterwarnings("ignore:::PIL")  # Pillow warns of broken tags before it gives up
@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from(FILES),
    st.floats(0, 1),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=3),
)
def test_a_damaged_file_is_a_photo_or_a_photo_error(
    data: bytes, kept: float, changes: list[tuple[int, int]]
) -> None:
    damaged = bytearray(data[: 1 + int(kept * len(data))])
    for place, value in changes:
        damaged[place % len(damaged)] = value
    try:
        photo = read(bytes(damaged), max_pixels=10_000)
    except PhotoError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(photo, Photo)


@pytest.mark.parametrize("index", range(len(FILES)))
def test_a_file_cut_in_half_is_not_read(index: int) -> None:
    data = FILES[index]
    with pytest.raises(PhotoError):
        read(data[: len(data) // 2])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(1, 4), st.integers(1, 140), st.integers(1, 9), st.booleans(), st.integers(0, 2**32)
)
def test_png_and_tiff_of_any_size_are_what_other_programs_read(
    channels: int, height: int, width: int, deep: bool, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    steps = generator.integers(-3, 4, (height, width, channels))
    samples = steps.cumsum(0).cumsum(1).astype(np.uint16 if deep else np.uint8)
    for format in ("PNG", "TIFF"):
        data = np.frombuffer(encode(samples, format, "a"), np.uint8)
        if channels in (1, 3) or (channels == 4 and format == "PNG"):
            found = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
            assert found is not None
            order = [0] if channels == 1 else [2, 1, 0, 3][:channels]
            np.testing.assert_array_equal(found.reshape(height, width, -1)[:, :, order], samples)
        elif not deep:
            with Image.open(io.BytesIO(data.tobytes())) as image:
                np.testing.assert_array_equal(np.asarray(image), samples)


def test_a_mask_is_true_where_it_is_white(tmp_path: Path) -> None:
    values = np.array([[0, 127, 128], [255, 10, 250]], np.uint8)
    Image.fromarray(values).save(tmp_path / "mask.png")
    mask = read_mask(tmp_path / "mask.png", 2, 3)
    assert mask.dtype == torch.bool and mask.shape == (1, 1, 2, 3)
    expected = torch.tensor([[False, False, True], [True, False, True]])
    assert torch.equal(mask[0, 0], expected)
    sources: list[Source] = [
        expected,
        expected[None],
        expected[None, None],
        expected.numpy(),
        expected.float(),
    ]
    for source in sources:
        assert torch.equal(read_mask(source, 2, 3), mask)


def test_strokes_on_a_transparent_layer_are_the_mask() -> None:
    layer = np.zeros((4, 5, 4), np.uint8)
    layer[1, 2] = 255
    layer[0, 0] = (255, 255, 255, 0)
    assert read_mask(layer, 4, 5).nonzero().tolist() == [[0, 0, 1, 2]]


def test_a_mask_follows_its_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    values = np.zeros((2, 3), np.uint8)
    values[0, 0] = 255
    Image.fromarray(values).save(tmp_path / "mask.png", exif=exif)
    assert read_mask(tmp_path / "mask.png", 3, 2).nonzero().tolist() == [[0, 0, 0, 1]]


BAD_MASKS: list[tuple[Any, str]] = [
    (np.eye(5, dtype=np.uint8) * 255, "mask array: 5 x 5 pixels, the photo has 6 x 5"),
    (np.zeros((5, 6), np.uint8), "nothing is white"),
    (np.eye(5, 6, dtype=np.uint8), "nothing is white (the brightest value is 0.00392 of 1)"),
    (np.full((5, 6), 255, np.uint8), "everything is white"),
    (torch.zeros(2, 1, 5, 6), "pixels, the photo has"),
]


@pytest.mark.parametrize(("mask", "reason"), BAD_MASKS)
def test_masks_that_leave_nothing_to_do(mask: Any, reason: str) -> None:
    with pytest.raises(PhotoError, match=re.escape(reason)):
        read_mask(mask, 5, 6)
