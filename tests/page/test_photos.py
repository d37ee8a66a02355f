"""A photo comes in by any way, of any kind; what is no photo is told."""

import base64
import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.page.conftest import Visit, pixels
from tests.server.conftest import Live, png

TIMES = "\N{MULTIPLICATION SIGN}"
DROP = """([kind, name, data, count = 1]) => {
  const bytes = Uint8Array.from(atob(data), sign => sign.charCodeAt(0));
  const held = new DataTransfer();
  for (let k = 0; k < count; k += 1) {
    held.items.add(new File([bytes], name, { type: 'image/png' }));
  }
  const given = kind === 'paste' ? { clipboardData: held } : { dataTransfer: held };
  const event = kind === 'paste' ? new ClipboardEvent(kind, { ...given, bubbles: true })
    : new DragEvent(kind, { ...given, bubbles: true, cancelable: true });
  document.querySelector('#stage').dispatchEvent(event);
}"""


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photo_is_dropped_or_pasted(visit: Visit, way: str) -> None:
    visit.page.evaluate(DROP, [way, "holiday.png", base64.b64encode(png(40)).decode()])
    expect(visit.page.locator("#photo-card")).to_contain_text("holiday.png")
    expect(visit.page.locator("#photo-card")).to_contain_text(f"40 {TIMES} 40")
    assert np.ptp(visit.seen()[200:400, 300:600], axis=(0, 1)).min() > 60  # and it is seen


def test_a_photo_is_picked_with_the_button(visit: Visit, small: Path) -> None:
    with visit.page.expect_file_chooser() as chosen:
        visit.page.click("#open")
    chosen.value.set_files(small)
    expect(visit.page.locator("#photo-card")).to_contain_text("small.jpg")
    expect(visit.page.locator("#photo-card")).to_contain_text("JPEG, 8 bits")


def test_a_deep_tiff_is_shown_and_comes_back_deep(
    visit: Visit, service: Live, tmp_path: Path
) -> None:
    samples = np.asarray(Image.open(io.BytesIO(png(32)))).astype(np.uint16) * 257 + 3
    cv2.imwrite(str(tmp_path / "deep.tif"), samples[..., ::-1])
    visit.photo(tmp_path / "deep.tif")
    expect(visit.page.locator("#photo-card")).to_contain_text("TIFF, 16 bits")
    visit.option(factor=2, steps=2)
    visit.run()
    with visit.page.expect_download() as saved:
        visit.page.click("#download-own")
    assert saved.value.suggested_filename == "deep.upscaled.tif"
    back = cv2.imread(str(saved.value.path()), cv2.IMREAD_UNCHANGED)
    assert back is not None
    assert (back.shape, back.itemsize) == ((64, 64, 3), 2)


def test_a_turned_photo_stands_upright(visit: Visit, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    half = np.zeros((40, 60, 3), np.uint8)
    half[:20] = 255  # its top, which the orientation turns to the right
    Image.fromarray(half).save(tmp_path / "turned.jpg", exif=exif)
    visit.photo(tmp_path / "turned.jpg")
    card = visit.page.locator("#photo-card")
    expect(card).to_contain_text(f"40 {TIMES} 60")
    expect(card).to_contain_text("JPEG of quality 75, 4:2:0")
    seen = visit.seen()
    row = seen[len(seen) // 2, :, 0].astype(int)
    middle = len(row) // 2
    assert row[middle - 60] < 30
    assert row[middle + 60] > 225


@pytest.mark.parametrize("data", [b"rubbish", png(40)[:200], b""], ids=["words", "cut", "empty"])
def test_what_is_no_photo_is_told(visit: Visit, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "odd.png").write_bytes(data)
    visit.page.set_input_files("#photo-file", tmp_path / "odd.png")
    expect(visit.page.locator("#alerts")).not_to_be_empty()
    expect(visit.page.locator(".drop")).to_be_visible()
    expect(visit.page.locator("#start")).to_be_disabled()


def test_a_new_photo_takes_the_place_of_the_old_one_and_what_is_none_does_not(
    visit: Visit, small: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.png").write_bytes(png(48))
    for path in (small, tmp_path / "other.png"):
        visit.photo(path, "inpaint")
        expect(visit.page.locator("[data-tool=undo]")).to_be_disabled()  # of that photo's mask
        visit.surface.press("Enter")
        expect(visit.page.locator("#masked")).to_contain_text("to fill")
    alerts, card = visit.page.locator("#alerts"), visit.page.locator("#photo-card")
    visit.page.set_input_files("#photo-file", __file__)
    expect(alerts).to_contain_text("not a picture")
    drops = visit.page.context.new_cdp_session(visit.page)  # a folder of the disk, as it is dropped
    held = {"items": [], "files": [str(tmp_path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 300, "y": 300, "data": held}
        drops.send("Input.dispatchDragEvent", event)
    expect(alerts).to_contain_text("That is a folder")
    expect(card).to_contain_text("other.png")
    expect(visit.page.locator("#masked")).to_contain_text("to fill")
    visit.page.evaluate(DROP, ["drop", "first.png", base64.b64encode(png(40)).decode(), 2])
    expect(visit.page.locator("#notes")).to_contain_text("the first of 2")
    expect(card).to_contain_text(f"40 {TIMES} 40")


def test_photo_mask_and_options_survive_a_reload(visit: Visit, small: Path) -> None:
    visit.photo(small, "inpaint")
    visit.option(steps=7)
    visit.surface.press("Enter")
    share = visit.page.locator("#masked")
    expect(share).to_contain_text("to fill")
    told = share.inner_text()
    visit.page.wait_for_timeout(1200)  # it is kept a moment after the stroke
    visit.reload()
    expect(visit.page.locator("#photo-card")).to_contain_text("small.jpg")
    expect(visit.page.locator("#tab-inpaint")).to_have_attribute("aria-selected", "true")
    expect(visit.page.locator("#masked")).to_have_text(told)
    assert visit.page.input_value("#params-steps") == "7"


def test_everything_comes_from_the_server_itself(visits: Callable[..., Visit], small: Path) -> None:
    visit = visits()
    visit.open().photo(small)
    visit.option(factor=2, steps=1)
    visit.run()
    elsewhere = [
        address for address in visit.asked
        if not address.startswith((visit.address + "/", "blob:", "data:"))
    ]  # fmt: skip
    assert elsewhere == []
    assert len(visit.asked) > 40


def test_the_stage_shows_the_photo_as_it_is(visit: Visit, small: Path) -> None:
    visit.photo(small)
    visit.surface.press("1")
    seen = visit.seen()
    top, left = (side // 2 - 24 for side in seen.shape[:2])
    shown = seen[top : top + 48, left : left + 48].astype(int)
    assert np.abs(shown - pixels(small.read_bytes())).mean() < 3
