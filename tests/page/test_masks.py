"""The brush: what is painted, undone, inverted, loaded and sent; and how smoothly."""

import io
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import expect

from tests.page.conftest import Visit
from tests.server.conftest import QUICK, Live

BITS = """async () => {
  const { mask } = await import('/scripts/brush.js');
  return [mask.width, mask.height, mask.bits.join('')];
}"""
WORK = """async () => {
  const { Mask } = await import('/scripts/mask.js');
  const work = window.work = { strokes: 0, bits: 0, tint: 0, photo: 0 };
  const watch = (kind, name, seen) => {
    const really = kind[name];
    kind[name] = function (...given) {
      const told = really.apply(this, given);
      seen(told, given);
      return told;
    };
  };
  watch(Mask.prototype, 'stroke', ({ left, top, right, bottom }) => {
    work.strokes += 1;
    work.bits = Math.max(work.bits, (right - left) * (bottom - top));
  });
  watch(CanvasRenderingContext2D.prototype, 'putImageData', (_, [image]) => {
    work.tint = Math.max(work.tint, image.width * image.height);
  });
  watch(CanvasRenderingContext2D.prototype, 'drawImage', () => { work.photo += 1; });
}"""
"""Counts what pieces of strokes touch: pixels of the mask and of the screen at most, and how often
the photo is drawn."""


def bits(visit: Visit) -> NDArray[np.bool_]:
    """The mask as the page holds it."""
    width, height, values = visit.page.evaluate(BITS)
    found: NDArray[np.bool_] = np.frombuffer(values.encode(), np.uint8) == ord("1")
    return found.reshape(height, width)


def stroke(visit: Visit, *points: tuple[float, float]) -> None:
    """Draw along points, in pixels of the photo from its middle, at 1:1."""
    box = visit.surface.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] // 2, box["y"] + box["height"] // 2
    visit.page.mouse.move(x + points[0][0], y + points[0][1])
    visit.page.mouse.down()
    for right, down in points[1:]:
        visit.page.mouse.move(x + right, y + down, steps=5)
    visit.page.mouse.up()


def disk(side: int, x: float, y: float, radius: float) -> NDArray[np.bool_]:
    """Pixels whose centres lie within a radius of a point."""
    rows, columns = np.mgrid[:side, :side] + 0.5
    found: NDArray[np.bool_] = np.hypot(columns - x, rows - y) <= radius
    return found


@pytest.fixture
def canvas(visit: Visit, tmp_path: Path) -> Visit:
    """A grey photo of 200 x 200 pixels at 1:1, and a brush of a radius of 10 pixels."""
    Image.new("RGB", (200, 200), (90, 120, 100)).save(tmp_path / "grey.png")
    visit.photo(tmp_path / "grey.png", "inpaint")
    visit.surface.press("1")
    visit.slide("#brush-size", 10)
    return visit


def test_the_brush_paints_what_it_covers(canvas: Visit) -> None:
    plain = canvas.seen().astype(int)
    stroke(canvas, (-40, 0))
    assert (bits(canvas) == disk(200, 60, 100, 10)).mean() > 0.9985
    stroke(canvas, (20, 10), (60, 40))
    painted = bits(canvas)
    rows, columns = np.mgrid[:200, :200] + 0.5
    along = np.clip(((columns - 120) * 40 + (rows - 110) * 30) / 2500, 0, 1)
    near = np.hypot(columns - 120 - 40 * along, rows - 110 - 30 * along)
    assert painted[near < 9].all()
    assert not painted[(near > 11.5) & ~disk(200, 60, 100, 11.5)].any()
    canvas.page.mouse.move(5, 5)
    changed = np.abs(canvas.seen().astype(int) - plain).sum(-1) > 30  # and it is seen there
    top, left = changed.shape[0] // 2 - 100, changed.shape[1] // 2 - 100
    assert (changed[top : top + 200, left : left + 200] == painted).mean() > 0.99


def test_erasing_inverting_undo_and_redo(canvas: Visit) -> None:
    tool = canvas.page.locator
    stroke(canvas, (-40, 0), (40, 0))
    whole = bits(canvas)
    canvas.page.click("[data-tool=eraser]")
    stroke(canvas, (0, 0))
    holed = bits(canvas)
    assert 250 < (whole & ~holed).sum() < 360
    assert not (holed & ~whole).any()
    tool("[data-tool=invert]").click()
    assert (bits(canvas) == ~holed).all()
    tool("[data-tool=undo]").click()
    assert (bits(canvas) == holed).all()
    canvas.surface.press("Control+z")
    assert (bits(canvas) == whole).all()
    canvas.surface.press("u")
    assert not bits(canvas).any()
    expect(tool("[data-tool=undo]")).to_be_disabled()
    expect(canvas.page.locator("#start")).to_be_disabled()
    canvas.surface.press("Control+y")
    assert (bits(canvas) == whole).all()
    canvas.surface.press("Control+Shift+z")
    tool("[data-tool=redo]").click()
    assert (bits(canvas) == ~holed).all()
    expect(tool("[data-tool=redo]")).to_be_disabled()
    tool("[data-tool=clear_mask]").click()
    assert not bits(canvas).any()
    tool("[data-tool=undo]").click()
    assert (bits(canvas) == ~holed).all()


def test_a_mask_from_a_file_is_sent_as_it_is(canvas: Visit, service: Live, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    random = generator.random((200, 200)) < 0.1
    Image.fromarray((random * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    canvas.page.set_input_files("#mask-file", tmp_path / "mask.png")
    expect(canvas.page.locator("#masked")).to_contain_text("10%")
    assert (bits(canvas) == random).all()
    stroke(canvas, (50, 50))
    painted = bits(canvas)
    canvas.option(prior=QUICK, steps=1)
    canvas.run()
    sent = service.http.get(f"/v1/jobs/{canvas.job}/mask").content
    assert (np.asarray(Image.open(io.BytesIO(sent)).convert("L")) == painted * 255).all()
    result = service.http.get(f"/v1/jobs/{canvas.job}/result").content
    kept = np.asarray(Image.open(io.BytesIO(result)))[~painted]
    assert (kept == (90, 120, 100)).all()


def test_a_mask_of_another_size_is_refused(canvas: Visit, tmp_path: Path) -> None:
    Image.new("L", (100, 200), 255).save(tmp_path / "mask.png")
    canvas.page.set_input_files("#mask-file", tmp_path / "mask.png")
    expect(canvas.page.locator("#alerts")).to_contain_text("the photo has 200")
    (tmp_path / "mask.png").write_bytes(b"rubbish")
    canvas.page.set_input_files("#mask-file", tmp_path / "mask.png")
    expect(canvas.page.locator("#alerts")).to_contain_text("cannot be read")
    assert not bits(canvas).any()


def test_the_brush_by_keys(canvas: Visit) -> None:
    canvas.surface.press("Enter")
    assert (bits(canvas) == disk(200, 100, 100, 10)).mean() > 0.998
    canvas.surface.press("Space")
    for _ in range(8):
        canvas.surface.press("ArrowRight")  # half a radius each
    canvas.surface.press("Space")
    painted = bits(canvas)
    assert painted[100, 100:145].all()
    assert not painted[100, 152:].any()
    canvas.surface.press("ArrowDown")
    assert (bits(canvas) == painted).all()  # the brush is up
    for _ in range(3):
        canvas.surface.press("]")
    assert float(canvas.page.input_value("#brush-size")) == pytest.approx(10 * 1.2**3, abs=0.6)
    canvas.surface.press("e")
    canvas.surface.press("Enter")
    assert bits(canvas).sum() < painted.sum()


def test_the_hand_moves_the_photo_and_paints_nothing(canvas: Visit) -> None:
    canvas.page.click("[data-tool=hand]")
    before = canvas.seen()
    stroke(canvas, (0, 0), (40, 0))
    assert not bits(canvas).any()
    moved = canvas.seen()
    assert (moved[:, 40:] != before[:, :-40]).mean() < 0.25


def test_the_brush_is_smooth_on_twelve_megapixels(visit: Visit, tmp_path: Path) -> None:
    """A piece of a stroke costs what it covers, however large the photo; counted, not timed."""
    rows, columns = np.mgrid[:3000, :4000].astype(np.uint16)
    planes = [(rows >> 4) & 255, (columns >> 4) & 255, (rows ^ columns) & 255]
    Image.fromarray(np.stack(planes, -1).astype(np.uint8)).save(tmp_path / "large.jpg", quality=80)
    visit.photo(tmp_path / "large.jpg", "inpaint")
    visit.slide("#brush-size", 40)
    visit.page.wait_for_timeout(300)
    scale = float(visit.surface.get_attribute("data-scale") or 1)
    visit.page.evaluate(WORK)
    turns = [(r * math.cos(r / 9), r * 0.7 * math.sin(r / 9)) for r in range(20, 300, 6)]
    stroke(visit, *turns)
    work = visit.page.evaluate("work")
    farthest = max(math.dist(*pair) for pair in itertools.pairwise(turns))
    side = 2 * 40 + farthest / 2 + 4  # of a box around a piece of a fifth of the way, on the screen
    assert work["strokes"] > len(turns)
    assert 80**2 < work["tint"] <= side**2
    assert (80 / scale) ** 2 < work["bits"] <= (side / scale) ** 2 < rows.size / 8
    assert work["photo"] == 0
    expect(visit.page.locator("#masked")).to_contain_text("to fill")
    visit.surface.press("u")
    expect(visit.page.locator("#masked")).to_have_text("Paint what is to be filled")
