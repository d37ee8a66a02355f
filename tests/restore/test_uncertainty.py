"""Intervals and undetermined detail, on draws whose variances are known."""

import math

import pytest
import torch
from torch import Tensor

from operators import Blur, Clip, Downsample, Mask, kernels
from restore import Restorer
from restore.uncertainty import (
    FACTORS,
    FLOOR,
    HOLE_FACTORS,
    REACH,
    holes,
    interval,
    spread,
    summary,
    undetermined,
)

SHAPE = (1, 3, 96, 96)


def noise(seed: int, *sizes: int) -> Tensor:
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


def test_the_spread_is_the_standard_deviation_of_the_draws() -> None:
    draws = 0.5 + 0.1 * noise(0, 8, *SHAPE)
    found = spread(draws)
    # some 50 pixels of 7 degrees of freedom each: 4 % at one place, less in the mean
    assert float(found.square().mean().sqrt()) == pytest.approx(0.1, rel=0.02)
    assert float(found.std()) < 0.008
    assert torch.allclose(spread(draws[:1].expand(3, *SHAPE)), torch.full(SHAPE, FLOOR))


@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.parametrize("level", FACTORS)
def test_an_interval_is_as_wide_as_a_draw_and_the_error_of_the_mean_ask(
    count: int, level: float
) -> None:
    draws = 0.5 + 0.02 * noise(1, count, *SHAPE)
    low, high = interval(draws, level)
    half = FACTORS[level] * math.sqrt(1 + 1 / count) * math.hypot(0.02, FLOOR)
    assert float(((high - low) / 2).mean()) == pytest.approx(half, rel=0.05)
    torch.testing.assert_close((low + high) / 2, draws.mean(0))


def test_the_truth_of_exact_draws_lies_within_more_often_than_said() -> None:
    # the factors are for draws that are too narrow
    draws, truth = 0.5 + 0.03 * noise(2, 8, *SHAPE), 0.5 + 0.03 * noise(3, *SHAPE)
    for level in FACTORS:
        low, high = interval(draws, level)
        assert float(((low <= truth) & (truth <= high)).float().mean()) > level


def test_an_interval_stays_within_the_range() -> None:
    low, high = interval(noise(4, 4, *SHAPE))
    assert float(low.min()) >= 0 and float(high.max()) <= 1


@pytest.mark.parametrize("own", [0.0, 0.05, 0.1, 0.3])
def test_undetermined_is_the_share_of_the_detail_that_each_draw_has_for_itself(own: float) -> None:
    # white detail: what is subtracted with the neighbourhood's mean is the same share of both
    common = 0.1
    draws = 0.5 + common * noise(5, *SHAPE) + own * noise(6, 12, *SHAPE)
    expected = own**2 / (own**2 + common**2)
    assert float(undetermined(draws).mean()) == pytest.approx(expected, abs=0.02)
    assert undetermined(draws).shape == (1, 1, 96, 96)


def test_what_is_flat_in_all_draws_is_not_in_doubt() -> None:
    assert float(undetermined(torch.full((4, *SHAPE), 0.5)).max()) == 0


def test_refusals() -> None:
    draws = noise(7, 2, *SHAPE)
    with pytest.raises(ValueError, match=r"level: got 0\.99"):
        interval(draws, 0.99)
    for function in (spread, undetermined, interval):
        with pytest.raises(ValueError, match="samples"):
            function(draws[:1])


def test_the_result_of_several_samples_tells_both() -> None:
    y = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(8))
    restorer = Restorer(solver="pnpdm", steps=2, inner=1, device="cpu")
    result = restorer(y, Downsample(2), noise=0.02, samples=3)
    low, high = result.interval(0.68)
    assert bool((low <= high).all()) and result.undetermined.shape == (1, 1, 24, 24)
    assert result.report["uncertainty"] == summary(result.samples)
    assert "uncertainty" not in restorer(y, Downsample(2), noise=0.02).report


def test_a_hole_is_what_is_far_from_all_that_was_measured() -> None:
    unknown = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    unknown[..., 8:24, 4:28] = True
    unknown[..., ::3, 30] = True  # single pixels are none
    found = holes(Mask(unknown), torch.rand(1, 3, 32, 32))
    expected = torch.zeros_like(unknown)
    expected[..., 8 + REACH : 24 - REACH, 4 + REACH : 28 - REACH] = True
    assert found is not None and torch.equal(found, expected)


def test_operators_that_see_everything_have_no_holes() -> None:
    for operator, side in ((Downsample(4), 8), (Blur(kernels.disk(3), "valid"), 26)):
        assert holes(operator, torch.zeros(1, 3, side, side)) is None
    assert holes(Clip(), torch.zeros(1, 3, 32, 32)) is None


def test_in_a_hole_the_interval_is_wider() -> None:
    draws = 0.5 + 0.005 * noise(9, 6, *SHAPE)
    hole = torch.zeros(1, 1, 96, 96, dtype=torch.bool)
    hole[..., 30:60, 30:60] = True
    low, high = interval(draws, 0.9, hole)
    plain_low, plain_high = interval(draws, 0.9)
    ratio = (high - low) / (plain_high - plain_low)
    inside = hole.expand_as(ratio)
    torch.testing.assert_close(
        ratio[inside], torch.full_like(ratio[inside], HOLE_FACTORS[0.9] / FACTORS[0.9])
    )
    assert bool((ratio[~inside] == 1).all())


def test_the_result_knows_its_holes() -> None:
    unknown = torch.zeros(1, 1, 24, 24, dtype=torch.bool)
    unknown[..., 4:20, 4:20] = True
    y = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(10)) * ~unknown
    restorer = Restorer(solver="pnpdm", steps=2, inner=1, device="cpu")
    result = restorer(y, Mask(unknown), noise=0.02, samples=2)
    assert result.hole is not None and int(result.hole.sum()) == 8 * 8
    part = result.window(8, 8, 12, 12)
    assert part.hole is not None and part.interval()[0].shape == (1, 3, 12, 12)
    wide, plain = result.interval()[1] - result.interval()[0], interval(result.samples)
    assert float((wide - (plain[1] - plain[0])).max()) > 0
    assert restorer(y, Mask(unknown), noise=0.02).hole is None
