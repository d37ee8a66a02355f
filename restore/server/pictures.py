"""Pictures of a result in every format: what the command line writes, kept so that it can wait."""

import json
import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from restore.decode import PhotoError, decode_bytes
from restore.encode import DEEP_FORMATS, Quality, encode

if TYPE_CHECKING:
    from restore.photo import Photo

MEDIA = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
}
SUFFIX = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif", "WEBP": ".webp", "BMP": ".bmp"}
SAMPLES = "samples.npz"
Room = Callable[[int], bool]
"""Whether so many bytes more may be kept."""


def keep(photo: "Photo", report: Mapping[str, Any], place: Path) -> None:
    """Keep the samples as they are rounded for 8 and for 16 bits, and the metadata."""
    kept: dict[str, Any] = {"shallow": photo.samples("uint8"), "deep": photo.samples("uint16")}
    kept["depth"] = np.array(photo.depth)
    for name, value in (("exif", photo.exif), ("icc", photo.icc)):
        if value is not None:
            kept[name] = np.frombuffer(value, np.uint8)
    if photo.quality is not None:
        kept["quality"] = np.array(json.dumps(photo.quality))
    np.savez(place / SAMPLES, report=np.array(json.dumps(report)), **kept)


def picture(place: Path, format: str, room: Room, deep: bool = False) -> Path | bytes:
    """The file of the result in a format, made at its first use; PhotoError if it cannot be.

    deep: with 16 bits, whatever the photo had; otherwise where it had them. FileNotFoundError
    where the result is gone; without room the file's content.
    """
    if deep and format not in DEEP_FORMATS:
        raise PhotoError(f"result: {format} holds 8 bits; {', '.join(DEEP_FORMATS)} hold 16")
    path = place / f"{'deep' if deep else 'result'}{SUFFIX[format]}"
    if path.exists():
        return path
    with np.load(place / SAMPLES, allow_pickle=False) as kept:
        deep = deep or (format in DEEP_FORMATS and int(kept["depth"]) > 8)
        notes = {name: kept[name].tobytes() for name in ("exif", "icc") if name in kept}
        data = encode(
            kept["deep" if deep else "shallow"],
            format,
            "result",
            exif=notes.get("exif"),
            icc=notes.get("icc"),
            report=json.loads(str(kept["report"])),
            like=Quality(*json.loads(str(kept["quality"]))) if "quality" in kept else None,
        )
    return _written(data, path, room)


def upright(upload: Path, max_pixels: int, room: Room) -> Path | bytes:
    """An upload as a PNG that every browser shows, made at its first use, as of `picture`.

    Its orientation is applied, and 16 bits are kept.
    """
    path = upload.with_name("upright.png")
    if path.exists():
        return path
    seen = decode_bytes(upload.read_bytes(), upload.name, max_pixels)
    return _written(encode(seen.samples, "PNG", upload.name, icc=seen.icc), path, room)


def _written(data: bytes, path: Path, room: Room) -> Path | bytes:
    """Where it lies now; what was to be written where it cannot be."""
    if not room(len(data)):
        return data
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError:  # the disk is full, or the job was removed meanwhile
        with suppress(OSError):
            temporary.unlink()
        return data
    return path


def size(place: Path) -> int:
    """Bytes of the files in a folder and its folders."""
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
