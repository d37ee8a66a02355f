"""Mutated picture files against the loader: `python -m tests.fuzz_loader COUNT SEED`.

Whatever comes in, `read` gives a Photo or a PhotoError of one line, within a time and a memory
limit, and no warning escapes. Cases run in processes of their own, so that a crash is seen, told
apart from the next case, and survived; case i of a seed is the same on every machine with the same
Pillow.
"""

import io
import json
import math
import multiprocessing
import os
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms

from restore.images import PhotoError, read
from restore.memory import memory_held
from restore.photo import Photo

MAX_PIXELS = 4_000_000
SECONDS, BYTES = 1.0, 400 * 2**20
"""Processor time and memory that a case may take."""
HANG = 60.0
"""Seconds without a sign of life after which a process is ended."""


class Finding(NamedTuple):
    """What went wrong in a case."""

    case: int
    kind: str
    told: str


def _drawing(*shape: int, seed: int = 0) -> Any:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    base = (rows * 7 + columns * 5)[..., None] + np.arange(math.prod(shape[2:])) * 40
    noise = np.random.default_rng(seed).integers(0, 30, base.shape)
    return ((base + noise) % 256).astype(np.uint8).reshape(shape)


def _saved(image: Image.Image, format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.copy().save(stream, format, **options)  # a JPEG leaves settings in its image
    return stream.getvalue()


@cache
def seeds() -> tuple[bytes, ...]:
    """Whole files of every format and layout that is read."""
    import cv2

    rgb = Image.fromarray(_drawing(23, 31, 3))
    rgba, grey = Image.fromarray(_drawing(23, 31, 4)), Image.fromarray(_drawing(23, 31))
    deep = _drawing(23, 31, 3).astype(np.uint16) * 257
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0note"
    notes = {
        "exif": exif.tobytes(),
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    }
    files = [
        _saved(rgb, "PNG", **notes),
        *(_saved(one, "PNG") for one in (rgba, grey, rgb.quantize(7), grey.convert("1"))),
        _saved(rgba.convert("LA"), "PNG"),
        _saved(rgb.quantize(16), "PNG", transparency=3, bits=4),
        _saved(Image.fromarray(deep[..., 0].copy()), "PNG"),
        *(cv2.imencode(suffix, deep)[1].tobytes() for suffix in (".png", ".tiff")),
        cv2.imencode(".tiff", np.dstack([deep, deep[..., :1]]))[1].tobytes(),
        _saved(rgb, "JPEG", quality=80, **notes),
        _saved(rgb, "JPEG", progressive=True, subsampling=2),
        _saved(grey, "JPEG"),
        _saved(rgb.convert("CMYK"), "JPEG"),
        _saved(rgb, "MPO", save_all=True, append_images=[rgb]),
        *(_saved(rgb, "TIFF", compression=c) for c in (None, "tiff_lzw", "tiff_deflate", "jpeg")),
        *(_saved(grey.convert("1"), "TIFF", compression=c) for c in ("group3", "group4")),
        _saved(rgb, "TIFF", compression="packbits"),
        _saved(rgb.convert("CMYK"), "TIFF"),
        _saved(rgb, "TIFF", save_all=True, append_images=[grey]),
        _saved(Image.fromarray(_drawing(23, 31).astype(np.float32)), "TIFF"),
        _saved(rgb, "WEBP", lossless=True, **notes),
        _saved(rgba, "WEBP", quality=60),
        _saved(rgb, "WEBP", save_all=True, append_images=[rgba]),
        *(_saved(one, "BMP") for one in (rgb, grey, grey.convert("1"), rgb.quantize(7))),
        _saved(rgb, "PNG", save_all=True, append_images=[rgb.rotate(180)]),
        _saved(rgb.quantize(7), "GIF"),
        b"text that is no picture\n" * 20,
    ]
    return tuple(files)


_TELLING = (0, 1, 2, 3, 4, 6, 7, 8, 0x7F, 0x80, 0xFE, 0xFF)
_HEADS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"RIFF", b"BM", b"GIF89a")


def mutated(seed: int, case: int) -> bytes:
    """The file of a case: one of the seeds after one to five changes."""
    dice = random.Random(f"{seed}:{case}")
    data = bytearray(dice.choice(seeds()))
    for _ in range(dice.choice((1, 1, 1, 2, 3, 5))):
        if data:
            data = _CHANGES[dice.randrange(len(_CHANGES))](data, dice)
    if data[:8] == _HEADS[0] and dice.random() < 0.7:
        data = _with_checksums(data)
    return bytes(data)


def _flip(data: bytearray, dice: random.Random) -> bytearray:
    for _ in range(dice.choice((1, 1, 4, 32))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return data


def _byte(data: bytearray, dice: random.Random) -> bytearray:
    data[dice.randrange(len(data))] = dice.choice(_TELLING)
    return data


def _header(data: bytearray, dice: random.Random) -> bytearray:
    """An integer of 2 or 4 bytes in the first hundred, small, large or negative."""
    size = dice.choice((2, 4))
    place = dice.randrange(min(len(data), 100))
    value = dice.choice((0, 1, 2, 255, 256, 30_000, 65_535, 2**20, 2**31 - 1, 2**31, 2**32 - 1))
    order = dice.choice(("little", "big"))
    data[place : place + size] = (value % 256**size).to_bytes(size, order)
    return data


def _cut(data: bytearray, dice: random.Random) -> bytearray:
    return data[: dice.randrange(len(data))]


def _drop(data: bytearray, dice: random.Random) -> bytearray:
    start = dice.randrange(len(data))
    del data[start : start + dice.randrange(1, 40)]
    return data


def _repeat(data: bytearray, dice: random.Random) -> bytearray:
    start = dice.randrange(len(data))
    piece = data[start : start + dice.randrange(1, 200)]
    return data[:start] + piece * dice.choice((2, 3, 50)) + data[start:]


def _splice(data: bytearray, dice: random.Random) -> bytearray:
    other = dice.choice(seeds())
    start, end = sorted(dice.randrange(len(other) + 1) for _ in range(2))
    place = dice.randrange(len(data))
    return data[:place] + other[start:end] + data[place + dice.choice((0, end - start)) :]


def _head(data: bytearray, dice: random.Random) -> bytearray:
    head = dice.choice(_HEADS)
    return bytearray(head) + data[len(head) :]


def _noise(data: bytearray, dice: random.Random) -> bytearray:
    start = dice.randrange(len(data))
    count = min(dice.randrange(1, 60), len(data) - start)
    data[start : start + count] = dice.randbytes(count)
    return data


_CHANGES = (_flip, _byte, _header, _header, _cut, _drop, _repeat, _splice, _head, _noise)


def _with_checksums(data: bytearray) -> bytearray:
    """A PNG whose chunks have right checksums again: what is behind them is reached."""
    place = 8
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        end = place + 8 + length
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return data


def outcome(data: bytes) -> tuple[str, str]:
    """("photo", mode), ("refused", reason), or a kind of finding with what is to be told."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            photo = read(data, max_pixels=MAX_PIXELS)
        except PhotoError as error:
            said = str(error)
            whole = said.startswith("bytes: ") and "; " in said and "\n" not in said
            kind = "refused" if whole else "message"
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            return "error", f"{type(error).__name__} in {where.filename}:{where.lineno}: {error}"
        else:
            kind, said = (
                ("photo", f"{photo.format} {photo.depth}") if _valid(photo) else ("values", "")
            )
    return ("warning", str(heard[0].message)) if heard else (kind, said)


def _valid(photo: Photo) -> bool:
    pixels = photo.pixels
    whole = pixels.ndim == 4 and pixels.shape[1] == 3 and min(pixels.shape) > 0
    return whole and 0 <= float(pixels.min()) <= float(pixels.max()) <= 1


def _work(seed: int, first: int, last: int, said: Connection) -> None:
    """Do cases; tell of each finding, and every 50 cases where it is."""
    limit = memory_held() + 2**31
    resource.setrlimit(resource.RLIMIT_AS, (limit + 2**32, limit + 2**32))
    counts: Counter[str] = Counter()
    with tempfile.TemporaryFile() as noise:
        os.dup2(noise.fileno(), 2)
        for case in range(first, last):
            said.send(("at", case))
            data = mutated(seed, case)
            began, most = time.process_time(), memory_held(most=True)
            kind, told = outcome(data)
            counts[kind] += 1
            if kind not in ("photo", "refused"):
                said.send(("found", Finding(case, kind, told)))
            if time.process_time() - began > SECONDS:
                seconds = time.process_time() - began
                said.send(("found", Finding(case, "slow", f"{seconds:.1f} s, {kind} {told}")))
            if memory_held(most=True) > most + BYTES:
                said.send(("found", Finding(case, "memory", f"{kind} {told}")))
            if noise.tell():
                noise.seek(0)
                said.send(("found", Finding(case, "stderr", repr(noise.read(200)))))
                noise.truncate(0)
                noise.seek(0)
    said.send(("done", counts))


def fuzz(count: int, seed: int) -> tuple[Counter[str], list[Finding]]:
    """Counts of outcomes and all findings of so many cases, also of those that ended a process."""
    context = multiprocessing.get_context("spawn")
    counts: Counter[str] = Counter()
    findings: list[Finding] = []
    first = 0
    while first < count:
        last = min(first + 5000, count)
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(seed, first, last, there))
        process.start()
        there.close()
        at = first
        for word, what in _heard(here):
            if word == "at":
                at = what
            elif word == "found":
                findings.append(what)
            else:
                counts.update(what)
                at = last
        if at < last:
            process.kill()
            process.join()
            findings.append(Finding(at, "crash", f"process ended with {process.exitcode}"))
        process.join()
        first = at if at == last else at + 1
    return counts, findings


def _heard(here: Connection) -> Iterator[tuple[str, Any]]:
    while here.poll(HANG):
        try:
            yield here.recv()
        except EOFError:
            return


if __name__ == "__main__":
    count, seed = map(int, sys.argv[1:])
    began = time.perf_counter()
    counts, findings = fuzz(count, seed)
    report = {"cases": count, "seconds": round(time.perf_counter() - began), **counts}
    sys.stdout.write(json.dumps(report) + "\n")
    kinds = Counter((one.kind, one.told[:120]) for one in findings)
    for (kind, told), times in kinds.most_common(60):
        case = next(one.case for one in findings if one.kind == kind and one.told[:120] == told)
        sys.stdout.write(f"{times} x {kind}: {told} (case {case})\n")
