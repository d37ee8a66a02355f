"""Half-quadratic splitting: noise of both signs, and where its levels begin."""

import pytest
import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.blur import Blur
from operators.kernels import disk, motion
from operators.mask import Mask
from operators.measurement import Measurement
from operators.noise import Gaussian
from operators.resize import Downsample
from operators.seeds import Seeds
from restore.bench.toy import last, problem
from restore.preparation import CountedPrior, padding
from restore.solvers.dpir import QUICK, dpir
from restore.solvers.smooth import has_holes
from tests.solvers.toys import SCHEDULES, picture, pixel_prior

VP = SCHEDULES["vp"]
SIDE = 64


def lost(top: int, left: int, bottom: int, right: int) -> Mask:
    """Unknown from top, left to bottom, right."""
    unknown = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    unknown[top:bottom, left:right] = True
    return Mask(unknown)


SCATTERED = Mask(torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(0)) < 0.9)


def test_noise_of_both_signs_leaves_nothing_where_the_denoiser_is_affine() -> None:
    prior, measurement = problem(VP, kind="gaussian")
    one, other = (last(dpir, measurement, prior, Seeds(seed)).x0 for seed in (1, 2))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-3)
    one, other = (last(dpir, measurement, prior, Seeds(seed), **QUICK).x0 for seed in (1, 2))
    assert float((one - other).abs().max()) > 0.01


def test_without_noise_there_is_one_evaluation_a_step() -> None:
    prior, measurement = problem(VP)
    for options in ({"zeta": 0.0}, {"antithetic": False}):
        counted = CountedPrior(prior)
        last(dpir, measurement, counted, Seeds(0), steps=3, **options)
        assert counted.evaluations == 3


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (lost(20, 20, 40, 40), True),
        (lost(0, 20, 30, 50), True),
        (lost(20, 20, 42, 42) @ Blur(disk(2)), True),
        (lost(20, 20, 21, 40), True),
        (SCATTERED, True),
        (lost(0, 0, 20, SIDE), False),
        (Downsample(8), False),
        (Blur(disk(3)), False),
    ],
)
def test_holes_are_what_is_told_of_around(operator: LinearOperator, expected: bool) -> None:
    y = operator(torch.ones(1, 3, SIDE, SIDE))
    assert has_holes(Measurement(y, operator, Gaussian(0.1))) is expected


@pytest.mark.parametrize("kernel", [motion(41, 45.0), disk(15)])
def test_what_pads_a_blurred_picture_is_no_hole(kernel: Tensor) -> None:
    y = torch.ones(1, 3, 91, 120)
    blur = Blur(kernel, "valid")
    frame = padding(blur.image_shape(y.shape), 32)
    assert frame is not None
    assert not has_holes(Measurement(y, blur @ frame, Gaussian(0.1)))


@pytest.mark.parametrize("hole", [True, False])
def test_the_first_level_is_low_where_there_are_holes(hole: bool) -> None:
    shape = (1, 22, 22)
    counted = CountedPrior(pixel_prior(shape, VP))
    unknown = torch.zeros(22, 22, dtype=torch.bool)
    unknown[2:20, 2:20] = hole
    x = picture(shape, 1)
    next(dpir(Measurement(x, Mask(unknown), Gaussian(0.01)), counted, Seeds(0)))
    assert counted.level is not None
    found = counted.level.ratio * counted.unit
    assert found == pytest.approx(0.2 if hole else 0.8, rel=1e-3)
