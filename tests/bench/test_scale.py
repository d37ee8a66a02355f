"""`photomend bench scale`: what it counts, and that a folder keeps the device busy."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore import spec_bench
from restore.bench.scale import album, main, markdown, told
from restore.spec import checked


def test_the_busy_share_is_of_all_devices() -> None:
    trace = [(10.0, 11.0, 1), (11.0, 12.0, 1), (10.5, 12.5, 2), (13.0, 14.0, 2)]
    figures = told(trace)
    assert (figures["photos"], figures["devices"], figures["seconds"]) == (4, 2, 4.0)
    assert figures["busy"] == pytest.approx((1 + 1 + 2 + 1) / (4.0 * 2))
    assert figures["photos_per_second"] == 1.0


def test_the_photos_are_photos_that_differ(tmp_path: Path) -> None:
    album(tmp_path / "in", 3, 32)
    pictures = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "in").iterdir())]
    assert [picture.shape for picture in pictures] == [(32, 32, 3)] * 3
    assert not np.array_equal(pictures[0], pictures[1])
    assert all(picture.std() > 20 for picture in pictures)


@pytest.mark.parametrize("files", [6, pytest.param(200, marks=pytest.mark.slow)])
def test_a_folder_keeps_the_device_busy(tmp_path: Path, files: int) -> None:
    said: list[str] = []
    summary = main(
        files=files, size=32 if files < 200 else 256, seconds=0.2 if files < 200 else 0.5,
        output=tmp_path / "out", report=said.append,
    )  # fmt: skip
    (run,) = summary["runs"]
    assert (run["photos"], run["written"], run["devices"]) == (files, files, 1)
    # never faster than the device; that it is nearly as fast needs a quiet machine
    assert 0 < run["busy"] <= 1
    assert run["photos_per_second"] <= 1 / summary["settings"]["seconds"]
    if files == 200:
        assert run["busy"] >= 0.95
        assert run["photos_per_second"] * sum(summary["parts"].values()) > 1
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == summary
    assert (tmp_path / "out" / "report.md").read_text() == markdown(summary)


def test_nodes_are_listed_with_commas() -> None:
    assert checked(spec_bench.BenchScale, {"nodes": "1,2"}).nodes == (1, 2)
    assert checked(spec_bench.BenchScale, {}).nodes is None
