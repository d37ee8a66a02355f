"""Values inside bins, and what rounding takes away: SciPy's truncated normals, drawn Laplacians."""

import math

import pytest
import torch
from scipy.stats import laplace, truncnorm

from operators.bins import ALIKE, FIRM, among, within
from operators.coefficients import Coefficients
from operators.jpeg import Jpeg
from operators.rounding import inside, lost
from operators.seeds import Seeds


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("mean", "spread", "low", "high"),
    [
        (0.3, 2.0, -1.0, 1.0),
        (0.3, 0.1, -5.0, 5.0),  # it says nothing
        (-0.4, 3.0, 0.999, 1.001),  # it says all
        (-7.0, 1.0, -0.5, 0.5),  # the mean is far outside
        (40.0, 2.0, -1.0, 1.0),
        (2.0, 1.0, 1.5, math.inf),
        (2.0, 1.0, -math.inf, math.inf),
    ],
)
def test_normal_values_in_bins_are_truncated_ones(
    mean: float, spread: float, low: float, high: float, precision: torch.dtype
) -> None:
    values = [torch.tensor([one], dtype=precision) for one in (mean, spread, low, high)]
    found, variance = inside(*values)
    known = truncnorm((low - mean) / spread, (high - mean) / spread, mean, spread)
    assert float(found) == pytest.approx(known.mean(), abs=2e-4 * math.sqrt(known.var()) + 1e-6)
    assert float(variance) == pytest.approx(known.var(), rel=2e-3)


@pytest.mark.parametrize("scale", [0.2, 0.7, 3.0])
def test_the_error_of_rounding_is_told_from_the_zeros(scale: float) -> None:
    values = torch.from_numpy(laplace(scale=scale).rvs(20_000, random_state=0))[:, None]
    step = torch.ones(1, dtype=values.dtype)
    rounded = (values / step).round() * step
    assert float(lost(rounded, step)) == pytest.approx(
        float((values - rounded).square().mean()), rel=0.1
    )


def test_where_all_is_zero_nothing_was_lost() -> None:
    assert float(lost(torch.zeros(50, 1), torch.ones(1))) < 0.01 / 12


def test_narrow_bins_say_their_centre_and_wide_ones_nothing() -> None:
    y = Jpeg(50)(0.2 + 0.6 * torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    file = Coefficients(Jpeg(50), 32, 32)
    steps, read = file.steps(y), file.read(y)
    known = (steps > 0).expand_as(read)
    found = read + 0.2 * steps * Seeds(0).normal_like(read).clamp(-2, 2)
    values, variance = within(file, 0.0, y, found, 1.0)
    torch.testing.assert_close(values[known], read[known], atol=2e-3, rtol=0)
    levels = 1 / (12 * 255**2)
    rounding = steps.expand_as(read)[known].square() / 12 + levels
    torch.testing.assert_close(FIRM * variance[known], rounding, rtol=0.01, atol=0)
    _, variance = within(file, 0.0, y, found, 1e-4)
    assert float(variance[known].quantile(0.1)) > 1000 * levels


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_few_levels_make_of_a_picture_the_truncated_normal(noise: float) -> None:
    """The likelihood times N(found, spread) has SciPy's moments; white has no upper end."""
    y = (torch.arange(8.0, dtype=torch.float64) / 7).view(1, 1, 1, 8)
    found, spread, half = y + 0.05 * (-1.0) ** torch.arange(8), 0.08, 0.5 / 7
    sigma = math.hypot(noise, half / math.sqrt(3))
    values, variance = among(3, sigma, y, found, spread)
    variance = variance * ALIKE - noise**2
    supposed = spread**2 + noise**2
    total = 1 / (1 / variance + 1 / supposed)
    mean = total * (values / variance + found / supposed)
    low, high = (y - half).flatten(), (y + half).flatten()
    low[0], high[-1] = -math.inf, math.inf
    about, width = found.flatten(), math.sqrt(supposed)
    known = truncnorm((low - about) / width, (high - about) / width, about, width)
    assert mean.flatten().tolist() == pytest.approx(list(known.mean()), abs=2e-4)
    assert total.flatten().tolist() == pytest.approx(list(known.var()), rel=3e-3)
