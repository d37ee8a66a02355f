"""What a network predicts, turned into x_0: (x, output, level) -> E[x_0 | x_t = x]."""

from collections.abc import Callable

from torch import Tensor

from priors.schedule import Level

Parameterization = Callable[[Tensor, Tensor, Level], Tensor]


def epsilon(x: Tensor, output: Tensor, level: Level) -> Tensor:
    """The network predicts the noise eps; alpha > 0 (Ho et al. 2020, arXiv:2006.11239)."""
    return (x - level.sigma * output) / level.alpha


def sample(x: Tensor, output: Tensor, level: Level) -> Tensor:
    """The network predicts x_0 itself."""
    return output


def v_prediction(x: Tensor, output: Tensor, level: Level) -> Tensor:
    """The network predicts alpha eps - sigma x_0 (Salimans & Ho 2022, arXiv:2202.00512)."""
    return (level.alpha * x - level.sigma * output) / (level.alpha**2 + level.sigma**2)


def flow(x: Tensor, output: Tensor, level: Level) -> Tensor:
    """The network predicts the velocity eps - x_0 (Lipman et al. 2023, arXiv:2210.02747)."""
    return (x - level.sigma * output) / (level.alpha + level.sigma)


PARAMETERIZATIONS: dict[str, Parameterization] = {
    "epsilon": epsilon,
    "sample": sample,
    "v_prediction": v_prediction,
    "flow_prediction": flow,
}
"""By the prediction_type of a diffusers scheduler."""
