"""Each parameterization returns the x_0 that its target was made of, on every schedule."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from priors.parameterization import PARAMETERIZATIONS
from priors.schedule import VE, VP, Flow, Level

TARGETS: dict[str, Callable[[Tensor, Tensor, Level], Tensor]] = {
    "epsilon": lambda x0, eps, level: eps,
    "sample": lambda x0, eps, level: x0,
    "v_prediction": lambda x0, eps, level: level.alpha * eps - level.sigma * x0,
    "flow_prediction": lambda x0, eps, level: eps - x0,
}
LEVELS = [VP((0.99, 0.5, 0.1)).at(0.7), VE(0.01, 10.0).at(0.6), Flow(2.0).at(0.4)]


def test_every_parameterization_is_tested() -> None:
    assert TARGETS.keys() == PARAMETERIZATIONS.keys()


@pytest.mark.parametrize("level", LEVELS, ids=["vp", "ve", "flow"])
@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_the_clean_sample_comes_back(name: str, level: Level) -> None:
    generator = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, 2, 3, 5, 7, generator=generator, dtype=torch.float64)
    x = level.alpha * x0 + level.sigma * eps
    output = TARGETS[name](x0, eps, level)
    torch.testing.assert_close(PARAMETERIZATIONS[name](x, output, level), x0)


@pytest.mark.parametrize("name", ["v_prediction", "flow_prediction"])
def test_velocities_are_defined_at_pure_noise(name: str) -> None:
    level = Level(1.0, 0.0, 1.0, 999.0)
    x0, eps = torch.full((1, 3), 0.3), torch.full((1, 3), -1.2)
    output = TARGETS[name](x0, eps, level)
    torch.testing.assert_close(PARAMETERIZATIONS[name](eps, output, level), x0)
