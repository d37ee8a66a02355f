"""Prompts are asked for where the prior reads them, and nowhere else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.page.conftest import Visit
from tests.page.test_access import clean
from tests.server.conftest import QUICK, Live

Visits = Callable[..., Visit]
FIELDS = ("prompt", "negative", "guidance")


def drawn(visit: Visit, count: int) -> None:
    """Each of the fields is there so often."""
    for name in FIELDS:
        expect(visit.page.locator(f"#params-{name}")).to_have_count(count)


def test_a_prompt_goes_with_the_prior_that_reads_it(
    visits: Visits, mixed: Live, reader: Path, small: Path
) -> None:
    visit = visits(mixed.address).open().photo(small)
    drawn(visit, 0)
    visit.option(prior=str(reader), factor=2, steps=2)
    expect(visit.page.locator("#params-prior")).to_be_focused()
    drawn(visit, 1)
    visit.page.fill("#params-prompt", "a sharp photo,\nof a cat's")
    visit.page.fill("#params-negative", "blurry")
    visit.page.locator("[data-field='params.guidance'] input[type=number]").fill("3.5")
    clean(visit, "text")
    visit.run()
    asked: dict[str, Any] = {
        "prompt": "a sharp photo,\nof a cat's",
        "negative": "blurry",
        "guidance": 3.5,
    }
    first = mixed.get(visit.job)
    assert first["params"] == {"factor": 2, "steps": 2, "prior": str(reader), **asked}
    # another prior is not given the words, which are there again with the first
    visit.page.click("#again")
    visit.option(prior=QUICK)
    drawn(visit, 0)
    visit.run()
    assert mixed.get(visit.job)["params"] == {"factor": 2, "steps": 2}
    other = visits(mixed.address).open(f"/#{first['id']}")
    expect(other.page.locator("#verdict")).to_be_visible()
    other.page.click("#again")
    expect(other.page.locator("#params-prompt")).to_have_value(asked["prompt"])
    other.run()
    same = [mixed.http.get(f"/v1/jobs/{job}/result").content for job in (first["id"], other.job)]
    assert same[0] == same[1]


def test_no_prompt_is_asked_for_where_no_prior_reads_it(visit: Visit) -> None:
    for task in ("deblur", "upscale", "inpaint", "restore"):
        visit.page.click(f"#tab-{task}")
        drawn(visit, 0)
