"""Damaged and hostile files: a Photo or one line, soon, in little memory. See tests.fuzz_loader."""

import io
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from restore.images import PhotoError, read, read_mask
from restore.memory import NotEnoughMemory, memory_held
from restore.silence import intact
from tests import fuzz_loader
from tests.fuzz_loader import fuzz, mutated, outcome, seeds


@pytest.mark.parametrize("index", range(len(seeds())))
def test_what_was_not_changed_is_read_or_refused(index: int) -> None:
    kind, told = outcome(seeds()[index])
    assert kind in ("photo", "refused"), told


def test_mutated_files_are_photos_or_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    counts = Counter(outcome(mutated(7, case))[0] for case in range(600))
    assert set(counts) == {"photo", "refused"}
    assert min(counts.values()) > 50  # neither all broken nor all whole
    assert capfd.readouterr() == ("", "")  # neither do libraries in C say anything


def test_the_fuzzer_sees_crashes_hangs_and_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("not foreseen")

    monkeypatch.setattr(fuzz_loader, "read", failing)
    assert outcome(b"")[0] == "error"


@pytest.mark.slow
def test_many_mutated_files_in_processes_of_their_own() -> None:
    counts, findings = fuzz(20_000, 11)
    assert sum(counts.values()) == 20_000
    assert findings == []


def png(width: int, height: int, data: bytes, colour: int = 0, depth: int = 8) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(content, zlib.crc32(kind))
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg(width: int, height: int) -> bytes:
    """A JPEG of 64 x 64 pixels that says that it has more: the decoder would make up the rest."""
    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "JPEG")
    data = bytearray(stream.getvalue())
    place = data.index(b"\xff\xc0")
    data[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def test_pixels_that_lack_their_checksum_are_noticed() -> None:
    data = zlib.compress(bytes(8 * (1 + 8 * 6)))
    assert intact(png(8, 8, data, 2, 16))
    assert not intact(png(8, 8, data[:-1] + bytes([data[-1] ^ 1]), 2, 16))
    assert not intact(png(8, 8, data[:-4], 2, 16))


TRAPS = {
    "png": png(14_000, 14_000, zlib.compress(bytes(14_000 * 14_001))),
    "png in colour": png(14_000, 14_000, zlib.compress(bytes(14_000 * 42_001)), 2),
    "png without data": png(14_000, 14_000, b""),
    "jpeg": jpeg(14_000, 14_000),
    "beyond the limit": png(30_000, 30_000, b""),
    "wide": png(2**31 - 1, 1, b""),
}


@pytest.mark.parametrize("kind", TRAPS)
def test_a_bomb_is_refused_at_once_from_its_header(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(TRAPS[kind])
    most, began = memory_held(most=True), time.process_time()
    with pytest.raises(PhotoError) as caught:
        read(path)
    assert time.process_time() - began < 1
    assert memory_held(most=True) - most < 50 * 2**20
    (line,) = str(caught.value).splitlines()
    assert line.startswith(str(path)) and " x " in line and "; " in line


@pytest.mark.parametrize("size", [(1, 1), (30_000, 1), (1, 30_000)])
def test_thin_pictures_are_pictures(size: tuple[int, int], tmp_path: Path) -> None:
    Image.new("RGB", size, (50, 60, 70)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").pixels.shape == (1, 3, size[1], size[0])


def test_the_fuzzer_is_a_command() -> None:
    words = [sys.executable, "-m", "tests.fuzz_loader", "30", "3"]
    done = subprocess.run(words, capture_output=True, check=True, text=True)
    assert '"cases": 30' in done.stdout


def test_a_mask_of_many_pixels_and_few_bytes_is_a_picture(tmp_path: Path) -> None:
    mask = Image.new("1", (3000, 2000))
    mask.paste(1, (100, 100, 300, 200))
    mask.save(tmp_path / "mask.png")
    assert (tmp_path / "mask.png").stat().st_size < 2000
    assert int(read_mask(tmp_path / "mask.png", 2000, 3000).sum()) == 200 * 100


def test_more_pixels_than_there_is_memory_for_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("restore.decode.memory_free", lambda: 10**8)
    Image.new("L", (5000, 4000)).save(tmp_path / "large.png")
    with pytest.raises(NotEnoughMemory, match=r"large\.png: 5000 x 4000 pixels need 480 MB"):
        read(tmp_path / "large.png")
