"""A small photo, and the command line in this process."""

import sys
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from restore.cli import main

WHITE = ("--prior", "restore.bench.white:white")
"""A prior that costs nothing, for what does not depend on it."""


class Outcome(NamedTuple):
    """What a command said."""

    code: int
    data: bytes
    err: str

    @property
    def out(self) -> str:
        """Standard output as text."""
        return self.data.decode()


Command = Callable[..., Outcome]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def photomend(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Run a command line; `stdin` are the bytes piped into it."""

    def run(*words: object, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin)))
        code = main([str(word) for word in words])
        data, err = capsysbinary.readouterr()
        return Outcome(code, data, err.decode())

    return run


def picture(side: int = 48, seed: int = 0) -> Image.Image:
    """A smooth picture with an edge: enough for a restoration to be about something."""
    rows, columns = np.mgrid[:side, :side] / side
    red = 0.5 + 0.4 * np.sin(6 * columns + seed)
    planes = np.stack([red, rows, np.where(rows + columns > 1, 0.8, 0.2)], axis=-1)
    return Image.fromarray((255 * planes).astype(np.uint8))


@pytest.fixture
def photo(folder: Path) -> Path:
    """photo.png, 48 x 48, in the folder; as a name relative to it."""
    picture().save(folder / "photo.png")
    return Path("photo.png")


@pytest.fixture
def mask(folder: Path) -> Path:
    """mask.png for the photo: a white box in the middle."""
    image = Image.new("L", (48, 48))
    image.paste(255, (16, 16, 32, 32))
    image.save(folder / "mask.png")
    return Path("mask.png")
