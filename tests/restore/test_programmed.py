"""Photos that a program blurred, with no noise but the rounding: all their detail tells how."""

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from skimage import data

import restore
from operators import Jpeg, kernels
from operators.exposure import Camera
from restore.bench.files import encoded
from restore.blind import Blind, correlation
from restore.guessed import _exact
from restore.images import read
from restore.metrics import psnr
from restore.misled import EXACT

KERNEL = kernels.disk(3)
QUICK: dict[str, Any] = {"solver": "dpir", "steps": 6, "device": "cpu"}


def test_it_is_restored_as_by_the_true_kernel() -> None:
    sharp = np.ascontiguousarray(data.chelsea()[76:204, 120:248])
    soft = cv2.filter2D(sharp, -1, KERNEL.numpy(), borderType=cv2.BORDER_REFLECT)
    photo = encoded(np.asarray(soft, np.uint8))
    truth = read(sharp).pixels
    result = restore.deblur(photo, **QUICK)
    assert result.kernel is not None and correlation(result.kernel, KERNEL) > 0.9995
    blur = result.report["blur"]
    assert (blur["family"], blur["light"], blur["changed"]) == ("disk", False, False)
    assert result.report["noise"]["model"] == f"Gaussian(sigma={EXACT})" and result.accepted
    known, wrong = (restore.deblur(photo, kernel=k, **QUICK) for k in (KERNEL, kernels.disk(3.1)))
    verdicts = [one.report["certificate"]["accepted"] for one in (known, wrong)]
    assert verdicts == [[True], [False]]
    inside = (..., slice(8, -8), slice(8, -8))
    before, after, best = (
        float(psnr(pixels[inside], truth[inside]))
        for pixels in (read(photo).pixels, result.pixels, known.pixels)
    )
    assert after > before + 5 and after > best - 1
    assert not known.report["changed"]


def told(gain: float, exact: float = 50.0) -> dict[str, Any]:
    return {"evidence": {"disk": gain}, "exact": exact}


@pytest.mark.parametrize(
    ("nats", "left", "light"),
    [
        ((105.0, 100.0), (0.5, 0.6), False),  # of like evidence values, as programs blur
        ((105.0, 100.0), (0.5, 9.0), True),
        ((120.0, 100.0), (0.6, 0.5), True),
        ((120.0, 100.0), (9.0, 1.2), False),
        ((105.0, 100.0), (9.0, 9.0), None),  # there is more than the rounding
    ],
)
def test_light_and_values_are_told_apart(
    nats: tuple[float, float], left: tuple[float, float], light: bool | None
) -> None:
    camera = Camera()
    found = [
        Blind(KERNEL, "disk", {}, 0.001, 0.9, told(gain), light=of_light)
        for gain, of_light in zip(nats, (True, False), strict=True)
    ]

    def run(guess: Any, noise: float, *, trial: bool) -> Any:
        assert (noise, trial) == (EXACT, True)
        chi = left[0 if guess.camera else 1]
        return SimpleNamespace(
            report={"certificate": {"chi_square": [chi]}}, accepted=chi < 1.3, pixels=torch.zeros(1)
        )

    trial: Any = run
    plan = _exact(found, {camera: None, None: None}, trial)
    assert (plan and plan.guess.camera is camera) is light
    unlike = Blind(KERNEL, "disk", {}, 0.001, 0.9, told(100.0, exact=5.0))
    narrow = Blind(kernels.disk(2), "disk", {}, 0.001, 0.9, told(100.0))
    assert all(_exact([one], {None: None}, trial) is None for one in (unlike, narrow))
    assert _exact(found, {Camera(jpeg=Jpeg(90)): 0.001, None: None}, trial) is None
