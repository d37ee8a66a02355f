"""The control for LPIPS: as far from the mean as the default in every picture, and of no use."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from operators import Blur, kernels
from operators.measurement import simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from restore import solvers
from restore.bench.grain import grain
from restore.bench.toy import last
from restore.bench.white import white
from restore.solvers.tradeoff import tradeoff

OPERATOR = Blur(kernels.gaussian(1.0))
TRUTH = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
Solver = Callable[..., Any]


def picture(solver: Solver, **options: Any) -> Tensor:
    measurement = simulate(OPERATOR, Gaussian(0.05), TRUTH, Seeds(7, 8))
    x0: Tensor = last(solver, measurement, white(), Seeds(3, 4), **options).x0
    return x0


def test_it_brings_as_much_as_the_draw_does_and_nothing_of_the_photo() -> None:
    mean = picture(tradeoff, fidelity=1.0)
    drawn, noise = picture(tradeoff) - mean, picture(grain) - mean
    assert noise.square().mean((1, 2, 3)).tolist() == pytest.approx(
        drawn.square().mean((1, 2, 3)).tolist(), rel=0.05
    )
    left = TRUTH - mean
    correlation = (noise * left).mean() / (noise.std() * left.std())
    assert abs(float(correlation)) < 0.03  # 24,576 values: 0.006 is one standard deviation
    power = torch.fft.rfft2(noise).abs().square().mean((0, 1))
    assert 0.8 < float(power[:16, 1:16].mean() / power[16:32, 16:32].mean()) < 1.25


@pytest.mark.parametrize("options", [{"fidelity": 1.0}, {"steps": 4}])
def test_without_a_draw_there_is_no_grain(options: dict[str, Any]) -> None:
    assert torch.equal(picture(grain, **options), picture(tradeoff, **options))


def test_it_is_named_as_any_solver() -> None:
    assert solvers.get("restore.bench.grain:grain") is grain
