"""The blur of files: what JPEG has rounded away is neither blur nor noise."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from operators import Blur, Gaussian, Identity, Jpeg, Seeds, kernels, simulate
from operators.exposure import Camera, Exposure
from restore import blurred as blurring
from restore.bench import protocol
from restore.blind import Blind, NotBlurred, correlation, estimate_kernel
from restore.blind.free import shrunk, within
from restore.blind.saturated import GROWTH, continued, unsaturated
from restore.blind.seen import View
from restore.blind.spectrum import EPSILON, halved
from restore.blurred import blur_of, blurs_of
from restore.camera import part_of
from restore.images import Photo, read
from tests.drawings import blurred, night, scene

DISK, MOTION = kernels.disk(2), kernels.motion(12, 30)


def compressed(pixels: Tensor, quality: int) -> Photo:
    levels = (255 * pixels[0].clamp(0, 1)).round().byte().permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "JPEG", quality=quality)
    return read(buffer.getvalue())


def steps_of(photo: Photo) -> Tensor:
    assert photo.jpeg is not None
    return photo.jpeg.luma_steps(photo.pixels)


def test_rounding_is_not_taken_for_blur(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = compressed(blurred(MOTION, channels=3, side=160), 85)
    (found,) = blurs_of(photo, [False], parts=False)
    assert found.family == "motion" and correlation(found.kernel, MOTION) > 0.99
    without = estimate_kernel(photo.pixels)  # that it is rounded: then it is weak detail changed
    assert without.changed and correlation(without.kernel, MOTION) > 0.99
    monkeypatch.setattr("restore.blind.estimate.uneven", lambda *_: False)
    assert correlation(estimate_kernel(photo.pixels).kernel, MOTION) < 0.95


def test_a_gaussian_in_a_jpeg_is_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is weaker than what photos else keep, compression has left enough to tell."""
    sharp = torch.tensor(data.astronaut()[170:342, 170:342]).permute(2, 0, 1)[None] / 255
    photo = compressed(Blur(kernels.gaussian(2), "valid")(sharp), 92)
    found = estimate_kernel(photo.pixels, steps=steps_of(photo))
    assert found.family == "gaussian" and correlation(found.kernel, kernels.gaussian(2)) > 0.99
    monkeypatch.setattr("restore.blind.spectrum.EXACT", EPSILON)
    less = estimate_kernel(photo.pixels, sigma=0.003, steps=steps_of(photo))
    assert less.family == "disk"


def test_a_sharp_jpeg_is_refused() -> None:
    with pytest.raises(NotBlurred):
        blur_of(compressed(scene(96).expand(1, 3, -1, -1), 85))


def test_twice_compressed_a_photo_that_is_known_to_be_blurred_still_tells_how() -> None:
    kernel = kernels.random_walk(15, 0.5, 3)
    once = compressed(blurred(kernel, side=128).expand(-1, 3, -1, -1), 75)
    photo = compressed(once.pixels, 95)
    assert photo.tables is not None
    last = Jpeg(photo.tables).luma_steps(photo.pixels)  # all that its file tells
    with pytest.raises(NotBlurred) as refusal:
        estimate_kernel(photo.pixels, steps=last)
    found = refusal.value.likeliest
    assert found is not None
    assert correlation(found.kernel, kernel) > 0.75


@pytest.mark.slow
def test_what_was_coarser_before_is_not_taken_for_blur_either() -> None:
    """Pixels tell the steps of a first compression, which the file does not."""
    once = compressed(blurred(MOTION, channels=3, side=160), 75)
    photo = compressed(once.pixels, 95)
    (found,) = blurs_of(photo, [False], parts=False)
    assert found.family == "motion" and correlation(found.kernel, MOTION) > 0.99
    assert photo.tables is not None
    last = Jpeg(photo.tables).luma_steps(photo.pixels)  # all that its file tells
    assert correlation(estimate_kernel(photo.pixels, steps=last).kernel, MOTION) < 0.95


def test_a_photo_tells_whether_light_was_blurred() -> None:
    for light in (True, False):
        photo = replace(read(blurred(DISK, 3, 128, light=light)[0]), kind="bytes")
        first, second = blurs_of(photo, parts=False)
        assert first.light == light and second.light != light
        assert first.gain > second.gain + 20
        assert first.family == "disk" and correlation(first.kernel, DISK) > 0.99


def test_only_files_are_looked_at_as_light(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(*_: object, light: bool, **__: object) -> Blind:
        return Blind(DISK, "disk", {}, 0.01, 0.5, {"evidence": {"disk": 9 + light}}, light=light)

    monkeypatch.setattr(blurring, "estimate_kernel", told)
    photo = read(scene(64)[0].expand(3, -1, -1))
    assert not blur_of(photo, parts=False).light
    assert blur_of(replace(photo, kind="path"), parts=False).light


@pytest.mark.parametrize("sure", [True, False])
def test_where_one_look_is_sure_of_blur_the_other_need_not_be(
    sure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*_: object, light: bool, **__: object) -> Blind:
        found = Blind(DISK, "disk", {}, 0.01, 0.5, {"evidence": {"disk": 9 + light}}, light=light)
        if light == sure:
            return found
        refusal = NotBlurred(f"image: no blur of {light}")
        refusal.likeliest = found
        raise refusal

    monkeypatch.setattr(blurring, "estimate_kernel", told)
    photo = read(scene(64)[0].expand(3, -1, -1))
    assert [one.light for one in blurs_of(photo, parts=False)] == [True, False]
    assert [one.light for one in blurs_of(photo, [sure], parts=False)] == [sure]
    with pytest.raises(NotBlurred, match=f"of {not sure}"):
        blurs_of(photo, [not sure], parts=False)


@pytest.mark.parametrize(
    ("told", "known", "looked"),
    [
        ((), False, [(True, False), (False, False)]),  # neither: by both
        ((True,), False, [(True, False), (False, False)]),  # of light: by that
        ((False,), False, [(True, False), (False, False), (True, True)]),  # of values: again
        ((), True, [(True, True)]),
    ],
)
def test_what_was_changed_since_was_blurred_as_light(
    told: tuple[bool, ...],
    known: bool,
    looked: list[tuple[bool, bool]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def found(*_: object, light: bool, changed: bool, **__: object) -> Blind:
        seen.append((light, changed))
        report = {"evidence": {"disk": 9.0 - light}}
        one = Blind(DISK, "disk", {}, 0.01, 0.5, report, light=light)
        if not (changed or light in told):
            return one
        return replace(
            one, changed=True, whole=(replace(one, report={"evidence": {"disk": 20.0}}),)
        )

    monkeypatch.setattr(blurring, "estimate_kernel", found)
    photo = read(scene(64)[0].expand(3, -1, -1))
    lights = [one.light for one in blurs_of(photo, parts=False, changed=known)]
    assert lights == ([True] if told or known else [False, True])
    assert sorted(seen[:2], reverse=True) + seen[2:] == looked
    (values,) = blurs_of(photo, [False], parts=False, changed=known)  # nothing else is asked for
    assert not values.light and values.changed is (known or False in told)


@pytest.mark.parametrize("gain", [50.0, 200.0])
def test_what_a_program_blurred_was_not_changed_since(
    gain: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By all detail values are then likelier than light, of which it looks as if it was."""

    def told(*_: object, light: bool, **__: object) -> Blind:
        report = {"evidence": {"disk": 100.0 if light else gain}}
        found = Blind(DISK, "disk", {}, 0.01, 0.5, report, light=light)
        return replace(found, changed=True, whole=(found,)) if light else found

    monkeypatch.setattr(blurring, "estimate_kernel", told)
    photo = read(scene(64)[0].expand(3, -1, -1))
    assert [one.light for one in blurs_of(photo, parts=False)] == [gain < 100]


@pytest.mark.parametrize(
    "kernel", [pytest.param(DISK, marks=pytest.mark.slow), kernels.random_walk(15, 0.5, 3)]
)
def test_lights_brighter_than_white_hide_no_blur(kernel: Tensor) -> None:
    y = blurred(kernel, 3, drawing=night, light=True)
    assert float((y == 1).float().mean()) > 0.02
    found = estimate_kernel(y, light=True)
    assert correlation(found.kernel, kernel) > 0.98
    assert found.family == ("disk" if kernel is DISK else "free")


@pytest.mark.slow
def test_the_edges_of_what_is_white_and_no_brighter_tell_of_blur() -> None:
    kernel = kernels.random_walk(15, 0.5, 6)
    y = blurred(kernel, side=160, drawing=lambda side: (1.25 * scene(side)).clamp(max=1))
    assert float((y == 1).float().mean()) > 0.02
    assert correlation(estimate_kernel(y).kernel, kernel) > 0.95


def test_light_is_continued_as_it_came() -> None:
    rows, columns = torch.arange(40.0)[:, None] / 40, torch.arange(50.0)[None] / 50
    plane = 0.2 + rows * columns + rows**2 / 2
    clear = (rows - 0.5) ** 2 + (columns - 0.4) ** 2 > 0.03
    hidden = torch.where(clear, plane, 0.6)
    found = continued(hidden, clear)
    assert torch.equal(found[clear], plane[clear])
    # rows**2 has a curvature, of which a plate takes the least
    assert float((found - plane).abs().max()) < 0.1 * float((hidden - plane).abs().max())
    assert continued(plane, torch.ones_like(clear)) is plane
    assert continued(plane, torch.zeros_like(clear)) is plane


def test_what_lies_near_white_is_not_trusted() -> None:
    photo = torch.full((1, 3, 30, 30), 0.5)
    photo[0, 1, 15, 15] = 0.99
    clear = unsaturated(photo, 0.01)
    assert not clear[15 - GROWTH : 16 + GROWTH, 15 - GROWTH : 16 + GROWTH].any()
    assert int((~clear).sum()) == (2 * GROWTH + 1) ** 2
    assert shrunk(clear[None], [15, 15]).shape == (1, 15, 15)
    inside = within(clear[None], 5)
    assert 0 < float(inside.mean()) < float(clear.float().mean())
    assert torch.equal(within(torch.zeros(1, 9, 9, dtype=torch.bool), 5), torch.ones(1, 9, 9))


def test_the_steps_of_half_the_size_are_those_of_half_the_frequencies() -> None:
    steps = torch.arange(8)[:, None] + 10 * torch.arange(8.0)
    torch.testing.assert_close(halved(steps), steps.double() / 4)  # both are linear
    photo = compressed(blurred(kernels.gaussian(4), channels=3, side=416), 70)
    seen = View.of(photo.pixels, 0.01, steps_of(photo), light=False).halved().spectrum()
    # at half the size a kernel is half as wide
    evidence = seen.evidence([kernels.gaussian(2), torch.ones(1, 1)]).tolist()
    assert evidence[0] > evidence[1] + 30


def test_the_steps_are_those_of_the_upright_photo() -> None:
    photo = compressed(scene(64).expand(1, 3, -1, -1), 75)
    steps = steps_of(photo)
    assert float(255 * steps[0, 1]) == 6  # 11 at quality 50, halved
    assert torch.equal(steps_of(replace(photo, orientation=6)), steps.T)


@pytest.mark.parametrize(
    ("orientation", "known", "side"),
    [
        (1, True, 192),
        (6, True, 192),
        *((k, False, 512) for k in (3, 5)),
        *(pytest.param(k, False, 512, marks=pytest.mark.slow) for k in (1, 2, 4, 6, 7, 8)),
    ],
)
def test_a_part_of_a_jpeg_has_its_blocks(orientation: int, known: bool, side: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    levels = (255 * scene(600)[0, 0, :570]).byte().numpy()
    Image.fromarray(levels).convert("RGB").save(buffer, "JPEG", quality=60, exif=exif)
    photo = read(buffer.getvalue())
    part = part_of(photo, DISK, "valid", known=known)
    assert part.pixels.shape[2:] == (side, side)
    jpeg = photo.jpeg
    assert jpeg is not None
    steps = jpeg.tables(photo.pixels)[0]
    # coefficients on the file's own blocks are whole steps; on others they are not
    off = (jpeg.read(part.pixels)[0] / steps - (jpeg.read(part.pixels)[0] / steps).round()).abs()
    assert float(off.mean()) < 0.1
    assert part_of(photo, DISK, "reflect") is photo
    wide = part_of(photo, torch.ones(49, 3), "valid", known=known)
    assert wide.pixels.shape[2:] == (512, 512)


def test_the_part_that_is_tried_is_the_one_with_edges() -> None:
    """A sky tells no camera: of the middle there is next to nothing."""
    sky = torch.full((1, 3, 1200, 640), 0.8)
    sky[:, :, 900:, 100:] = scene(540)[0, :, :300]
    photo = read(sky[0])
    part = part_of(photo, DISK, "valid").pixels
    assert part.shape[2:] == (512, 512) and float(part.var()) > 0.5 * float(
        sky[..., 900:, 100:].var()
    )


@pytest.mark.slow
def test_sharp_files_are_refused_and_blurred_ones_are_not(data_folder: Path) -> None:
    """Photographs with noise, compressed once or twice; the same behind a random walk, in light."""
    camera = Camera(clip=False, bits=16)
    refused: dict[bool, list[bool]] = {True: [], False: []}
    for found in protocol.find_pictures(data_folder, 4):
        x = protocol.load_picture(*found).pixels
        walk = Exposure(Blur(kernels.random_walk(19, 0.5, 3), "valid"), camera)
        sharp, shaken = (simulate(one, Gaussian(0.01), x, Seeds(1)).y for one in (Identity(), walk))
        for qualities in ((93,), (80,), (50,), (60, 93)):
            refused[True].append(_refused(sharp, qualities))
        for qualities in ((93,), (80,)):
            refused[False].append(_refused(shaken, qualities))
    assert sum(refused[True]) >= 0.95 * len(refused[True])
    assert sum(refused[False]) <= 0.1 * len(refused[False])


def _refused(pixels: Tensor, qualities: tuple[int, ...]) -> bool:
    for quality in qualities:
        photo = compressed(pixels, quality)
        pixels = photo.pixels
    try:
        blur_of(photo, parts=False)
    except NotBlurred:
        return True
    return False
