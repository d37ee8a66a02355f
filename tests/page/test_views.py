"""Before and after in every way, on one zoom and place, with overlays and samples."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Route, expect

from tests.page.conftest import Visit, pixels
from tests.server.conftest import QUICK, Live

Seen = NDArray[Any]
CELL = 48
"""Side of the photo; the result is twice as large."""


@pytest.fixture(scope="module")
def job(service: Live, small: Path) -> str:
    """An enlarged photo of which there are three samples."""
    answer = service.post(
        small.read_bytes(), task="upscale", factor=2, samples=3, steps=2, noise=0.05,
        prior=QUICK, headers={"Prefer": "wait=60"},
    )  # fmt: skip
    found: str = answer.json()["id"]
    return found


@pytest.fixture
def shown(visits: Callable[..., Visit], job: str) -> Iterator[Visit]:
    """The page with that job."""
    visit = visits().open(f"/#{job}")
    expect(visit.page.locator("#verdict")).to_be_visible()
    visit.page.mouse.move(2, 2)
    yield visit


def fetched(service: Live, job: str, name: str = "") -> Seen:
    """A picture of the job as the server gives it, (2H, 2W, 3)."""
    path = f"/v1/jobs/{job}/" + (f"files/{name}" if name else "result")
    return pixels(service.http.get(path).content)


def middle(seen: Seen, at: float = 0.5) -> Seen:
    """The 96 x 96 pixels of the screen that show all of the result at 1:1."""
    top, left = seen.shape[0] // 2 - CELL, round(seen.shape[1] * at) - CELL
    return seen[top : top + 2 * CELL, left : left + 2 * CELL].astype(int)


def alike(one: Seen, other: Seen) -> bool:
    """Whether two pictures are the same but for rounding."""
    return bool(np.abs(one - other.astype(int)).mean() < 2.5)


def mode(visit: Visit, name: str) -> None:
    """Choose how to look."""
    visit.page.click(f"[data-tool='mode.{name}']")
    visit.page.wait_for_timeout(60)


@pytest.fixture
def before(small: Path) -> Seen:
    """The photo at the size of the result."""
    photo = Image.open(small).convert("RGB")
    return np.asarray(photo.resize((2 * CELL, 2 * CELL), Image.Resampling.BILINEAR))


def test_after_and_before_alone(shown: Visit, service: Live, job: str, before: Seen) -> None:
    after = fetched(service, job)
    shown.surface.press("1")
    mode(shown, "after")
    assert alike(middle(shown.seen()), after)
    mode(shown, "before")
    assert alike(middle(shown.seen()), before)


def test_the_slider_parts_them_by_mouse_and_by_keys(
    shown: Visit, service: Live, job: str, before: Seen
) -> None:
    after = fetched(service, job)
    shown.surface.press("1")
    seen = middle(shown.seen())
    assert alike(seen[:28, : CELL - 4], before[:28, : CELL - 4])
    assert alike(seen[:28, CELL + 4 :], after[:28, CELL + 4 :])
    handle = shown.page.get_by_role("slider", name="Divider")
    box = handle.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + 30
    shown.page.mouse.move(x, y)
    shown.page.mouse.down()
    shown.page.mouse.move(x + 200, y, steps=4)
    shown.page.mouse.up()
    assert alike(middle(shown.seen()), before)
    assert int(handle.get_attribute("aria-valuenow") or 0) > 60
    handle.press("Home")
    expect(handle).to_have_attribute("aria-valuetext", "0 % before")
    assert alike(middle(shown.seen()), after)
    for _ in range(3):
        handle.press("ArrowRight")
    expect(handle).to_have_attribute("aria-valuenow", "6")


def test_side_by_side_shares_zoom_and_place(
    shown: Visit, service: Live, job: str, before: Seen
) -> None:
    after = fetched(service, job)
    mode(shown, "side")
    shown.surface.press("1")
    seen = shown.seen()
    assert alike(middle(seen, 0.25), before)
    assert alike(middle(seen, 0.75), after)
    box = shown.surface.bounding_box()
    assert box is not None
    shown.page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    shown.page.mouse.down()
    shown.page.mouse.move(box["x"] + box["width"] * 0.75 + 40, box["y"] + box["height"] / 2)
    shown.page.mouse.up()
    seen = shown.seen()
    width = seen.shape[1]
    assert alike(middle(seen, 0.25 + 40 / width), before)
    assert alike(middle(seen, 0.75 + 40 / width), after)
    place = shown.surface.get_attribute("data-scale")
    for other in ("wipe", "after", "before", "side"):
        mode(shown, other)
        assert shown.surface.get_attribute("data-scale") == place


def test_flicker_goes_to_and_fro(shown: Visit, service: Live, job: str, before: Seen) -> None:
    after = fetched(service, job)
    shown.surface.press("1")
    mode(shown, "flicker")
    found = set()
    for _ in range(14):
        seen = middle(shown.seen())
        found |= {"before"} if alike(seen, before) else set()
        found |= {"after"} if alike(seen, after) else set()
        shown.page.wait_for_timeout(100)
    assert found == {"before", "after"}


def test_zoom_by_wheel_keys_and_buttons(shown: Visit) -> None:
    def scale() -> float:
        shown.seen()
        return float(shown.surface.get_attribute("data-scale") or 0)

    fitted = scale()
    shown.page.click("[data-tool=zoom_in]")
    assert scale() == pytest.approx(1.4 * fitted, rel=1e-3)
    shown.surface.press("0")
    assert scale() == pytest.approx(fitted)
    shown.surface.press("+")
    assert scale() == pytest.approx(1.25 * fitted, rel=1e-3)
    shown.surface.press("1")
    assert scale() == 1
    expect(shown.page.locator("#scale")).to_have_text("100%")
    box = shown.surface.bounding_box()
    assert box is not None
    still = (box["x"] + box["width"] / 2 + 20, box["y"] + box["height"] / 2 + 20)
    shown.page.mouse.move(*still)
    seen = shown.seen()
    y, x = round(still[1] - box["y"]), round(still[0] - box["x"])
    shown.page.mouse.wheel(0, -400)
    shown.page.wait_for_timeout(150)
    assert scale() > 1.5
    assert np.abs(shown.seen()[y, x].astype(int) - seen[y, x]).max() < 40  # stays under the mouse


def test_samples_are_shown_one_by_one(shown: Visit, service: Live, job: str) -> None:
    mode(shown, "after")
    shown.surface.press("1")
    strip = shown.page.get_by_role("radiogroup", name="Samples")
    expect(strip.get_by_role("radio")).to_have_count(4)
    strip.get_by_role("radio", name="Sample 2").click()
    assert alike(middle(shown.seen()), fetched(service, job, "sample2.png"))
    shown.page.keyboard.press("ArrowRight")
    expect(strip.get_by_role("radio", name="Sample 3")).to_be_focused()
    assert alike(middle(shown.seen()), fetched(service, job, "sample3.png"))
    strip.get_by_role("radio", name="Mean").click()
    assert alike(middle(shown.seen()), fetched(service, job))


@pytest.mark.parametrize(
    ("overlay", "file"), [("undetermined", "undetermined.png"), ("spread", "std.png")]
)
def test_uncertainty_lies_over_the_result(
    shown: Visit, service: Live, job: str, overlay: str, file: str
) -> None:
    after, over = fetched(service, job).astype(int), fetched(service, job, file).astype(int)
    mode(shown, "after")
    shown.surface.press("1")
    shown.page.select_option("#overlay", overlay)
    shown.slide("#strength", 1)
    assert alike(middle(shown.seen()), over)
    shown.slide("#strength", 0.5)
    assert alike(middle(shown.seen()), (after + over) // 2)
    expect(shown.page.locator("#notes")).not_to_be_empty()


def test_a_picture_that_was_refused_by_its_structure_is_not_called_good(
    visits: Callable[..., Visit], job: str
) -> None:
    """What a wrong kernel leaves may be as large as the noise, and is none."""

    def refused(route: Route) -> None:
        answer = route.fetch()
        if "json" not in answer.headers["content-type"]:  # the picture itself
            return route.fulfill(response=answer)
        report = answer.json()
        report["certificate"] |= {"accepted": [False], "unexplained": [0.0]}
        return route.fulfill(response=answer, json=report)

    visit = visits()
    visit.page.route("**/result", refused)
    visit.open(f"/#{job}")
    expect(visit.page.locator("#verdict")).to_contain_text("does not explain your photo")


def test_what_is_not_explained_is_shown_in_red(
    visits: Callable[..., Visit], service: Live, shaken: Path
) -> None:
    wrong = service.post(
        shaken.read_bytes(), kernel="disk:6", noise=0.002, steps=2, headers={"Prefer": "wait=60"}
    ).json()
    visit = visits().open(f"/#{wrong['id']}")
    expect(visit.page.locator("#verdict")).to_contain_text("does not explain your photo")
    expect(visit.page.locator("#verdict")).to_contain_text("Do not trust")
    mode(visit, "after")
    plain = visit.seen().astype(int)
    visit.page.click("#where")
    visit.page.wait_for_timeout(60)
    changed = visit.seen().astype(int) - plain
    reddened = (changed[..., 1] < -20) & (changed[..., 0] - changed[..., 1] > 20)
    assert reddened.mean() > 0.02


def test_the_certificate_says_it_in_plain_words(shown: Visit, service: Live, job: str) -> None:
    path = f"/v1/jobs/{job}/result"
    report = service.http.get(path, headers={"Accept": "application/json"}).json()
    told = shown.page.inner_text("#certificate")
    low, high = report["certificate"]["band"]
    (chi,) = report["certificate"]["chi_square"]
    assert ("does not explain" in told) == (chi > high)
    assert ("follows the noise" in told) == (chi < low)
    assert "3 samples" in told
    assert "Noise taken: 12.8 of 255." in told
    shown.page.get_by_text("Numbers").click()
    numbers = shown.page.inner_text("#certificate dl")
    assert f"{chi:.3g}" in numbers
    assert report["solver"] in numbers
