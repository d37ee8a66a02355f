"""Photos that hide that they were compressed: errors of that are no noise, and not fitted."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

import restore
from operators import Blur, Gaussian, Measurement, Seeds, kernels, simulate
from restore.certificate import UNEXPLAINED
from restore.commands.certified import certified
from restore.metrics import psnr
from restore.result import Result
from tests.drawings import scene

KERNEL = kernels.disk(3)


def taken(sigma: float = 0.005) -> tuple[Measurement[Blur], Tensor]:
    """What a scene in grey was seen as, and the scene in its window."""
    x = scene(160).expand(1, 3, -1, -1)
    return simulate(Blur(KERNEL, "valid"), Gaussian(sigma), x, Seeds(0)), x[..., 3:-3, 3:-3]


def levels(pixels: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = (255 * pixels[0].clamp(0, 1)).round().byte().permute(1, 2, 0).numpy()
    return found


def webp(pixels: Tensor) -> NDArray[Any]:
    buffer = io.BytesIO()
    Image.fromarray(levels(pixels)).save(buffer, "WEBP", quality=60)
    return np.asarray(Image.open(buffer).convert("RGB"))  # read-only, as many arrays are


def restored(photo: NDArray[Any], **options: Any) -> Result:
    return restore.deblur(photo, kernel=KERNEL, steps=5, **options)


def test_errors_of_an_unknown_compression_are_allowed_for_and_told() -> None:
    measurement, x = taken()
    photo = webp(measurement.y)
    result = restored(photo)
    allowed = result.report["allowed_noise"]
    fitted = restored(photo, noise=0.0015)
    assert "allowed_noise" not in fitted.report and allowed > 5 * 0.0015
    assert psnr(result.pixels, x) > psnr(fitted.pixels, x) + 3
    # the verdict is that of the photo's own noise: a wrong kernel leaves as much
    assert result.report["certificate"]["verdict"][0].startswith(UNEXPLAINED)
    assert not result.accepted
    assert result.report["evaluations"] == 2 * fitted.report["evaluations"]
    assert f"restored as with a noise of {allowed:.3f}" in certified(result.report)[0]


@pytest.mark.parametrize("noise", [None, 0.02])
def test_a_photo_that_is_explained_is_restored_once(noise: float | None) -> None:
    result = restored(levels(taken(0.02)[0].y), noise=noise)
    assert result.accepted and "allowed_noise" not in result.report


@pytest.mark.slow
def test_a_wrong_kernel_stays_rejected_and_does_less_harm() -> None:
    measurement, x = taken(0.002)
    photo = levels(measurement.y)
    wrong = kernels.disk(4)
    results = [restore.deblur(photo, kernel=wrong, noise=noise) for noise in (None, 0.002)]
    assert not any(result.accepted for result in results)
    errors = [psnr(one.pixels[..., 2:-2, 2:-2], x[..., 2:-2, 2:-2]).item() for one in results]
    assert errors[0] > errors[1] + 1
