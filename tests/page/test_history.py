"""Jobs that were: in the history, behind the browser's buttons, and in another window."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from operators import kernels
from tests.page.conftest import Visit
from tests.server.conftest import QUICK, Live

Visits = Callable[..., Visit]


def test_history_is_there_after_a_reload_and_elsewhere(
    visits: Visits, service: Live, small: Path
) -> None:
    visit = visits().open().photo(small)
    visit.option(prior=QUICK, factor=2, steps=1)
    visit.run()
    job = visit.job
    visit.reload()
    expect(visit.page.locator("#verdict")).to_be_visible()  # the result, too
    entry = visit.page.locator(f"[data-job='{job}']")
    expect(entry).to_contain_text("small.jpg")
    expect(entry).to_contain_text("done")
    expect(entry.locator("img")).to_be_visible()
    other = visits().open()
    other.page.click(f"[data-job='{job}'] .job-open")
    expect(other.page.locator("#verdict")).to_be_visible()
    expect(other.page.locator("#photo-card")).to_contain_text("48")
    other.page.click(f"[data-job='{job}'] [aria-label^='Remove']")
    expect(other.page.locator(f"[data-job='{job}']")).to_have_count(0)
    assert service.http.get(f"/v1/jobs/{job}").status_code == 404


def test_a_job_of_the_history_brings_photo_mask_and_options(
    visits: Visits, service: Live, small: Path
) -> None:
    visit = visits().open().photo(small, "inpaint")
    visit.surface.press("Enter")
    share = visit.page.inner_text("#masked")
    visit.option(prior=QUICK, steps=3, fidelity=0.2)
    visit.run()
    other = visits().open(f"/#{visit.job}")
    expect(other.page.locator("#verdict")).to_be_visible()
    other.page.click("#again")
    expect(other.page.locator("#masked")).to_have_text(share)
    assert other.page.input_value("#params-fidelity") == "0.2"
    other.run()
    first, second = (service.get(each.job) for each in (visit, other))
    assert first["id"] != second["id"]
    assert first["params"] == second["params"]
    same = [service.http.get(job["links"]["result"]).content for job in (first, second)]
    assert same[0] == same[1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["npy", "png"])
def test_a_job_of_the_history_brings_its_kernel(
    visits: Visits, service: Live, small: Path, tmp_path: Path, kind: str
) -> None:
    weights, file = kernels.disk(2).numpy(), tmp_path / f"mine.{kind}"
    if kind == "npy":
        np.save(file, weights)
    else:
        Image.fromarray((weights / weights.max() * 255).round().astype(np.uint8)).save(file)
    visit = visits().open().photo(small, "deblur")
    with visit.page.expect_file_chooser() as chosen:
        visit.page.select_option("#kernel-kind", "file")
    chosen.value.set_files(file)
    visit.option(prior=QUICK, steps=2)
    visit.run()
    job = visit.job
    visit.reload()
    other = visits().open(f"/#{job}")  # by a browser that has never seen the file
    for each in (visit, other) if kind == "npy" else (other,):
        expect(each.page.locator("#verdict")).to_be_visible()
        each.page.click("#again")
        expect(each.page.locator("#kernel-kind")).to_have_value("file")
        each.run()
        again = service.http.get(f"/v1/jobs/{each.job}/kernel").content
        assert again == file.read_bytes()
        same = [service.http.get(f"/v1/jobs/{name}/result").content for name in (job, each.job)]
        assert same[0] == same[1]


def test_back_and_forward_and_a_second_window(visits: Visits, small: Path, tmp_path: Path) -> None:
    visit, shown = visits().open(), []
    for side in (40, 30):
        Image.new("RGB", (side, side), (90, 120, 100)).save(tmp_path / f"{side}.png")
        visit.photo(tmp_path / f"{side}.png")
        visit.option(prior=QUICK, factor=2, steps=1)
        visit.run()
        shown.append(visit.job)
        verdict, card = visit.page.locator("#verdict"), visit.page.locator("#photo-card")
        visit.page.go_back()  # to the options
        expect(visit.page.locator("#start")).to_be_visible()
        expect(verdict).to_be_hidden()
        visit.page.go_forward()
        expect(verdict).to_be_visible()
        assert visit.job == shown[-1]
    visit.page.click(f"[data-job='{shown[0]}'] .job-open")
    expect(card).to_contain_text("40 ")
    visit.page.go_back()
    expect(card).to_contain_text("30 ")
    other = visit.context.new_page()  # takes another photo
    other.goto(visit.address)
    other.set_input_files("#photo-file", small)
    expect(other.locator("#photo-card")).to_contain_text("small.jpg")
    visit.reload()
    expect(verdict).to_be_visible()
    expect(card).to_contain_text("30 ")  # and not the other's
