"""Pictures in and out: a file, bytes, a Pillow image, an array or a tensor becomes pixels in
[0, 1], and pixels become the same kind of thing again, with its depth, alpha and metadata.

Of all modules only this one, with photo, decode and encode behind it, knows files.
"""

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from restore.decode import PhotoError, decode_bytes, decode_image
from restore.encode import DEEP_FORMATS, SUFFIXES, encode
from restore.photo import Photo, from_array, from_decoded, from_tensor
from restore.reading import file_bytes

__all__ = ["Photo", "PhotoError", "Source", "read", "read_mask", "write"]

Source = str | os.PathLike[str] | bytes | Image.Image | NDArray[Any] | Tensor


def read(source: Source, *, max_pixels: int = 200_000_000) -> Photo:
    """Read a picture: the path or bytes of a PNG, JPEG, TIFF, WebP or BMP file, a Pillow image, an
    array (H, W) or (H, W, C), or a tensor (H, W), (C, H, W) or (B, C, H, W); a Photo is read.

    C is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha); samples are 8-bit, 16-bit or
    floating point in [0, 1] (measurements may leave it through noise). EXIF orientation is
    applied; palettes become RGB. Before anything is decoded the header must promise at most
    max_pixels pixels. PhotoError in one line when it cannot be read, which includes animations,
    CMYK, truncated files and values on another scale; NotEnoughMemory.
    """
    if isinstance(source, Photo):
        return source
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        return from_decoded(
            decode_bytes(file_bytes(path), str(path), max_pixels), str(path), "path"
        )
    if isinstance(source, bytes):
        return from_decoded(decode_bytes(source, "bytes", max_pixels), "bytes", "bytes")
    if isinstance(source, Image.Image):
        return from_decoded(decode_image(source, "image", max_pixels), "image", "pil")
    if isinstance(source, np.ndarray):
        return from_array(source)
    if isinstance(source, Tensor):
        return from_tensor(source)
    raise PhotoError(
        f"source: a {type(source).__name__}; pass a path, bytes, a Pillow image, an array, a tensor"
    )


def write(
    photo: Photo,
    path: str | os.PathLike[str],
    *,
    report: Mapping[str, object] | None = None,
    overwrite: bool = False,
) -> None:
    """Write the photo in the format that the suffix names (.png .jpg .tif .webp .bmp).

    Grey, alpha, EXIF and ICC are kept where the format has them, of a JPEG also its quality. PNG
    and TIFF keep 16 bits, also for floating-point photos; the others hold 8. The report, JSON-able,
    goes into the metadata (see encode). The file appears whole or not at all. PhotoError when the
    suffix is unknown, the path exists and overwrite is False, the format cannot hold the picture,
    or the disk refuses.
    """
    path = Path(path)
    format = _format_of(path)
    if path.exists() and not overwrite:
        raise PhotoError(f"{path}: exists already; choose another name or pass overwrite=True")
    deep = photo.depth > 8 and format in DEEP_FORMATS
    samples = photo.samples("uint16" if deep else "uint8")
    data = encode(
        samples, format, str(path),
        exif=photo.exif, icc=photo.icc, report=report, like=photo.quality,
    )  # fmt: skip
    # Created by name rather than by tempfile, so that the user's umask decides who may read it.
    temporary = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}.part")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise PhotoError(
            f"{path}: cannot be written ({error.strerror or error}); free some space or "
            "choose another folder"
        ) from error
    finally:
        _remove(temporary)


def _format_of(path: Path) -> str:
    format = SUFFIXES.get(path.suffix.lower())
    if format is None:
        known = ", ".join(SUFFIXES)
        raise PhotoError(f"{path}: suffix {path.suffix!r}; name it with one of {known}")
    return format


def read_mask(source: Source, height: int, width: int) -> Tensor:
    """Read a mask as bool (1, 1, height, width): white, from half grey on, is True = unknown.

    Transparent parts count as black; bool arrays and tensors are taken as they are. PhotoError
    when the size differs or when nothing, or everything, is unknown.
    """
    if isinstance(source, (np.ndarray, Tensor)) and source.dtype in (np.bool_, torch.bool):
        source = torch.as_tensor(source).float()
        source = source.reshape(source.shape[-2:]) if source.shape[:-2].numel() == 1 else source
    photo = read(source)
    brightness = photo.pixels.mean(dim=1, keepdim=True)
    if photo.alpha is not None:
        brightness = brightness * photo.alpha
    name = f"mask {photo.name}"
    if brightness.shape != (1, 1, height, width):
        found = f"{brightness.shape[3]} x {brightness.shape[2]}"
        raise PhotoError(
            f"{name}: {found} pixels, the photo has {width} x {height}; draw it at that size"
        )
    unknown = brightness >= 0.5
    if not bool(unknown.any()):
        largest = float(brightness.max())
        raise PhotoError(
            f"{name}: nothing is white (the brightest value is {largest:.3g} of 1); "
            "paint white what is to be repainted"
        )
    if bool(unknown.all()):
        raise PhotoError(f"{name}: everything is white; leave black what is to be kept")
    return unknown


def _remove(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        # The reason why the folder refuses is on its way to the caller already.
        return
