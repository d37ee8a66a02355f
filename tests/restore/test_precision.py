"""The same picture in another precision, and on another device."""

import pytest
import torch
from skimage import data
from torch import Tensor

from operators import Downsample, Gaussian, Measurement, Seeds, simulate
from operators.base import LinearOperator
from restore import Restorer
from restore.device import repeatable
from restore.metrics import psnr


@pytest.fixture(scope="module")
def photo() -> Tensor:
    """Part of a face (1, 3, 96, 96)."""
    pixels = torch.from_numpy(data.astronaut()[60:156, 170:266])
    return pixels.permute(2, 0, 1)[None] / 255


def seen(photo: Tensor) -> Measurement[LinearOperator]:
    return simulate(Downsample(2), Gaussian(0.025), photo, Seeds(0))


def restored(measurement: Measurement[LinearOperator], dtype: str, device: str = "cpu") -> Tensor:
    restorer = Restorer(dtype=dtype, device=device)
    return restorer(measurement.y, measurement.operator, noise=0.025, seed=1).pixels.cpu()


def test_bfloat16_costs_no_quality(photo: Tensor) -> None:
    fine, coarse = (restored(seen(photo), dtype) for dtype in ("float32", "bfloat16"))
    assert not torch.equal(fine, coarse)
    assert float(psnr(coarse, photo)) == pytest.approx(float(psnr(fine, photo)), abs=0.1)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_graphics_card_gives_the_picture_of_the_processor(photo: Tensor, dtype: str) -> None:
    here, there = (restored(seen(photo), dtype, device) for device in ("cpu", "cuda"))
    if dtype == "float32":
        torch.testing.assert_close(there, here, atol=1e-2, rtol=0)
    assert float(psnr(there, photo)) == pytest.approx(float(psnr(here, photo)), abs=0.1)


def test_convolutions_on_a_card_are_repeatable_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    def flags() -> tuple[bool, bool]:
        return torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark

    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    seen = []
    for name in ("cuda", "cpu"):
        with repeatable(torch.device(name)):
            seen.append(flags())
        seen.append(flags())
    assert seen == [(True, False), (False, True), (False, True), (False, True)]
    one, other = (repeatable(torch.device("cuda")) for _ in range(2))
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)  # the first to come goes first
    assert flags() == (True, False)
    other.__exit__(None, None, None)
    assert flags() == (False, True)


@pytest.mark.gpu
def test_a_graphics_card_gives_the_same_bytes_again(photo: Tensor) -> None:
    once, again = (restored(seen(photo), "bfloat16", "cuda") for _ in range(2))
    assert torch.equal(once, again)
