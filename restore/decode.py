"""The bytes of a picture file to upright pixels and metadata; nothing of 16 bits is lost."""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restore.exif import DECODER_ERRORS, kept_exif, orientation, upright
from restore.memory import NotEnoughMemory, memory_free, shown
from restore.silence import intact, silence_opencv, silence_tiff

Samples = NDArray[Any]  # uint8 or uint16, (H, W, C)
Tables = tuple[tuple[int, ...], ...]

EMPTY, FLAT, TRAP = 1000, 50_000_000, 200
"""Pixels a byte that no JPEG has; masks may, but not above so many pixels: there only so many."""
HELD, LARGE = 24, 2**24
"""Bytes a pixel that reading takes; pixels from which on it is asked whether they are there."""
_ALONE = threading.RLock()  # what warnings are heard is one setting for all threads

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
_GREY_MODES = ("1", "L", "LA", "La")
_DEEP_GREY_MODES = ("I;16", "I;16L", "I;16B", "I;16N")


class PhotoError(ValueError):
    """A picture that cannot be read or written: one line with its name, the reason and a cure."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """Upright samples (H, W, C), C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and straight alpha.

    exif holds no orientation, no thumbnail and no sizes; icc describes the samples as they are;
    tables are a JPEG's quantisation tables, subsampling that of its chroma, orientation how its
    pixels lay (1 to 8, EXIF).
    """

    samples: Samples
    exif: bytes | None
    icc: bytes | None
    format: str
    tables: Tables | None
    subsampling: str | None = None
    orientation: int = 1


def decode_bytes(data: bytes, name: str, max_pixels: int) -> Decoded:
    """Decode a file of one of FORMATS; PhotoError when that is not possible."""
    with _telling(name):
        image = _open(data, name)
        _check(image, name, max_pixels)
        _check_weight(image, len(data), name)
        # Pillow tells truncated data reliably, so it goes first even where OpenCV gives the pixels.
        decoded = decode_image(image, name, max_pixels)
        if _bits(image, data) <= 8 or image.mode in _DEEP_GREY_MODES:
            return decoded
        return replace(
            decoded, samples=upright(_deep_samples(image, data, name), orientation(image))
        )


def header(data: bytes, name: str) -> tuple[str, int, int]:
    """Format, width and height of a file as stored; its pixels are not decoded. PhotoError."""
    with _telling(name):
        image = _open(data, name)
        return _file_format(image), *image.size


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
            samples=upright(samples.reshape(*samples.shape[:2], -1), orientation(image)),
            exif=kept_exif(image.getexif()),
            icc=icc,
            format=_file_format(image),
            tables=tuple(tuple(table) for _, table in sorted(tables.items())) or None,
            subsampling=_subsampling(image),
            orientation=orientation(image),
        )


@contextmanager
def _telling(name: str) -> Iterator[None]:
    try:
        # Pillow warns of what it forgives, and then of what it does not forgive.
        with _ALONE, warnings.catch_warnings(action="ignore"):
            yield
    except (PhotoError, NotEnoughMemory):
        raise
    except DECODER_ERRORS as error:
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
            if kind == "TIFF":
                silence_tiff()
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
    if image.mode == "CMYK":
        raise PhotoError(f"{name}: its colours are a printer's (CMYK); convert it to RGB")
    free = memory_free() if width * height > LARGE else None
    if free is not None and HELD * width * height > free:
        raise NotEnoughMemory(
            f"{name}: {width} x {height} pixels need {shown(HELD * width * height)} to be read, "
            f"above the {shown(free)} that are free; make it smaller, or cut it in parts"
        )


def _check_weight(image: Image.Image, size: int, name: str) -> None:
    """Refuse what would fill gigabytes from a few bytes: decoders make flat pictures of it."""
    width, height = image.size
    most = max(2**20, EMPTY * size)
    if image.format not in ("JPEG", "MPO"):
        most = max(FLAT, TRAP * size)
    if width * height > most:
        raise PhotoError(
            f"{name}: {width} x {height} pixels in {size} bytes; that is no photo but a trap, or a "
            "damaged file: get it again"
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
    raise PhotoError(f"{name}: samples of kind {image.mode!r}; export it with 8 or 16 bits as RGB")


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

    silence_opencv()
    tags: dict[int, Any] = dict(getattr(image, "tag_v2", {}))
    unusual = set(tags.get(339, (1,))) != {1} or tags.get(262, 2) not in (1, 2)
    if image.format == "PNG" and not intact(data):
        raise PhotoError(f"{name}: a checksum is wrong, it is damaged; get it again")
    try:
        raw = None if unusual else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        raw = None
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


def _subsampling(image: Image.Image) -> str | None:
    """Name the chroma's subsampling of a JPEG, "4:2:0"; None for other files and other kinds."""
    layers = getattr(image, "layer", [])
    if len(layers) == 1:
        return "4:4:4"
    factors = [(wide, high) for _, wide, high, _ in layers]
    if len(factors) != 3 or factors[1:] != [(1, 1)] * 2:
        return None
    names = {(1, 1): "4:4:4", (2, 1): "4:2:2", (1, 2): "4:4:0", (2, 2): "4:2:0"}
    return names.get(factors[0])
