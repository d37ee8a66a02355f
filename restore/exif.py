"""The notes in a picture file: how its pixels lie, and what of them a new file may keep."""

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

# What Pillow's decoders let through when a file is damaged.
DECODER_ERRORS = (
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


def orientation(image: Image.Image) -> int:
    """How the pixels lie, 1 to 8; other values count as 1."""
    found = image.getexif().get(ExifTags.Base.Orientation, 1)
    return found if found in range(1, 9) else 1


def upright(samples: NDArray[Any], turn: int) -> NDArray[Any]:
    """Undo an orientation of 1 to 8 of samples (H, W, C)."""
    if turn in (5, 6, 7, 8):
        samples = samples.transpose(1, 0, 2)
    if turn in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if turn in (3, 4, 7, 8):
        samples = samples[::-1]
    return np.ascontiguousarray(samples)


def kept_exif(exif: Image.Exif) -> bytes | None:
    """What a new file may keep of the notes; None where there is nothing, or they are broken."""
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
    except DECODER_ERRORS:
        # Broken notes are no reason to refuse the picture.
        return None


def without_gps(exif: bytes | None) -> bytes | None:
    """The notes of `kept_exif` without where the photo was taken; None where nothing is left."""
    if exif is None:
        return None
    notes = Image.Exif()
    notes.load(exif)
    if ExifTags.IFD.GPSInfo not in notes:
        return exif
    del notes[ExifTags.IFD.GPSInfo]
    return notes.tobytes() if len(notes) else None
