"""The ODE's figures of a photo against the closed form of independent values."""

import math

import pytest
from torch import Tensor

from operators import Seeds, kernels
from operators.blur import Blur
from restore.bench import ode
from tests.bench.test_prior import SCHEDULE, Pixels, picture


def test_bits_of_a_photo_and_of_its_blur() -> None:
    """-log2 p of the pictures on 256 levels: N(1/2, variance), noise of the lowest level added."""
    variance = 0.01
    prior = Pixels(variance)
    x = picture(side=40)
    found = ode.figures(prior, x, Seeds(0))
    spread = 256 * math.sqrt(variance + (prior.unit * SCHEDULE.at_ratio(0.0).ratio) ** 2)

    def bits(image: Tensor) -> float:
        score = (256 * (image - 0.5) / spread).square().mean().item()
        return math.log2(spread * math.sqrt(2 * math.pi)) + score / (2 * math.log(2))

    blurred = Blur(kernels.gaussian(ode.BLUR), "reflect")(x)
    # The schedule ends with alpha = 0.07, taken for 0; the probe is exact where values are apart.
    assert found["bits"] == pytest.approx(bits(x), abs=0.02)
    assert found["bits_blurred"] == pytest.approx(bits(blurred), abs=0.02)
    assert found["bits"] - found["bits_blurred"] > 0.5
    assert found["round_trip"] > 40
    again = ode.figures(prior, x, Seeds(0))
    assert again == found


def test_only_the_middle_counts() -> None:
    prior = Pixels(0.01)
    x = picture(side=ode.SIDE + 20)
    inner = x[:, :, 10:-10, 10:-10]
    assert ode.figures(prior, x, Seeds(0)) == ode.figures(prior, inner, Seeds(0))
