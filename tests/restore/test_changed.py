"""Photos of which weak detail was changed after they had been blurred: strong detail tells how."""

from functools import partial

import cv2
import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

import restore
from operators import Blur, Gaussian, Measurement, Seeds, Uneven, kernels, simulate
from operators.exposure import Camera, Exposure
from restore.bench.files import encoded, levels
from restore.blind import NotBlurred, correlation, estimate_kernel
from restore.blind.changed import UNEVEN, unevenness
from restore.blind.given import DOUBT, likelier
from restore.blind.seen import View
from restore.blurred import blurs_of
from restore.images import read
from restore.misled import CHANGED
from restore.noise_level import estimate_sigma

MOTION = kernels.motion(13, 30)
NOISE = 0.03


def photo(noise: float) -> tuple[Tensor, Tensor]:
    """A cat, and what became of it by motion and noise: (1, 3, H, W), 8 bits."""
    sharp = torch.tensor(data.chelsea()[10:290, 85:365]).permute(2, 0, 1)[None] / 255
    y = Blur(MOTION, "valid")(sharp)
    y = y + noise * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    middle = sharp[..., 6:-6, 6:-6]
    return middle[..., : y.shape[2], : y.shape[3]], (y.clamp(0, 1) * 255).round() / 255


def denoised(y: Tensor) -> Tensor:
    """As a camera leaves it, without most of its noise."""
    pixels = (y[0].permute(1, 2, 0) * 255).byte().numpy()
    clean = cv2.fastNlMeansDenoisingColored(np.ascontiguousarray(pixels), None, 6, 8, 5, 15)
    return torch.tensor(clean).permute(2, 0, 1)[None] / 255


def test_a_photo_without_its_noise_is_told_by_its_strong_detail() -> None:
    found = estimate_kernel(denoised(photo(NOISE)[1]))
    assert found.changed and found.family == "motion"
    assert correlation(found.kernel, MOTION) > 0.98


def test_of_a_photo_with_its_noise_all_detail_tells() -> None:
    found = estimate_kernel(photo(0.01)[1])
    assert not found.changed and found.family == "motion"
    assert correlation(found.kernel, MOTION) > 0.99


@pytest.mark.parametrize("light", [True, False])
def test_noise_is_even_and_what_a_filter_leaves_is_not(light: bool) -> None:
    noisy = photo(NOISE)[1]
    even, uneven = (
        unevenness(View.of(y, None, None, light=light), MOTION) for y in (noisy, denoised(noisy))
    )
    assert 1 < even < UNEVEN < uneven
    small = View.of(noisy[..., :64, :64], None, None, light=light)
    assert unevenness(small, MOTION) == 1


@pytest.mark.parametrize("known", [pytest.param(True, marks=pytest.mark.slow), False])
def test_strong_detail_tells_of_blur_where_all_of_it_looks_sharp(known: bool) -> None:
    """A JPEG is uneven itself: of that nothing is told by how uneven it is."""
    seen = read(encoded(levels(denoised(photo(NOISE)[1])), 90))
    (found,) = blurs_of(seen, [False], parts=False, changed=known)
    assert found.changed and correlation(found.kernel, MOTION) > 0.98


@pytest.mark.parametrize("known", [pytest.param(True, marks=pytest.mark.slow), False])
def test_strong_detail_of_sharp_photos_tells_of_no_blur(known: bool) -> None:
    sharp, _ = photo(NOISE)
    noisy = sharp + 0.02 * torch.randn(sharp.shape, generator=torch.Generator().manual_seed(0))
    seen = read(encoded(levels(denoised(noisy.clamp(0, 1))), 90))
    with pytest.raises(NotBlurred):
        blurs_of(seen, [True], parts=False, changed=known)


def test_a_given_kernel_is_judged_by_strong_detail_where_the_weak_was_changed() -> None:
    y = denoised(photo(NOISE)[1])
    noise = Gaussian(float(estimate_sigma(y)))
    right, wrong = (
        likelier(Measurement(y, Blur(kernel), noise), changed=True)[0]
        for kernel in (MOTION, kernels.motion(17, 30))
    )
    assert right and right.nats < DOUBT
    assert wrong and wrong.far


def test_with_a_given_kernel_the_noise_that_was_removed_is_allowed_for() -> None:
    quick = partial(restore.deblur, solver="dpir", steps=4, camera="none")
    file, noisy = (
        encoded(levels(y[..., 60:220, 60:220])) for y in (denoised(photo(NOISE)[1]), photo(0.01)[1])
    )
    right, wrong = quick(file, kernel=MOTION), quick(file, kernel=kernels.motion(17, 30))
    assert right.report["noise"] == {"model": f"Gaussian(sigma={CHANGED})", "estimated": True}
    assert right.report["changed"] and right.report["certificate"]["accepted"] == [True]
    assert wrong.report["changed"] and wrong.report["certificate"]["accepted"] == [False]
    told = quick(file, kernel=MOTION, noise=0.005)
    kept = quick(noisy, kernel=MOTION)
    assert not told.report["changed"] and not kept.report["changed"] and kept.accepted


@pytest.mark.parametrize("camera", [None, Camera()])
def test_noise_is_allowed_for_where_it_lies(camera: Camera | None) -> None:
    """Where it is said to be even it costs detail, or becomes some."""
    blur = Blur(kernels.disk(2.5), "valid")
    operator = blur if camera is None else Exposure(blur, camera)
    noise = Uneven(0.01, torch.tensor([[[[1.0, 1.0, 5.0], [1.0, 1.0, 5.0]]]]))
    sharp = 0.1 + 0.8 * photo(0.0)[0][..., 60:164, 60:164]
    given = simulate(operator, noise, sharp, Seeds(0))

    def restored(noise: float | Uneven) -> tuple[bool, float]:
        result = restore.restore(given.y, operator, noise=noise, solver="dpir", steps=4)
        return result.accepted, float((result.pixels - sharp).square().mean())

    accepted, error = restored(noise)
    calm, much = restored(noise.sigma)
    assert accepted and not calm
    assert error < much / 2 and error < restored(given.sigma)[1] / 1.2


@pytest.mark.slow
def test_more_than_its_noise_is_allowed_for() -> None:
    sharp, noisy = photo(NOISE)
    changed = denoised(noisy)
    result = restore.deblur(changed, solver="dpir", steps=6)
    assert result.report["blur"]["changed"]
    assert result.report["noise"]["model"] == f"Gaussian(sigma={CHANGED})"
    assert result.report["certificate"]["sigma"] < CHANGED and result.accepted

    def error(pixels: Tensor) -> float:
        return float((pixels - sharp).square().mean())

    plain = restore.deblur(changed, kernel=result.kernel, noise=0.005, solver="dpir", steps=6)
    assert error(result.pixels) < error(changed) / 1.4
    assert error(result.pixels) < error(plain.pixels) / 1.2
