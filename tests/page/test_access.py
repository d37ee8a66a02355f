"""For everybody: no violation that axe knows, and all of it with the keyboard alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import expect

from tests.page.conftest import Visit
from tests.server.conftest import QUICK, SLOW

Visits = Callable[..., Visit]
OUTLINE = """() => {
  const focused = document.activeElement;
  return getComputedStyle(focused.querySelector('.grip') ?? focused).outlineStyle;
}"""
STYLES = [pytest.param("light", "en", marks=pytest.mark.slow), ("dark", "zh-CN")]


def clean(visit: Visit, state: str) -> None:
    """Nothing to complain about, as the page is now."""
    visit.page.wait_for_timeout(200)  # a colour may be on its way
    found = Axe().run(visit.page)
    told = [
        f"{state}: {each['id']}: {node['html'][:140]} {node.get('failureSummary', '')[:240]}"
        for each in found.response["violations"] for node in each["nodes"]
    ]  # fmt: skip
    assert told == []
    assert len(found.response["passes"]) > 15  # it has looked


@pytest.mark.parametrize(("scheme", "locale"), STYLES)
def test_axe_finds_nothing_in_any_state(
    visits: Visits, small: Path, shaken: Path, scheme: str, locale: str
) -> None:
    visit = visits(color_scheme=scheme, locale=locale, reduced_motion="reduce").open()
    clean(visit, "empty")
    visit.photo(shaken, "deblur")
    expect(visit.page.locator("#confidence")).to_be_visible()
    visit.option()
    clean(visit, "photo with its blur, all options")
    visit.page.select_option("#kernel-kind", "motion")
    visit.page.select_option("#params-solver", "daps")
    clean(visit, "other blur, options of a solver")
    visit.page.click("#help")
    clean(visit, "help")
    visit.page.keyboard.press("Escape")
    visit.photo(small, "inpaint")
    visit.surface.press("Enter")
    clean(visit, "brush")
    visit.page.click("#tab-restore")
    visit.page.fill("#params-operator", "nonsense")
    visit.page.click("#start")
    expect(visit.page.locator(".wrong")).to_be_visible()
    clean(visit, "refused")
    visit.page.click("#tab-upscale")
    visit.option(prior=SLOW, factor=2, steps=200)
    visit.start()
    expect(visit.page.locator("#bar[value]")).to_be_visible()
    clean(visit, "running")
    visit.page.click("#cancel")
    expect(visit.page.locator("#start")).to_be_visible()
    visit.option(prior=QUICK, factor=2, steps=2, samples=2)
    visit.run()
    visit.page.select_option("#overlay", "undetermined")
    visit.page.locator("details:visible").evaluate_all("all => all.forEach(e => e.open = true)")
    clean(visit, "result")


def test_axe_finds_nothing_on_a_telephone(visits: Visits, small: Path) -> None:
    size = {"width": 390, "height": 780}
    visit = visits(viewport=size, has_touch=True, is_mobile=True).open()
    clean(visit, "empty")
    visit.photo(small)
    visit.option(prior=QUICK, factor=2, steps=1)
    visit.run()
    clean(visit, "result")
    wide = visit.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= size["width"]


def test_all_of_it_with_the_keyboard_alone(visit: Visit, small: Path) -> None:
    page, press = visit.page, visit.page.keyboard.press

    def tab_to(selector: str, most: int = 120) -> None:
        for _ in range(most):
            press("Tab")
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                assert page.evaluate(OUTLINE) != "none", f"{selector} has no mark of its focus"
                return
        raise AssertionError(f"{selector} cannot be reached")

    press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    tab_to("[role=tab]")
    press("ArrowRight")
    press("ArrowRight")
    expect(page.locator("#tab-inpaint")).to_be_focused()
    with page.expect_file_chooser() as chosen:
        tab_to("#open")
        press("Enter")
    chosen.value.set_files(small)
    expect(page.locator("#photo-card")).to_contain_text("small.jpg")
    expect(page.locator("#brush-size")).to_be_visible()
    expect(page.locator("#brush-size")).to_be_enabled()
    tab_to("#brush-size")
    press("Home")
    tab_to(".surface")
    press("ArrowRight")
    press("Space")
    for _ in range(4):
        press("ArrowDown")
    press("Space")
    expect(page.locator("#masked")).to_contain_text("to fill")
    tab_to("#params-steps")
    press("Home")
    tab_to("summary")
    press("Enter")
    tab_to("#params-prior")
    page.keyboard.type("restore.bench")
    tab_to("#start")
    press("Enter")
    expect(page.locator("#verdict")).to_be_visible()
    page.locator("body").evaluate("() => document.activeElement.blur()")
    tab_to("[data-tool='mode.side']")
    press("Enter")
    expect(page.locator(".surface")).to_have_attribute("data-mode", "side")
    press("Alt+Digit1")
    expect(page.locator(".surface")).to_have_attribute("data-mode", "wipe")
    tab_to(".divider")
    press("ArrowLeft")
    expect(page.locator(".divider")).to_have_attribute("aria-valuenow", "48")
    tab_to("#download-own")
    with page.expect_download():
        press("Enter")
    tab_to(".job-open")


def test_motion_is_reduced_where_it_is_asked_for(visits: Visits, small: Path) -> None:
    visit = visits(reduced_motion="reduce").open().photo(small)
    visit.option(prior=QUICK, factor=2, steps=1)
    visit.run()
    visit.page.click("[data-tool='mode.flicker']")
    first = visit.seen()
    visit.page.wait_for_timeout(900)
    assert (visit.seen() == first).mean() > 0.99  # it does not flicker by itself
    visit.page.click("[data-tool='mode.flicker']")
    visit.page.mouse.move(2, 2)
    assert (visit.seen() != first).mean() > 0.05


def test_light_and_dark_follow_the_system_and_the_button(visits: Visits) -> None:
    visit = visits(color_scheme="dark").open()

    def ground() -> int:
        told = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(each) for each in told[4:-1].split(","))

    assert ground() < 150
    visit.page.click("#theme")  # automatic, then light
    assert ground() > 600
    visit.reload()
    assert ground() > 600
    visit.page.click("#theme")
    assert ground() < 150
