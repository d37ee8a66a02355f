"""What goes wrong is told in the language of the page, with the server's own words underneath."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.page.conftest import Visit
from tests.server.conftest import SLOW, Live, png

Visits = Callable[..., Visit]
ENGLISH = "[lang=en]"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that takes small pictures alone, and lets one job wait."""
    store = tmp_path_factory.mktemp("narrow") / "store"
    words = ("--prior", SLOW, "--pixels", "0.01", "--queue", "1", "--upload", "1")
    live = Live(store, *words).start().ready()
    yield live
    live.stop()


def written(folder: Path, name: str, data: bytes) -> Path:
    """A file."""
    (folder / name).write_bytes(data)
    return folder / name


def told(visit: Visit, chinese: str, english: str) -> None:
    """What the alert says, and underneath."""
    alert = visit.page.locator("#alerts .note").last
    expect(alert).to_contain_text(chinese)
    expect(alert.locator(ENGLISH)).to_contain_text(english)


def test_a_wrong_file_and_one_that_is_too_large(
    visits: Visits, narrow: Live, tmp_path: Path
) -> None:
    visit = visits(narrow.address, locale="zh-CN").open()
    files = [
        (written(tmp_path, "text.png", b"no picture"), "不是可读取的图片", "not a picture of"),
        (written(tmp_path, "wide.png", png(101)), "101 \u00d7 101 像素超过", "10000 allowed"),
        (written(tmp_path, "heavy.png", png(32) + bytes(2_000_000)), "允许的 1 MiB", "1 MiB"),
    ]
    for path, chinese, english in files:
        visit.page.set_input_files("#photo-file", path)
        told(visit, chinese, english)
    other = visits(narrow.address).open()
    other.page.set_input_files("#photo-file", files[1][0])
    alert = other.page.locator("#alerts .note").last
    expect(alert).to_contain_text("Photo: 101 x 101 pixels are more than the 10000 allowed")
    expect(alert.locator(ENGLISH)).to_have_count(0)


def test_a_full_queue_and_a_server_that_is_gone(visits: Visits, narrow: Live, small: Path) -> None:
    visit = visits(narrow.address, locale="zh-CN").open().photo(small)
    visit.option(factor=2, steps=100)
    expect(visit.page.locator("#cost")).to_contain_text("约")
    expect(visit.page.locator(".spin")).to_have_count(0)  # the estimate is out of the queue
    narrow.wait(lambda: narrow.post(png(48), steps=900).status_code == 202)
    visit.page.click("#start")
    told(visit, "已有 1 个任务在等待或运行", "1 jobs wait or run already")
    for job in narrow.http.get("/v1/jobs").json()["jobs"]:
        narrow.http.delete(job["links"]["self"])
    narrow.wait(lambda: narrow.http.get("/v1/jobs?state=running").json()["jobs"] == [])
    visit.start()
    expect(visit.page.locator("#bar[value]")).to_be_visible()
    visit.page.route("**/v1/jobs/*", lambda route: route.abort())
    visit.page.click("#cancel")
    expect(visit.page.locator("#alerts")).to_contain_text("服务器没有回应")
    visit.page.unroute_all()


def test_options_are_refused_where_they_stand(visits: Visits, small: Path) -> None:
    visit = visits(locale="zh-CN")
    gone = '{"task": "upscale", "params": {"upscale": {"prior": "gone"}}}'
    kept = f"localStorage['photomend.settings'] ??= '{gone}'"
    visit.page.add_init_script(f"if (location.protocol === 'http:') {kept}")
    visit.open().photo(small)
    visit.page.click("#start")
    field = visit.page.locator("[data-field='params.prior']")
    expect(field.locator(".error")).to_contain_text("必须是 'restore.bench.white:white'")
    expect(field.locator(".error [lang=en]")).to_contain_text("must be 'restore.bench.white")
    told(visit, "有选项不对", "params: not as")
    visit.page.select_option("#params-prior", "restore.bench.white:white")
    visit.option()
    for name, value, chinese in (("samples", "17", "大于 16"), ("seed", "-1", "小于 0")):
        typed = visit.page.locator(f"[data-field='params.{name}'] input[type=number]")
        typed.fill(value)
        visit.page.click("#start")
        place = visit.page.locator(f"[data-field='params.{name}'] .error")
        expect(place).to_contain_text(f"不能{chinese}")
        typed.fill("")
    assert visit.page.locator(".wrong").count() == 1


def test_a_job_that_fails_says_why(visits: Visits, small: Path) -> None:
    visit = visits(locale="zh-CN").open().photo(small, "deblur")
    visit.page.click("#start")  # 48 pixels are too few to find a blur
    told(visit, "照片看不出它的模糊", "too few")
