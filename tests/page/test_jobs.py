"""Jobs as the page shows them: progress, cancel, reloads, broken connections."""

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.page.conftest import PATIENCE, Visit
from tests.server.conftest import QUICK, SLOW, Live

LOSING = """const really = window.fetch;
window.fetch = async (path, options = {}) => {
  const answer = await really(path, options);
  if (!window.lost && options.body instanceof FormData && options.body.get('task') === 'upscale') {
    window.lost = (await answer.clone().json()).id;
    %s;
  }
  return answer;
};"""
"""The first answer to a job is lost: the server has accepted it, and the page does not know."""
KEY = "correct-horse-battery"
Visits = Callable[..., Visit]


def slow(visit: Visit, photo: Path, steps: int = 100) -> None:
    """A job that takes its time, under way."""
    visit.photo(photo)
    visit.option(prior=SLOW, factor=2, steps=steps)
    visit.start()


def test_progress_preview_time_left_and_cancel(visit: Visit, service: Live, small: Path) -> None:
    slow(visit, small)
    doing = visit.page.locator("#doing")
    expect(doing).to_have_text(re.compile(r"Step [2-9]\d* of 100"))
    expect(visit.page.locator("#left")).to_have_text(re.compile(r"^\d+ seconds? left$"))
    expect(visit.page.locator(".tag.right")).to_have_text("Preview")
    expect(visit.page).to_have_title(re.compile(r"^\d+% . photomend$"))
    before = float(visit.page.get_attribute("#bar", "value") or 0)
    visit.page.wait_for_timeout(400)
    assert before < float(visit.page.get_attribute("#bar", "value") or 0) < 1
    job = visit.job
    visit.page.click("#cancel")
    expect(visit.page.locator("#notes")).to_contain_text("Canceled.")
    expect(visit.page.locator("#start")).to_be_visible()
    assert service.get(job)["state"] == "canceled"
    assert service.get(job)["step"] < 60


def test_a_reload_in_the_middle_goes_on_with_the_job(
    visits: Visits, service: Live, small: Path
) -> None:
    visit = visits().open()
    slow(visit, small, steps=30)
    expect(visit.page.locator("#doing")).to_contain_text("Step")
    job = visit.job
    visit.reload()
    expect(visit.page.locator("#doing")).to_contain_text("Step")
    visit.leave()  # and closed for good
    other = visits().open(f"/#{job}")  # by another browser, that has never seen the photo
    expect(other.page.locator("#verdict")).to_be_visible()
    assert service.get(job)["attempts"] == 1
    assert other.page.inner_text("#tab-upscale[aria-selected=true]") == "Enlarge"


def test_another_photo_leaves_the_job_to_the_server(
    visit: Visit, service: Live, small: Path, shaken: Path
) -> None:
    slow(visit, small, steps=30)
    job = visit.job
    visit.page.click("#tab-inpaint")
    expect(visit.page.locator("#notes")).to_contain_text("A job runs")
    visit.page.set_input_files("#photo-file", shaken)
    expect(visit.page.locator("#photo-card")).to_contain_text("shaken.png")
    expect(visit.page.locator("#start")).to_be_visible()
    assert service.get(job, wait=30)["state"] == "succeeded"


def test_an_answer_that_is_lost_makes_no_second_job(
    visits: Visits, service: Live, small: Path
) -> None:
    visit = visits()
    visit.page.add_init_script(LOSING % "throw new TypeError('lost')")
    visit.open().photo(small)
    before = len(jobs(service))
    visit.option(prior=QUICK, factor=2, steps=1)
    visit.run()
    assert visit.page.evaluate("lost") == visit.job
    assert len(jobs(service)) == before + 1


def test_a_reload_while_sending_sends_it_again_once(
    visits: Visits, service: Live, small: Path
) -> None:
    visit = visits()
    visit.page.add_init_script(LOSING % "if (!sessionStorage.met) await new Promise(() => {})")
    visit.open().photo(small)
    visit.option(prior=QUICK, factor=2, steps=1)
    visit.page.click("#start")
    expect(visit.page.locator("#doing")).to_have_text("Sending \u2026")
    service.wait(lambda: visit.page.evaluate("window.lost"))
    lost = visit.page.evaluate("lost")
    visit.page.evaluate("sessionStorage.met = 1")
    visit.reload()
    expect(visit.page.locator("#verdict")).to_be_visible()
    assert visit.job == lost


def test_a_failure_is_told_and_the_options_stay(visit: Visit, small: Path) -> None:
    visit.photo(small, "deblur")
    visit.page.click("#start")  # 48 pixels are too few to find a blur
    expect(visit.page.locator("#alerts")).to_contain_text("too few")
    expect(visit.page.locator("#failure")).to_contain_text("too few")  # which stays
    expect(visit.page.locator("#start")).to_be_visible()
    expect(visit.page.locator("#photo-card")).to_contain_text("small.jpg")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with a key, that comes back at the same place when it was killed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    store = tmp_path_factory.mktemp("guarded") / "store"
    live = Live(store, "--port", port, "--prior", SLOW, PHOTOMEND_API_KEYS=KEY).start()
    yield live.ready()
    live.stop()


def test_a_key_is_asked_for_and_opens_the_server(
    visits: Visits, guarded: Live, small: Path
) -> None:
    visit = visits(guarded.address)
    visit.page.goto(guarded.address)
    visit.page.fill("#key", "wrong-horse-battery-0")
    visit.page.click("dialog [type=submit]")
    expect(visit.page.locator("#key")).to_have_value("")  # asked once more
    visit.page.fill("#key", KEY)
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("html[data-ready]")).to_be_attached()
    visit.photo(small)
    visit.option(factor=2, steps=1)
    visit.run()
    visit.page.click("#command summary")
    assert "Bearer $PHOTOMEND_API_KEY" in visit.page.inner_text("#curl")
    assert KEY not in visit.page.inner_text("#curl")


def test_a_server_that_dies_and_comes_back_is_found_again(
    visits: Visits, guarded: Live, small: Path
) -> None:
    visit = visits(guarded.address)
    saved = f"sessionStorage['photomend.key'] = '{KEY}'"
    visit.page.add_init_script(f"if (location.protocol === 'http:') {saved}")
    visit.open().photo(small)
    visit.option(factor=2, steps=30)
    visit.start()
    expect(visit.page.locator("#doing")).to_contain_text("Step")
    guarded.kill()
    expect(visit.page.locator("#notes")).to_contain_text("connecting again")
    guarded.start()
    expect(visit.page.locator("#verdict")).to_be_visible(timeout=2 * PATIENCE)


def jobs(service: Live) -> list[dict[str, Any]]:
    """The jobs of the server but for estimates."""
    found: list[dict[str, Any]] = service.http.get("/v1/jobs?limit=100").json()["jobs"]
    return [job for job in found if job["task"] != "estimate"]
