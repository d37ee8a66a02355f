"""Libraries in C that write to the terminal what they find wrong in a file, told not to: it is said
once, in our words."""

import ctypes
import logging
import struct
import zlib
from functools import cache
from importlib.metadata import PackageNotFoundError, files

_PIECE = 2**20  # bytes


@cache
def silence_tiff() -> None:
    """Silence the libtiff of Pillow, where it is known which that is."""
    from PIL import _imaging  # loads it  # noqa: F401

    logging.getLogger("PIL").addHandler(logging.NullHandler())
    try:
        found = [file for file in files("pillow") or () if file.name.startswith("libtiff")]
        for file in found:
            library = ctypes.CDLL(str(file.locate()))
            for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
                getattr(library, name)(None)
    except (AttributeError, OSError, PackageNotFoundError):
        return  # then it goes on telling


@cache
def silence_opencv() -> None:
    """Silence OpenCV and the libraries it brings."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def intact(png: bytes) -> bool:
    """Whether the chunks of a PNG and its pixels have their checksums; of others its library tells
    the terminal, and has no switch."""
    place, pixels = 8, zlib.decompressobj()
    while place + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, place)
        end = place + 8 + length
        if png[end : end + 4] != struct.pack(">I", zlib.crc32(png[place + 4 : end])):
            return False
        if png[place + 4 : place + 8] == b"IEND":
            return pixels.eof
        if png[place + 4 : place + 8] == b"IDAT" and not _inflated(pixels, png[place + 8 : end]):
            return False
        place = end + 4
    return False


def _inflated(pixels: "zlib._Decompress", data: bytes) -> bool:
    """Whether that is the next part of a stream, which is read in small pieces."""
    try:
        while data and not pixels.eof:
            pixels.decompress(data, _PIECE)
            data = pixels.unconsumed_tail
    except zlib.error:
        return False
    return True
