"""The blur of files: what JPEG has rounded away is neither blur nor noise."""

import io
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import Tensor

from operators import kernels
from restore.blind import NotBlurred, correlation, estimate_kernel
from restore.blind.seen import Floor, observed_of
from restore.blind.spectrum import halved
from restore.blurred import blur_of
from restore.camera import jpeg_of, part_of, steps_of
from restore.images import Photo, read
from tests.drawings import blurred, scene

DISK, MOTION = kernels.disk(2), kernels.motion(12, 30)


def compressed(pixels: Tensor, quality: int) -> Photo:
    levels = (255 * pixels[0].clamp(0, 1)).round().byte().permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "JPEG", quality=quality)
    return read(buffer.getvalue())


def test_rounding_is_not_taken_for_blur() -> None:
    photo = compressed(blurred(MOTION, channels=3), 85)
    found = blur_of(photo)
    assert found.family == "motion" and correlation(found.kernel, MOTION) > 0.99
    assert correlation(estimate_kernel(photo.pixels).kernel, MOTION) < 0.95


def test_a_sharp_jpeg_is_refused() -> None:
    with pytest.raises(NotBlurred):
        blur_of(compressed(scene().expand(1, 3, -1, -1), 85))


def test_the_steps_of_half_the_size_are_those_of_half_the_frequencies() -> None:
    steps = torch.arange(8)[:, None] + 10 * torch.arange(8.0)
    torch.testing.assert_close(halved(steps), steps.double() / 4)  # both are linear
    photo = compressed(blurred(kernels.gaussian(4), channels=3, side=416), 70)
    grey, floor = photo.pixels.mean(1)[0], Floor.of(photo.pixels, 0.01, steps_of(photo))
    half = torch.nn.functional.avg_pool2d(grey[None, None], 2)[0, 0]
    seen = observed_of(half, floor.halved())
    # at half the size a kernel is half as wide
    evidence = seen.evidence([kernels.gaussian(2), torch.ones(1, 1)]).tolist()
    assert evidence[0] > evidence[1] + 30


def test_the_steps_are_those_of_the_upright_photo() -> None:
    photo = compressed(scene(64).expand(1, 3, -1, -1), 75)
    steps = steps_of(photo)
    assert steps is not None and float(255 * steps[0, 1]) == 6  # 11 at quality 50, halved
    turned = steps_of(replace(photo, orientation=6))
    assert turned is not None and torch.equal(turned, steps.T)
    assert steps_of(replace(photo, format="PNG")) is None


@pytest.mark.parametrize(
    ("orientation", "known", "side"),
    [(1, True, 192), (6, True, 192), *((k, False, 512) for k in range(1, 9))],
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
    jpeg = jpeg_of(photo)
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
