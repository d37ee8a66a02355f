"""Does a restored picture explain the photo? Its residual must look like the noise.

    chi^2 = 1/m sum_i (y_i - A(x)_i)^2 / var_i        over the m values that were measured

For the true picture, and for a draw from the exact posterior, chi^2 is 1 +- sqrt(2 / m).
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from operators.base import Operator
from operators.measurement import Measurement
from restore.solvers.base import QUANTISATION

CONSISTENT = "consistent with the photo"
UNEXPLAINED = "does not explain the photo: kernel, noise or mask may be wrong"
OVERFITTED = "follows the noise (over-fitted)"

_DEVIATIONS = 4.0
_SIGMA_TOLERANCE = 0.1


@dataclass(frozen=True)
class Certificate:
    """The verdict for each image of a batch.

    chi_square is the mean squared residual in units of the noise variance; band the values (low,
    high) that are accepted.
    """

    chi_square: list[float]
    band: tuple[float, float]
    accepted: list[bool]
    verdict: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as JSON-able values."""
        return {**asdict(self), "band": list(self.band)}


@torch.no_grad()
def certify(measurement: Measurement[Operator], x: Tensor) -> Certificate:
    """Judge the restored pictures x (B, C, H, W) in [0, 1] against the measurement."""
    clean = measurement.operator(x)
    variance = measurement.noise.variance(clean).clamp(min=QUANTISATION**2)
    measured = _measured(measurement.operator, x)
    squares = (measurement.y - clean).square() / variance
    count = measured.sum()
    chi_square = [float(one) for one in (squares * measured).flatten(1).sum(1) / count]
    spread = _DEVIATIONS * float((2 / count).sqrt())
    band = (0.1, (1 + spread) * (1 + _SIGMA_TOLERANCE) ** 2)
    verdict = [_verdict(value, band) for value in chi_square]
    return Certificate(chi_square, band, [v == CONSISTENT for v in verdict], verdict)


def _verdict(chi_square: float, band: tuple[float, float]) -> str:
    if chi_square < band[0]:
        return OVERFITTED
    return CONSISTENT if chi_square <= band[1] else UNEXPLAINED


def _measured(operator: Operator, x: Tensor) -> Tensor:
    """Tell which values of a measurement depend on the picture: a hole in a mask gives none."""
    generator = torch.Generator().manual_seed(0)
    probe = 0.5 + torch.rand(x.shape[1:], generator=generator) / 2
    response = operator(probe[None].to(x)).abs()
    return (response > 1e-6 * response.max()).to(x)
