"""Bad input: one line that names it, the right exit code, nothing written, no traceback."""

import errno
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from PIL import Image

from restore.commands.failure import Failure, overall, understood
from tests.cli.conftest import Command

KERNEL = ("-k", "disk:1")
BAD = [
    ("deblur none.png -k disk:1", 1, "none.png: cannot be read"),
    ("deblur broken.png -k disk:1", 1, "broken.png"),
    ("deblur empty -k disk:1", 1, "empty: holds no photos"),
    ("deblur *.webp -k disk:1", 1, "*.webp: matches no photo"),
    ("deblur photo.png", 1, "photo.png: image:"),
    ("deblur photo.png -k gausian:2", 2, "did you mean gaussian"),
    ("deblur photo.png -k motion:-3,2", 2, "length"),
    ("deblur photo.png -k zero.npy", 2, "kernel: its sum is 0"),
    ("deblur photo.png -k none.npy", 2, "none.npy"),
    ("deblur photo.png -k disk:1 --noise -0.1", 2, "--noise: got '-0.1'"),
    ("deblur photo.png -k disk:1 --noise 6.4", 2, "--noise: got '6.4'"),
    ("deblur photo.png -k disk:1 --noise nan", 2, "--noise: got 'nan'"),
    ("deblur photo.png -k disk:1 --noise 1/0", 2, "--noise: got '1/0'"),
    ("deblur photo.png -k disk:1 --boundary wrap", 2, "--boundary: got 'wrap'"),
    ("deblur photo.png -k disk:1 --solver dpirr", 2, "did you mean dpir"),
    ("deblur photo.png -k disk:1 --solver none:solver", 2, "none:solver"),
    ("deblur photo.png -k disk:1 --option raech=1", 2, "did you mean reach"),
    ("deblur photo.png -k disk:1 --option lambda_", 2, "write it as name=value"),
    ("deblur photo.png -k disk:1 --steps 0", 2, "--steps: got '0'"),
    ("deblur photo.png -k disk:1 --seed -1", 2, "--seed: got '-1'"),
    ("deblur photo.png -k disk:1 --samples 0", 2, "--samples: got '0'"),
    ("deblur photo.png -k disk:1 --device tpu", 2, "--device: got 'tpu'"),
    ("deblur photo.png -k disk:1 --device cuda:99", 2, "cuda:99 is not here"),
    ("deblur photo.png -k disk:1 --dtype int8", 2, "--dtype: got 'int8'"),
    ("deblur photo.png -k disk:1 --tile 3", 2, "tile: got 3"),
    ("deblur photo.png -k disk:1 --kernal 3", 2, "--kernal"),
    ("deblur photo.png -k disk:1 --json -o -", 2, "--json"),
    ("deblur photo.png -k disk:1 -o photo.png", 2, "photo.png: is an input"),
    ("deblur photo.png -k disk:1 -o x.gif", 2, "-o x.gif: name it with one of"),
    ("deblur photo.png -k disk:1 --prior no/such", 4, "no/such"),
    ("deblur photo.png -k disk:1 --prior ./none", 4, "./none"),
    ("deblur photo.png -k disk:1 --prior empty", 4, "model_index.json"),
    ("deblur - -k disk:1", 1, "standard input is empty"),
    ("deblurr photo.png", 2, "deblur"),
    ("upscale photo.png --factor 1", 2, "--factor: got '1'"),
    ("inpaint photo.png", 2, "--mask"),
    ("inpaint photo.png -m none.png", 1, "--mask none.png: no such file"),
    ("inpaint photo.png -m small.png", 1, "small.png: 8 x 8 pixels, the photo has 48 x 48"),
    ("inpaint photo.png -m small.png --overwrite", 1, "8 x 8"),
    ("restore photo.png --operator downsampel:2", 2, "did you mean downsample"),
    ("restore photo.png --operator downsample:2@", 2, "empty part"),
    ("restore photo.png --operator downsample:2,cubic", 2, "filter"),
    ("restore photo.png --operator downsample:x", 2, "downsample:x"),
    ("restore photo.png --operator torch:zeros", 2, "torch:zeros"),
    ("degrade photo.png", 2, "nothing to do"),
    ("degrade photo.png --mask box:99", 2, "--mask box:99"),
    ("degrade photo.png --mask random:2", 2, "--mask random:2"),
    ("degrade photo.png --jpeg 0", 2, "--jpeg: got '0'"),
    ("priors no/such", 4, "no/such"),
    ("bench empty", 2, "empty holds no photo"),
    ("bench empty --sigma 0", 2, "--sigma: got '0'"),
]


@pytest.fixture
def bad_folder(photo: Path) -> Path:
    """What the lines above name."""
    Path("empty").mkdir()
    Path("broken.png").write_bytes(photo.read_bytes()[:100])
    np.save("zero.npy", np.zeros((3, 3)))
    Image.new("L", (8, 8), 255).save("small.png")
    return Path()


@pytest.mark.parametrize(("line", "code", "told"), BAD, ids=[line for line, _, _ in BAD])
def test_bad_input(bad_folder: Path, photomend: Command, line: str, code: int, told: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    outcome = photomend(*line.split())
    assert outcome.code == code, outcome.err
    assert told in outcome.err
    assert len(outcome.err.splitlines()) == 1, outcome.err
    assert outcome.data == b""
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before


def stop_in(monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException) -> None:
    """Let a function of the library end with an error."""

    def stopped(*_: Any, **__: Any) -> NoReturn:
        raise error

    monkeypatch.setattr(name, stopped)


def test_a_full_disk_leaves_nothing_and_ends_the_run(
    photo: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("other.png").write_bytes(photo.read_bytes())
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr("restore.images.os", SimpleNamespace(**vars(os)))
    stop_in(monkeypatch, "restore.images.os.fsync", full)
    outcome = photomend("deblur", photo, "other.png", *KERNEL, "--steps", 1)
    assert outcome.code == 1
    told = [line for line in outcome.err.splitlines() if ": step " not in line]  # of a busy machine
    (line,) = told
    assert "photo.deblurred.png" in line
    assert "No space left" in line
    assert {path.name for path in Path().iterdir()} == {"photo.png", "other.png"}


def test_out_of_memory_names_the_cure(
    photo: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_in(monkeypatch, "restore.api.deblur", torch.OutOfMemoryError("CUDA out of memory. ..."))
    outcome = photomend("deblur", photo, *KERNEL)
    assert outcome.code == 5
    assert "--tile" in outcome.err


def test_a_cpu_allocation_that_is_refused_is_out_of_memory(
    photo: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**60, dtype=torch.uint8)
    stop_in(monkeypatch, "restore.api.deblur", refused.value)
    assert photomend("deblur", photo, *KERNEL).code == 5


def test_interrupted_while_working(photo: Path, photomend: Command) -> None:
    Path("interrupting.py").write_text(
        "import os, signal\n"
        "def solver(measurement, prior, seeds):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    yield\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path().resolve()))
        outcome = photomend("deblur", photo, *KERNEL, "--solver", "interrupting:solver")
    assert outcome.code == 130
    assert outcome.err == "photomend: interrupted\n"
    assert {path.suffix for path in Path().iterdir() if path.is_file()} == {".png", ".py"}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_defect_stops_no_folder_and_is_not_hidden(
    photo: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_in(monkeypatch, "restore.api.deblur", ZeroDivisionError("by zero"))
    outcome = photomend("deblur", photo, *KERNEL)
    assert outcome.code == 1
    assert "unexpected ZeroDivisionError: by zero; PHOTOMEND_TRACEBACK=1" in outcome.err
    monkeypatch.setenv("PHOTOMEND_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        photomend("deblur", photo, *KERNEL)


def test_a_failed_overwrite_keeps_the_old_picture(
    photo: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("photo.deblurred.png").write_bytes(b"old")
    stop_in(monkeypatch, "restore.result.Result.save", OSError(errno.EIO, "Input/output error"))
    outcome = photomend("deblur", photo, *KERNEL, "--steps", 1, "--overwrite")
    assert outcome.code == 1
    assert Path("photo.deblurred.png").read_bytes() == b"old"
    assert not Path("photo.deblurred.json").exists()


def test_a_report_without_its_picture_is_not_replaced(photo: Path, photomend: Command) -> None:
    Path("photo.deblurred.json").write_text("mine")
    outcome = photomend("deblur", photo, *KERNEL)
    assert outcome.code == 1
    assert "photo.deblurred.json: exists already" in outcome.err
    assert Path("photo.deblurred.json").read_text() == "mine"


def test_a_message_is_one_line() -> None:
    assert understood(ValueError("two\n  lines")).message == "two lines"


@pytest.mark.parametrize(
    ("codes", "succeeded", "code"),
    [([], 3, 0), ([], 0, 0), ([1], 0, 1), ([1, 1], 0, 1), ([1], 1, 3), ([5], 0, 5), ([1, 5], 0, 1)],
)
def test_the_exit_code_of_several_files(codes: list[int], succeeded: int, code: int) -> None:
    assert overall([Failure("", one) for one in codes], succeeded) == code
