"""Free kernels refined with the shipped prior."""

from dataclasses import replace

import pytest
import torch
from skimage import data
from torch import Tensor

from operators import Blur, kernels
from priors import Prior, load
from restore import deblur
from restore.blind import Blind, correlation
from restore.blind.refined import ALIKE, STEPS, TURNS, refined

KERNEL = kernels.random_walk(13, 0.5, 4)


@pytest.fixture(scope="module")
def prior() -> Prior:
    return load("embedded")


def photo() -> Tensor:
    """A face, blurred, in noise of 0.01."""
    pixels = torch.from_numpy(data.astronaut()[:140, 150:290]).permute(2, 0, 1)[None] / 255
    clean = Blur(KERNEL, "valid")(pixels)
    return clean + 0.01 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))


def start(kernel: Tensor) -> Blind:
    report = {"window": (0, 0, 128, 128), "reduction": 1, "evidence": {}}
    return Blind(kernel, "free", {}, 0.01, 0.5, report)


def test_a_kernel_that_is_near_comes_nearer(prior: Prior) -> None:
    # as an estimate from edges would be: blurred itself, and off where it is thin
    rough = Blur(kernels.gaussian(1.0), "reflect")(KERNEL.expand(1, 3, -1, -1))[0, 0]
    found = refined(start(rough / rough.sum()), photo(), prior)
    before, after = correlation(rough, KERNEL), correlation(found.kernel, KERNEL)
    assert after > before + 0.03
    assert found.kernel.ndim == 2 and all(side % 2 for side in found.kernel.shape)
    assert float(found.kernel.min()) >= 0
    assert float(found.kernel.sum()) == pytest.approx(1, abs=1e-5)
    assert found.report["refined"] == {"turns": TURNS, "evaluations": TURNS * STEPS}


@pytest.mark.slow
def test_the_same_photo_gives_the_same_kernel(prior: Prior) -> None:
    once, again = (refined(start(KERNEL), photo(), prior, turns=1).kernel for _ in range(2))
    assert torch.equal(once, again)
    assert correlation(once, KERNEL) > 0.9


def test_what_is_no_free_kernel_at_full_size_stays(prior: Prior) -> None:
    found = start(KERNEL)
    for other in (
        replace(found, family="disk"),
        replace(found, report={**found.report, "reduction": 2}),
    ):
        assert refined(other, photo(), prior) is other


def test_a_kernel_that_would_run_away_stays(prior: Prior) -> None:
    wrong = start(kernels.motion(25, 90))
    found = refined(wrong, photo(), prior, turns=1)
    assert found is wrong or correlation(found.kernel, wrong.kernel) >= ALIKE


@pytest.mark.slow
def test_deblurring_without_a_kernel_uses_it() -> None:
    result = deblur(photo()[0], steps=2)
    assert "refined" in result.report["blur"] and result.kernel is not None
    assert correlation(result.kernel, KERNEL) > 0.8
