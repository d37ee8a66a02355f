"""Intervals and undetermined detail, on draws whose variances are known."""

import math

import pytest
import torch
from torch import Tensor

from operators import Downsample
from restore import Restorer
from restore.uncertainty import FACTORS, FLOOR, interval, spread, summary, undetermined

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
