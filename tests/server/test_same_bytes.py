"""A job's picture is the command line's, byte for byte: the embedded prior, small photos."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from operators.kernels import motion
from restore.cli import main
from restore.images import read, write
from tests.cli.conftest import picture
from tests.drawings import blurred
from tests.server.conftest import Live

TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".tif": "image/tiff", ".webp": "image/webp"}
Same = Callable[..., dict[str, Any]]


@pytest.fixture
def same(server: Live, tmp_path: Path) -> Same:
    """Restores a photo in both ways and compares the files of all the formats; the report."""

    def compare(
        photo: Path, task: str, files: dict[str, Path] | None = None, *,
        formats: tuple[str, ...] = (".png",), **params: Any,
    ) -> dict[str, Any]:  # fmt: skip
        files = files or {}
        form = {"task": task, "params": json.dumps({"prior": "embedded", **params})}
        parts = {name: (path.name, path.read_bytes()) for name, path in files.items()}
        parts["image"] = (photo.name, photo.read_bytes())
        wait = {"Prefer": "wait=60"}
        job = server.http.post("/v1/jobs", data=form, files=parts, headers=wait).json()
        assert job["state"] == "succeeded", job
        flags = [f"--{name}={value}" for name, value in {**params, **files}.items()]
        for suffix in formats:
            target = tmp_path / f"cli{suffix}"
            words = [task, str(photo), "-q", "--overwrite", "-o", str(target), *flags]
            assert main(words) == 0
            headers = {"Accept": TYPES[suffix]}
            answer = server.http.get(job["links"]["result"], headers=headers)
            assert answer.content == target.read_bytes(), suffix
        report: dict[str, Any] = server.http.get(
            job["links"]["result"], headers={"Accept": "application/json"}
        ).json()
        return report

    return compare


def test_a_blurry_photo_in_every_format(same: Same, tmp_path: Path) -> None:
    picture(40).save(tmp_path / "photo.png")
    report = same(
        tmp_path / "photo.png", "deblur", formats=(".png", ".jpg", ".tif", ".webp"),
        kernel="disk:1", camera="none", seed=3, steps=3,
    )  # fmt: skip
    assert (report["seeds"], report["prior"]) == ([3], "embedded")


@pytest.mark.parametrize("orientation", [6, pytest.param(3, marks=pytest.mark.slow)])
def test_a_turned_jpeg_comes_out_upright(same: Same, tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Camera"
    image = picture(48).crop((0, 0, 48, 32))
    image.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    report = same(
        tmp_path / "photo.jpg", "deblur", formats=(".jpg", ".png"), kernel="disk:1", noise=0.02,
        steps=2,
    )  # fmt: skip
    assert report["size"] == ([32, 48] if orientation == 6 else [48, 32])


def test_a_mask_may_be_turned_as_the_photo(same: Same, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(48).crop((0, 0, 48, 32)).save(tmp_path / "photo.jpg", exif=exif, quality=95)
    mask = np.zeros((48, 32), np.uint8)  # upright
    mask[10:20, 8:16] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    files = {"mask": tmp_path / "mask.png"}
    same(tmp_path / "photo.jpg", "inpaint", files, formats=(".png",), steps=2)


def test_sixteen_bits(same: Same, tmp_path: Path) -> None:
    values = np.asarray(picture(40)).astype(np.uint16) * 257 + 5
    cv2.imwrite(str(tmp_path / "photo.tif"), values)
    same(
        tmp_path / "photo.tif", "upscale", formats=(".tif", ".png", ".jpg"), factor=2, steps=2,
        noise=0.01,
    )  # fmt: skip


def test_a_kernel_of_a_file(same: Same, tmp_path: Path) -> None:
    picture(40).save(tmp_path / "photo.png")
    np.save(tmp_path / "kernel.npy", motion(5, 20).numpy())
    files = {"kernel": tmp_path / "kernel.npy"}
    report = same(tmp_path / "photo.png", "deblur", files, noise=0.02, steps=2)
    assert report["arguments"]["kernel"] == "kernel.npy"


def test_a_chain_of_operators(same: Same, tmp_path: Path) -> None:
    picture(40).save(tmp_path / "photo.png")
    chain = "downsample:2 @ gaussian:1"
    same(tmp_path / "photo.png", "restore", operator=chain, noise=0.01, steps=2)


@pytest.mark.slow
def test_a_blur_that_nobody_knows(same: Same, server: Live, tmp_path: Path) -> None:
    write(read(blurred(motion(9, 30), channels=3, side=128)), tmp_path / "photo.png")
    report = same(tmp_path / "photo.png", "deblur", steps=4)
    assert report["blur"]["family"] == "motion"
    written = (tmp_path / "cli.kernel.png").read_bytes()
    assert server.http.get(report["files"]["kernel.png"]).content == written
