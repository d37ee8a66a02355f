"""The bytes of a picture file to upright pixels and metadata; nothing of 16 bits is lost."""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

Samples = NDArray[Any]  # uint8 or uint16, (H, W, C)
Tables = tuple[tuple[int, ...], ...]

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
_GREY_MODES = ("1", "L", "LA", "La")
_DEEP_GREY_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
# What Pillow's decoders let through when a file is damaged.
_DECODER_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError,
    AttributeError, NotImplementedError, MemoryError, struct.error, zlib.error,
    Image.DecompressionBombError,
)  # fmt: skip
# TIFF tags that tell how the old file was laid out, the size and turn of its pixels, and what is
# kept elsewhere (ICC); they would be lies in a new file.
_LAYOUT_TAGS = frozenset(
    [*range(254, 260), 262, 263, 264, 265, 266, 273, 274, *range(277, 282), 284, 290, 291, 292,
     293, 297, 301, 317, 318, 319, 320, 321, *range(322, 326), 330, 332, 333, 334, *range(336, 348),
     *range(512, 522), 529, 530, 531, 532, 559, 700, 33723, 34377, 34675, 37724]
)  # fmt: skip
_SIZE_AND_OFFSET_TAGS = frozenset([0xA002, 0xA003, 0xA005])


class PhotoError(ValueError):
    """A picture that cannot be read or written: one line with its name, the reason and a cure."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """Upright samples (H, W, C), C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and straight alpha.

    exif holds no orientation, no thumbnail and no sizes; icc describes the samples as they are;
    tables are a JPEG's quantisation tables.
    """

    samples: Samples
    exif: bytes | None
    icc: bytes | None
    format: str
    tables: Tables | None


def decode_bytes(data: bytes, name: str, max_pixels: int) -> Decoded:
    """Decode a file of one of FORMATS; PhotoError when that is not possible."""
    with _telling(name):
        image = _open(data, name)
        _check(image, name, max_pixels)
        # Pillow tells truncated data reliably, so it goes first even where OpenCV gives the pixels.
        decoded = decode_image(image, name, max_pixels)
        if _bits(image, data) <= 8 or image.mode in _DEEP_GREY_MODES:
            return decoded
        return replace(decoded, samples=_turned(_deep_samples(image, data, name), image))


def decode_image(image: Image.Image, name: str, max_pixels: int) -> Decoded:
    """Take over an image of Pillow; PhotoError when it is too large or of an unknown mode."""
    with _telling(name):
        _check(image, name, max_pixels)
        image.load()
        plain, icc = _plain(image, name)
        samples = np.asarray(plain)
        if plain.mode in _DEEP_GREY_MODES:
            samples = samples.astype(np.uint16)
            if getattr(image, "tag_v2", {}).get(262) == 0:
                # TIFF may count from white, which Pillow undoes for 8 bits only.
                samples = 65535 - samples
        tables = getattr(image, "quantization", None) or {}
        return Decoded(
            samples=_turned(samples.reshape(*samples.shape[:2], -1), image),
            exif=_kept_exif(image.getexif()),
            icc=icc,
            format=_file_format(image),
            tables=tuple(tuple(table) for _, table in sorted(tables.items())) or None,
        )


@contextmanager
def _telling(name: str) -> Iterator[None]:
    try:
        yield
    except PhotoError:
        raise
    except _DECODER_ERRORS as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PhotoError(
            f"{name}: cannot be decoded ({reason}); the file is damaged, truncated or of an "
            "unusual kind: get it again, or export it as PNG"
        ) from error


def _open(data: bytes, name: str) -> Image.Image:
    Image.preinit()
    Image.init()
    for kind in FORMATS:
        factory, accept = Image.OPEN[kind]
        # Image.open would also measure the picture against a process-wide limit and only warn.
        if accept is None or accept(data[:16]) is True:
            return factory(io.BytesIO(data), "")
    if not data:
        raise PhotoError(f"{name}: the file is empty; get or export it again")
    raise PhotoError(f"{name}: not a picture of a known kind; pass one of {', '.join(FORMATS)}")


def _check(image: Image.Image, name: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise PhotoError(
            f"{name}: {width} x {height} pixels are more than the {max_pixels} allowed; "
            "make it smaller or raise max_pixels"
        )
    if image.format != "MPO" and (pages := _pages(image)) > 1:
        raise PhotoError(
            f"{name}: {pages} frames or pages, and only still pictures are restored; "
            "save the one you want as PNG"
        )


def _pages(image: Image.Image) -> int:
    """Count frames; the reduced copies that cameras store beside a TIFF are none."""
    frames = range(getattr(image, "n_frames", 1))
    if image.format != "TIFF" or len(frames) == 1:
        return len(frames)
    full = 0
    for frame in frames:
        image.seek(frame)
        full += not image.tag_v2.get(254, 0) & 1  # type: ignore[attr-defined]
    image.seek(0)
    return full


def _plain(image: Image.Image, name: str) -> tuple[Image.Image, bytes | None]:
    """Convert to L, LA, RGB, RGBA or 16-bit grey, and give the profile that then holds."""
    icc: bytes | None = image.info.get("icc_profile") or None
    transparent = "transparency" in image.info
    if image.mode in _DEEP_GREY_MODES:
        return image, icc
    if image.mode in _GREY_MODES:
        return image.convert("LA" if transparent or image.mode in ("LA", "La") else "L"), icc
    if image.mode in ("RGB", "RGBA", "RGBX", "RGBa", "P", "PA", "YCbCr", "HSV"):
        opaque = image.mode not in ("RGBA", "RGBa", "PA") and not transparent
        return image.convert("RGB" if opaque else "RGBA"), icc
    if image.mode == "CMYK":
        return _from_cmyk(image, icc), None
    raise PhotoError(f"{name}: samples of kind {image.mode!r}; export it with 8 or 16 bits as RGB")


def _from_cmyk(image: Image.Image, icc: bytes | None) -> Image.Image:
    if icc is None:
        return image.convert("RGB")
    try:
        profile, srgb = io.BytesIO(icc), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    except ImageCms.PyCMSError:
        return image.convert("RGB")
    return converted or image.convert("RGB")


def _file_format(image: Image.Image) -> str:
    """Name the format to write again; MPO is what phones call a JPEG with more pictures inside."""
    names = {"MPO": "JPEG", **{name: name for name in FORMATS}}
    return names.get(image.format or "", "PNG")


def _bits(image: Image.Image, data: bytes) -> int:
    if image.format == "PNG":
        return data[24]
    tags: dict[int, tuple[int, ...]] = getattr(image, "tag_v2", {})
    return max(tags.get(258, (8,)))


def _deep_samples(image: Image.Image, data: bytes, name: str) -> Samples:
    """Decode 16-bit colour with OpenCV, as Pillow cuts it to 8 bits."""
    import cv2

    tags: dict[int, Any] = dict(getattr(image, "tag_v2", {}))
    unusual = set(tags.get(339, (1,))) != {1} or tags.get(262, 2) not in (1, 2)
    raw = None if unusual else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.dtype != np.uint16:
        raise PhotoError(f"{name}: an unusual 16-bit layout; export it as RGB PNG or TIFF")
    samples = raw.reshape(*raw.shape[:2], -1)
    if samples.shape[2] >= 3:
        samples = samples[:, :, [2, 1, 0, 3][: samples.shape[2]]]
    if image.format == "PNG" and data[25] == 4:
        samples = samples[:, :, 2:]
    if 1 in tags.get(338, ()):
        samples = _straight(samples)
    return samples


def _straight(samples: Samples) -> NDArray[np.uint16]:
    """Divide by the alpha that a TIFF with associated alpha has multiplied into its colours."""
    alpha = np.maximum(samples[:, :, -1:], 1).astype(np.float64)
    colour = np.minimum(np.rint(samples[:, :, :-1] * (65535 / alpha)), 65535).astype(np.uint16)
    return np.concatenate([colour, samples[:, :, -1:]], axis=2)


def _turned(samples: Samples, image: Image.Image) -> Samples:
    """Undo the EXIF orientation, 1 to 8; other values count as 1."""
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    if orientation in (5, 6, 7, 8):
        samples = samples.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return np.ascontiguousarray(samples)


def _kept_exif(exif: Image.Exif) -> bytes | None:
    kept = Image.Exif()
    try:
        for tag, value in exif.items():
            if tag not in _LAYOUT_TAGS and tag not in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
                kept[tag] = value
        for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            folder = exif.get_ifd(tag)
            if folder:
                kept[tag] = {k: v for k, v in folder.items() if k not in _SIZE_AND_OFFSET_TAGS}
        return kept.tobytes() if len(kept) else None
    except _DECODER_ERRORS:
        # Broken notes are no reason to refuse the picture.
        return None
