"""What is saved: the picture in the photo's format, 16 bits, the report, the command."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.page.conftest import Visit
from tests.server.conftest import QUICK, Live, png


def saved(visit: Visit, button: str) -> tuple[str, bytes]:
    """The name and the bytes of what a button saves."""
    with visit.page.expect_download() as download:
        visit.page.click(button)
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_a_result_is_saved_in_every_way(visit: Visit, service: Live, tmp_path: Path) -> None:
    name = "my photo's.jpg"
    (tmp_path / name).write_bytes(png(40, "JPEG", quality=90))
    visit.photo(tmp_path / name, "deblur")
    visit.page.select_option("#kernel-kind", "disk")
    visit.slide("#blur-radius", 1)
    visit.page.fill("#noise", "0.05")
    visit.option(prior=QUICK, steps=3, fidelity=0.4)
    visit.run()
    place = f"/v1/jobs/{visit.job}/result"
    own, data = saved(visit, "#download-own")
    assert own == "my photo's.deblurred.jpg"
    assert data == service.http.get(place).content
    deep, tiff = saved(visit, "#download-deep")
    assert deep == "my photo's.deblurred.tif"
    samples = cv2.imdecode(np.frombuffer(tiff, np.uint8), cv2.IMREAD_UNCHANGED)
    assert samples is not None
    assert (samples.shape, samples.itemsize) == ((40, 40, 3), 2)
    assert len(np.unique(samples)) > 256
    report, text = saved(visit, "#download-report")
    assert report == "my photo's.deblurred.json"
    assert json.loads(text)["arguments"]["fidelity"] == 0.4

    visit.page.click("#command summary")
    command = visit.page.inner_text("#curl")
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl on the path")
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    again = json.loads(done.stdout)
    assert again["id"] != visit.job
    assert again["params"] == service.get(visit.job)["params"]
    assert service.http.get(again["links"]["result"]).content == data


def test_a_mask_goes_with_the_command(visit: Visit, service: Live, small: Path) -> None:
    visit.photo(small, "inpaint")
    visit.surface.press("Enter")
    visit.option(prior=QUICK, steps=1)
    visit.run()
    name, mask = saved(visit, "button:has-text('Mask')")
    visit.page.click("#command summary")
    assert f"-F mask=@{name}" in visit.page.inner_text("#curl")
    folder = small.parent
    (folder / name).write_bytes(mask)
    command = visit.page.inner_text("#curl")
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True
    )
    same = [
        service.http.get(f"/v1/jobs/{job}/result").content
        for job in (visit.job, json.loads(done.stdout)["id"])
    ]
    assert same[0] == same[1]


def test_the_command_is_copied(visits: Callable[..., Visit], small: Path) -> None:
    visit = visits(permissions=["clipboard-read", "clipboard-write"]).open().photo(small)
    visit.option(prior=QUICK, factor=2, steps=1)
    visit.run()
    visit.page.click("#command summary")
    visit.page.get_by_role("button", name="Copy").click()
    expect(visit.page.locator("#notes")).to_contain_text("Copied.")
    copied = visit.page.evaluate("navigator.clipboard.readText()")
    assert copied == visit.page.inner_text("#curl")
    assert copied.startswith("curl ")
