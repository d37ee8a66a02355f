"""Pixels and metadata to the bytes of a picture file; PNG and TIFF with 8 or 16 bits."""

import io
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from restore.decode import PhotoError, Samples, Tables

SUFFIXES = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF",
    ".webp": "WEBP", ".bmp": "BMP",
}  # fmt: skip
DEEP_FORMATS = ("PNG", "TIFF")
_OPAQUE_FORMATS = ("JPEG", "BMP")
_NAMESPACE = "urn:photomend:1.0:"
_OPTIONS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 95, "subsampling": 0, "optimize": True},
    "WEBP": {"lossless": True, "exact": True},
    "BMP": {},
}
_LARGEST_SEGMENT = 65_000
FAIR = 1858
"""Sum of the table of brightness of quality 75; coarser ones would undo what was restored."""
_ROWS_AT_ONCE = 64


class Quality(NamedTuple):
    """How a JPEG was compressed: its tables of quantisation and the subsampling of its chroma."""

    tables: Tables
    subsampling: str | None


def encode(
    samples: Samples,
    format: str,
    name: str,
    *,
    exif: bytes | None = None,
    icc: bytes | None = None,
    report: Mapping[str, object] | None = None,
    like: Quality | None = None,
) -> bytes:
    """Encode samples (H, W, C) as decode gives them; 16 bits only in DEEP_FORMATS.

    JPEG is written with the quality `like` that of the photo where that is `FAIR` at least, else
    with quality 95 and full colour resolution; WebP without loss. The report goes
    as JSON into the text "photomend" of a PNG and into the XMP of JPEG, TIFF and WebP; a BMP
    holds no metadata. PhotoError when the format cannot hold the picture.
    """
    if samples.shape[2] in (2, 4) and format in _OPAQUE_FORMATS:
        if (samples[:, :, -1] < np.iinfo(samples.dtype).max).any():
            raise PhotoError(f"{name}: {format} holds no transparency; save as .png, .tif or .webp")
        samples = samples[:, :, :-1]
    text = None if report is None else json.dumps(report, sort_keys=True)
    if format == "PNG":
        return b"".join(_png(samples, exif, icc, text))
    xmp = None if text is None else _xmp(text)
    if format == "TIFF":
        return _tiff(samples, exif, icc, xmp)
    if format != "BMP" and max(len(exif or b""), len(xmp or b"")) > _LARGEST_SEGMENT:
        raise PhotoError(f"{name}: the metadata is too long for {format}; save as .png or .tif")
    return _by_pillow(samples, format, name, exif, icc, xmp, like)


def to_pillow(samples: Samples) -> Image.Image:
    """Give an image of mode L, LA, RGB, RGBA or I;16; Pillow has 16 bits for grey alone."""
    if samples.shape[2] == 1:
        return Image.fromarray(samples[:, :, 0])
    if samples.dtype == np.uint16:
        samples = ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return Image.fromarray(samples)


def _as(like: Quality | None) -> dict[str, object]:
    """What Pillow is told for the quality of another JPEG; nothing where that is poor or odd."""
    if like is None or like.subsampling not in ("4:4:4", "4:2:2", "4:2:0"):
        return {}
    fair = 1 <= len(like.tables) <= 3 and all(
        len(table) == 64 and 1 <= min(table) <= max(table) <= 255 for table in like.tables
    )
    if not fair or sum(like.tables[0]) > FAIR:
        return {}
    tables = [list(table) for table in like.tables]
    return {"qtables": tables, "subsampling": like.subsampling, "quality": -1}


def _by_pillow(
    samples: Samples, format: str, name: str, exif: bytes | None, icc: bytes | None,
    xmp: bytes | None, like: Quality | None,
) -> bytes:  # fmt: skip
    options = {**_OPTIONS[format], **(_as(like) if format == "JPEG" else {})}
    notes = {"exif": exif, "icc_profile": icc, "xmp": xmp}
    image = to_pillow(samples)
    if image.mode == "LA":
        image = image.convert("RGBA")
    stream = io.BytesIO()
    try:
        image.save(stream, format, **options, **{k: v for k, v in notes.items() if v})
    except (OSError, ValueError) as error:
        width, height = image.size
        raise PhotoError(
            f"{name}: {format} cannot hold {width} x {height} pixels ({error}); save as .png"
        ) from error
    return stream.getvalue()


def _xmp(text: str) -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:photomend="{_NAMESPACE}">'
        f"<photomend:report>{escape(text)}</photomend:report>"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def _png(
    samples: Samples, exif: bytes | None, icc: bytes | None, text: str | None
) -> Iterator[bytes]:
    height, width, channels = samples.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, samples.itemsize * 8, colour_type, 0, 0, 0)
    yield b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)
    if icc:
        yield _chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
    if exif:
        yield _chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    if text is not None:
        yield _chunk(b"iTXt", b"photomend\0\0\0\0\0" + text.encode())
    compressor = zlib.compressobj()
    for rows in _filtered(samples):
        if data := compressor.compress(rows):
            yield _chunk(b"IDAT", data)
    yield _chunk(b"IDAT", compressor.flush()) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _filtered(samples: Samples) -> Iterator[bytes]:
    """Give blocks of PNG rows, each row by the filter (none, sub, up, Paeth) of least magnitude."""
    height, width, channels = samples.shape
    pixel = channels * samples.itemsize
    above = np.zeros((1, width * pixel), np.int16)
    for top in range(0, height, _ROWS_AT_ONCE):
        block = samples[top : top + _ROWS_AT_ONCE]
        big_endian = np.ascontiguousarray(block, block.dtype.newbyteorder(">"))
        here = big_endian.view(np.uint8).reshape(len(block), -1).astype(np.int16)
        up = np.concatenate([above, here[:-1]])
        left, corner = (np.pad(a, ((0, 0), (pixel, 0)))[:, :-pixel] for a in (here, up))
        predictions = [np.zeros_like(here), left, up, _paeth(left, up, corner)]
        residuals = np.stack([here - prediction for prediction in predictions]).astype(np.uint8)
        cost = np.abs(residuals.view(np.int8).astype(np.int16)).sum(axis=2, dtype=np.int64)
        best = cost.argmin(axis=0)
        kinds = np.array([0, 1, 2, 4], np.uint8)[best]
        yield np.column_stack([kinds, residuals[best, np.arange(len(block))]]).tobytes()
        above = here[-1:]


def _paeth(
    left: NDArray[np.int16], up: NDArray[np.int16], corner: NDArray[np.int16]
) -> NDArray[np.int16]:
    to_left, to_up = np.abs(up - corner), np.abs(left - corner)
    to_corner = np.abs(left + up - 2 * corner)
    nearest = np.where(to_up <= to_corner, up, corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest)


def _tiff(samples: Samples, exif: bytes | None, icc: bytes | None, xmp: bytes | None) -> bytes:
    """Write one deflated strip, horizontal differences first, behind a directory of Pillow's."""
    if samples.shape[2] == 2 and samples.dtype == np.uint16:
        # Hardly any program reads grey with alpha in 16 bits.
        samples = samples[:, :, [0, 0, 0, 1]]
    height, width, channels = samples.shape
    differences = samples.astype(samples.dtype.newbyteorder("<"))
    differences[:, 1:] -= samples[:, :-1]
    strip = zlib.compress(differences.tobytes())
    notes = Image.Exif()
    notes.load(exif or b"")
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    for tag, value in notes.items():
        directory[tag] = notes.get_ifd(tag) if tag in (34665, 34853) else value
    layout = {
        256: width, 257: height, 258: (samples.itemsize * 8,) * channels, 259: 8,
        262: 2 if channels >= 3 else 1, 273: 0, 277: channels, 278: height, 279: len(strip),
        284: 1, 317: 2, 339: (1,) * channels,
    }  # fmt: skip
    if channels in (2, 4):
        layout[338] = 2
    for tag, value in layout.items():
        directory[tag] = value
    for tag, data in ((700, xmp), (34675, icc)):
        if data:
            directory.tagtype[tag] = 7 if tag == 34675 else 1
            directory[tag] = data
    stream = io.BytesIO()
    directory.save(stream)
    return stream.getvalue() + strip
