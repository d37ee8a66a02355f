"""What is found, what may be said, and what it will cost, before a job starts."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from skimage import data

from operators import Seeds, kernels
from restore.bench.shake import TURN, simulated
from restore.images import read, write
from tests.page.conftest import PATIENCE, Visit
from tests.server.conftest import QUICK, Live

Visits = Callable[..., Visit]
OWN = {"kernel": "#kernel-kind", "noise": "#noise"}
"""Options that have a control of their own kind."""
SHEET = """canvas => {
  const side = (canvas.width - 12) / 3, middles = [...Array(9).keys()].map(k => (k + 0.5) / 9);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return [0, 1].flatMap(row => [0, 1, 2].map(column => middles.flatMap(y => middles.map(x => data[
    4 * (Math.floor(row * (side + 6) + y * side) * canvas.width
      + Math.floor(column * (side + 6) + x * side))]))));
}"""
"""The middles of the 9 x 9 weights of 2 x 3 kernels."""
WEIGHTS = """canvas => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return [canvas.width, [...data].filter((_, place) => place % 4 === 0)];
}"""


def drawn(visit: Visit) -> Any:
    """The picture of the kernel, (size, size); it shows the square root of the weights."""
    size, data = visit.page.locator(".kernel").evaluate(WEIGHTS)
    found = (np.array(data).reshape(size, size) / 255) ** 2
    return found / found.sum()


def near(found: Any, expected: Any) -> float:
    """The correlation of two kernels of one size."""
    both = np.ravel(found) @ np.ravel(expected)
    return float(both / np.linalg.norm(found) / np.linalg.norm(expected))


def params(service: Live, job: str) -> dict[str, Any]:
    """What the server was asked."""
    asked: dict[str, Any] = service.get(job)["params"]
    return asked


def test_blur_and_noise_are_found_shown_and_may_be_changed(
    visit: Visit, service: Live, shaken: Path
) -> None:
    visit.photo(shaken, "deblur")
    expect(visit.page.locator("#confidence")).to_have_text(re.compile(r"^\d+%$"))
    told = re.search(r"motion, ([\d.]+) pixels at ([\d.]+)", visit.page.inner_text("#blur-card"))
    assert told is not None
    assert abs(float(told[1]) - 9) < 0.7
    assert abs(float(told[2]) - 30) < 4
    found = drawn(visit)
    # Both are centred on an odd grid; the one that was found may be a ring larger.
    whole = kernels.motion(float(told[1]), float(told[2])).numpy()
    assert near(found, whole) > 0.99
    assert re.search(r"automatic: 0\.\d+ \([\d.]+/255\)", visit.page.get_attribute(
        "#noise", "placeholder") or "")  # fmt: skip

    sure = visit.page.inner_text("[data-field='params.noise'] .value")  # as halves agree
    assert int(re.sub(r"\D", "", sure)) > 75
    assert "parts of the photo" not in visit.page.inner_text("#blur-card")  # it is too small

    visit.page.select_option("#kernel-kind", "motion")
    assert abs(float(visit.page.input_value("#blur-length")) - float(told[1])) < 0.06
    visit.slide("#blur-length", 12)
    visit.slide("#blur-angle", 40)
    visit.page.wait_for_timeout(50)
    assert near(drawn(visit), kernels.motion(12, 40).numpy()) > 0.999
    visit.page.fill("#noise", "5.1/255")
    visit.option(steps=2)
    visit.start()
    asked = params(service, visit.job)
    assert asked == {"kernel": "motion:12,40", "noise": pytest.approx(0.02), "steps": 2}


def test_every_family_is_drawn_as_the_server_draws_it(visit: Visit) -> None:
    for kind, name, value in (("disk", "radius", 3.5), ("gaussian", "sigma", 1.7)):
        visit.page.select_option("#kernel-kind", kind)
        visit.slide(f"#blur-{name}", value)
        visit.page.wait_for_timeout(50)
        expected = kernels.parse(f"{kind}:{value}").numpy()
        assert near(drawn(visit), expected) > 0.999


def test_a_kernel_comes_from_a_file_or_the_hand(
    visit: Visit, service: Live, small: Path, tmp_path: Path
) -> None:
    visit.photo(small, "deblur")
    visit.page.select_option("#kernel-kind", "drawn")
    expect(visit.page.locator("#start")).to_be_disabled()
    box = visit.page.locator(".kernel").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    visit.page.mouse.move(box["x"] + 30, y)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + 70, y, steps=20)
    visit.page.mouse.up()
    expect(visit.page.locator("#start")).to_be_enabled()
    visit.option(steps=1)
    visit.run()
    blur = visit.page.inner_text("#certificate")
    assert "Blur found" not in blur  # it was given
    visit.page.click("#command summary")
    assert "-F kernel=@kernel.png" in visit.page.inner_text("#curl")

    np.save(tmp_path / "mine.npy", kernels.disk(2).numpy())
    visit.page.click("#again")
    with visit.page.expect_file_chooser() as chosen:
        visit.page.select_option("#kernel-kind", "file")
    chosen.value.set_files(tmp_path / "mine.npy")
    expect(visit.page.locator("#start")).to_be_enabled()
    assert near(drawn(visit), kernels.disk(2).numpy()) > 0.999
    visit.run()
    assert "-F kernel=@mine.npy" in visit.page.inner_text("#curl")


def test_kernels_of_parts_are_drawn_in_their_places(visit: Visit, tmp_path: Path) -> None:
    """Of a sheet beside a result, and of an array with its columns first and its bytes turned."""
    parts = [[kernels.motion(9, angle) for angle in row] for row in ((0, 30, 60), (90, 120, 150))]
    grid = torch.stack([torch.stack(row) for row in parts])
    laid, note = kernels.sheet(grid)
    write(read((laid / laid.max() * 65535).round().numpy().astype("uint16")),
          tmp_path / "sheet.png", report=note)  # fmt: skip
    np.save(tmp_path / "grid.npy", np.asfortranarray(grid.numpy().astype(">f8")))
    with visit.page.expect_file_chooser() as chosen:
        visit.page.select_option("#kernel-kind", "file")
    for name in ("sheet.png", "grid.npy"):
        chosen.value.set_files(tmp_path / name)
        sheet = visit.page.locator(".kernel.sheet")
        expect(sheet).to_have_attribute("width", re.compile(r"\d{3}"))
        found = sheet.evaluate(SHEET)
        for cell, kernel in zip(found, grid.flatten(0, 1), strict=True):
            assert near((np.array(cell) / 255) ** 2, kernel.numpy()) > 0.99
        with visit.page.expect_file_chooser() as chosen:
            visit.page.click("#blur-card button")


@pytest.mark.slow
def test_a_photo_whose_blur_varies_says_so(visits: Visits, service: Live, tmp_path: Path) -> None:
    turned = simulated("astronaut", read(data.astronaut()).pixels, TURN, Seeds(0, 0))
    write(read(turned.y), tmp_path / "turned.png")
    visit = visits().open().photo(tmp_path / "turned.png", "deblur")
    card = visit.page.locator("#blur-card")
    expect(visit.page.locator("#confidence")).to_be_visible(timeout=5 * PATIENCE)
    expect(card).to_contain_text("The job also looks whether parts")
    visit.option(prior=QUICK, steps=2)
    visit.page.select_option("#params-camera", "none")
    visit.start()
    expect(visit.page.locator("#verdict")).to_be_visible(timeout=10 * PATIENCE)
    times = "\N{MULTIPLICATION SIGN}"
    expect(card).to_contain_text(f"3 {times} 3 parts")
    expect(visit.page.locator("#certificate")).to_contain_text(f"3 {times} 3 parts")
    expect(visit.page.locator(".kernel.sheet")).to_be_visible()
    with visit.page.expect_download() as saved:
        visit.page.click("#download-kernel")
    assert saved.value.suggested_filename == "turned.deblurred.kernel.png"
    assert kernels.load(saved.value.path().rename(tmp_path / "kernel.png")).shape[:2] == (3, 3)


def test_the_form_has_every_option_of_the_schema(visit: Visit, service: Live) -> None:
    told = service.http.get("/v1/tasks").json()
    for task in told["tasks"][:-1]:
        visit.page.click(f"#tab-{task['name']}")
        for name in set(task["schema"]["properties"]) - {"options"}:
            control = visit.page.locator(OWN.get(name, f"#params-{name}"))
            expect(control).to_have_count(1)
    options = told["solvers"]["daps"]["options"]
    visit.page.select_option("#params-solver", "daps", force=True)
    for name in options:
        expect(visit.page.locator(f"#params-options-{name}")).to_have_count(1)


def test_options_reach_the_job_and_defaults_do_not(
    visit: Visit, service: Live, small: Path
) -> None:
    visit.photo(small)
    visit.option(factor=2, fidelity=0.3, samples=2, steps=3)
    visit.page.select_option("#params-solver", "daps")
    visit.page.fill("#params-options-temperature", "0.4")
    visit.page.fill("#params-tile", "128")
    visit.page.uncheck("#params-polish")
    visit.slide("#params-fidelity", 0.7)  # where it stands by itself
    visit.start()
    assert params(service, visit.job) == {
        "factor": 2, "samples": 2, "steps": 3, "solver": "daps", "tile": 128, "polish": False,
        "options": {"temperature": 0.4},
    }  # fmt: skip


def test_what_the_server_refuses_is_told_at_the_option(visit: Visit, small: Path) -> None:
    visit.photo(small, "restore")
    visit.page.fill("#params-operator", "downsample:99")
    visit.page.click("#start")
    field = visit.page.locator("[data-field='params.operator']")
    expect(field.locator(".error")).to_contain_text("Not understood. A chain such as")
    expect(visit.page.locator("#params-operator")).to_be_focused()
    visit.page.get_by_role("button", name="gaussian:1 @ disk:3").click()
    visit.option(steps=1)
    visit.run()
    assert json.loads(visit.page.evaluate("localStorage['photomend.settings']"))["task"] == (
        "restore"
    )


def test_the_cost_is_told_before_the_start_and_follows_the_options(
    visit: Visit, service: Live, small: Path
) -> None:
    cost = visit.page.locator("#cost")
    expect(cost).to_have_text("Open a photo first.")
    visit.photo(small)
    expect(cost).to_contain_text("About")
    visit.option(prior=QUICK, factor=4, steps=100, samples=16)
    expect(cost).to_contain_text(re.compile(r"About .* \(.* to .*\)"))
    visit.page.wait_for_timeout(500)
    shown = cost.inner_text()
    query: dict[str, Any] = {
        "pixels": 192 * 192,
        "task": "upscale",
        "steps": 100,
        "samples": 16,
        "prior": QUICK,
    }
    told = service.http.get("/v1/cost", params=query).json()
    seconds = told["seconds"]
    assert seconds < 1 or f"{round(seconds)} second" in shown or "minute" in shown
