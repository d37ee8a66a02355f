"""Pictures of a result in every format: what the command line writes, kept so that it can wait."""

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from restore.encode import DEEP_FORMATS, encode

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


def keep(photo: "Photo", report: Mapping[str, Any], place: Path) -> None:
    """Keep the samples as they are rounded for 8 and for 16 bits, and the metadata."""
    kept: dict[str, Any] = {"shallow": photo.samples("uint8")}
    if photo.depth > 8:
        kept["deep"] = photo.samples("uint16")
    for name, value in (("exif", photo.exif), ("icc", photo.icc)):
        if value is not None:
            kept[name] = np.frombuffer(value, np.uint8)
    np.savez(place / SAMPLES, report=np.array(json.dumps(report)), **kept)


def picture(place: Path, format: str) -> Path:
    """The file of the result in a format, made at its first use; PhotoError if it cannot be."""
    path = place / f"result{SUFFIX[format]}"
    if path.exists():
        return path
    with np.load(place / SAMPLES, allow_pickle=False) as kept:
        deep = format in DEEP_FORMATS and "deep" in kept
        notes = {name: kept[name].tobytes() for name in ("exif", "icc") if name in kept}
        data = encode(
            kept["deep" if deep else "shallow"],
            format,
            "result",
            exif=notes.get("exif"),
            icc=notes.get("icc"),
            report=json.loads(str(kept["report"])),
        )
    temporary = place / f".{uuid.uuid4().hex}.part"
    temporary.write_bytes(data)
    os.replace(temporary, path)
    return path


def size(place: Path) -> int:
    """Bytes of the files in a folder and its folders."""
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
