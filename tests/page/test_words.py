"""English and Chinese, and a third language by one file."""

import asyncio
import json
import re
import shutil
import string
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from playwright.sync_api import Route, expect

from restore.server.about import PAGE, mount_page
from restore.server.messages import MESSAGES
from tests.page.conftest import Visit

LANGUAGES = sorted((PAGE / "languages").glob("*.json"))
ENGLISH: dict[str, Any] = json.loads((PAGE / "languages" / "en.json").read_text())
SCRIPTS = "".join(path.read_text() for path in sorted((PAGE / "scripts").glob("*.js")))


def words(path: Path) -> dict[str, Any]:
    """A catalogue."""
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def holes(text: Any) -> set[str]:
    """The values that a text has places for."""
    return set(re.findall(r"\{(\w+)\}", json.dumps(text)))


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_every_language_has_every_word(path: Path) -> None:
    own = words(path)
    assert set(ENGLISH) - set(own) == set()
    extra = {key for key in own if key not in ENGLISH}
    assert {key.split(".")[0] for key in extra} <= {"help", "param", "problem", "value"}
    assert {key: holes(own[key]) for key in ENGLISH} == {
        key: holes(text) for key, text in ENGLISH.items()
    }


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_what_the_server_refuses_is_told_in_every_language(path: Path) -> None:
    """With the server's values; in English its own words do where the page has no better ones."""
    own = {key: text for key, text in words(path).items() if key.startswith("problem.")}
    codes = {f"problem.{code}": text for code, (_, text) in MESSAGES.items()}
    assert set(own) - set(codes) == set()
    if path.stem != "en":
        assert set(codes) - set(own) == set()
    for key, text in own.items():
        values = {name for _, name, _, _ in string.Formatter().parse(codes[key]) if name}
        assert holes(text) <= values - {"why"}, key


def test_every_word_that_the_page_says_is_in_the_catalogue() -> None:
    page = (PAGE / "index.html").read_text() + SCRIPTS
    said = set(re.findall(r'\bt\(\s*"([\w.]+)"', page))
    said |= set(re.findall(r'data-word(?:-label)?"?\s*[:=]\s*"([\w.]+)"', page))
    assert len(said) > 80
    assert said - set(ENGLISH) == set()


def test_chinese_by_the_browser_and_by_choice(visits: Callable[..., Visit]) -> None:
    visit = visits(locale="zh-CN").open()
    expect(visit.page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(visit.page.locator("#tab-inpaint")).to_have_text(words(LANGUAGES[1])["task.inpaint"])
    visit.page.select_option("#language", "en")
    expect(visit.page.locator("#tab-inpaint")).to_have_text("Fill")
    expect(visit.page.locator("html")).to_have_attribute("lang", "en")
    visit.reload()
    expect(visit.page.locator("#tab-inpaint")).to_have_text("Fill")  # as chosen
    visit.page.select_option("#language", "zh")
    expect(visit.page.locator("html")).to_have_attribute("lang", "zh-CN")
    visible = visit.page.locator("body").inner_text()
    latin = set(re.findall(r"[A-Za-z]{4,}", visible))
    names = {"photomend", "English", "JPEG", "TIFF", "WebP", "Enlarge", "Fill", "Deblur"}
    assert {word for word in latin if word not in names and "." not in word} <= {
        "embedded", "small", "shaken", "holiday", "bicubic",
    }  # fmt: skip


def test_a_third_language_is_one_file(visits: Callable[..., Visit], tmp_path: Path) -> None:
    """The server lists what is in the folder; the page takes what the server lists."""
    folder = tmp_path / "page"
    shutil.copytree(PAGE, folder)
    file = folder / "languages" / "eo.json"
    file.write_text(json.dumps({"language": "Esperanto", "task.inpaint": "Plenigi"}))
    app = FastAPI()
    mount_page(app, folder)

    async def fetched() -> dict[str, str]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            told: dict[str, str] = (await client.get("/languages.json")).json()
            return told

    with ThreadPoolExecutor() as threads:  # the browser has an event loop in this one
        listed = threads.submit(asyncio.run, fetched()).result()
    assert (listed["eo"], listed["en"]) == ("Esperanto", "English")

    def added(route: Route) -> None:
        route.fulfill(json=listed)

    visit = visits(locale="eo")
    visit.page.route("**/languages.json", added)
    visit.page.route("**/languages/eo.json", lambda route: route.fulfill(path=file))
    visit.open()
    expect(visit.page.locator("#tab-inpaint")).to_have_text("Plenigi")
    expect(visit.page.locator("#tab-deblur")).to_have_text("Deblur")  # English where it is missing
    expect(visit.page.locator("#language")).to_have_value("eo")
