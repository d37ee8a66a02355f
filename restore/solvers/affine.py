"""What a linear operator sees of the states where the decoder is affine: A(D(z)) = G z + offset."""

from dataclasses import dataclass

from torch import Tensor

from operators.base import LinearOperator, conjugate_gradients
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.linear import TOLERANCE, linear
from restore.solvers.base import Function, linearised


@dataclass(frozen=True, eq=False)
class Affine:
    """G (push) and G^T (back) on a batch of states x, and y without the offset."""

    y: Tensor
    push: Function
    back: Function

    def residual(self, x: Tensor, alpha: float) -> Tensor:
        """alpha y - G x."""
        return alpha * self.y - self.push(x)

    def energy(self, x: Tensor, alpha: float, c: float, d: Tensor) -> Tensor:
        """-log N(alpha y; G x, c G G^T + d I) per image (B,), but for the determinant."""
        r = self.residual(x, alpha)
        return (r * self._solve(r, c, d)).flatten(1).sum(1) / 2

    def lift(self, r: Tensor, c: float, d: Tensor) -> Tensor:
        """G^T (c G G^T + d I)^-1 r; d > 0 broadcasts against r."""
        return self.back(self._solve(r, c, d))

    def _solve(self, r: Tensor, c: float, d: Tensor) -> Tensor:
        return conjugate_gradients(
            lambda q: c * self.push(self.back(q)) + d * q, r, tolerance=TOLERANCE / 10
        )


def affine(measurement: Measurement[LinearOperator], prior: Prior, zero: Tensor) -> Affine:
    """G for batches shaped as `zero`, all zeros, by the decoder or, if it has one, its linear part.

    ValueError where A D is not affine: more than 1 % away from its derivative, on noise.
    """
    decode = linear(prior, measurement.y).decode
    offset = measurement.operator(decode(zero))
    back, push = linearised(lambda z: measurement.operator(decode(z)), zero)
    away = Seeds(*range(len(zero))).normal_like(zero)
    seen = measurement.operator(decode(away)) - offset
    error = ((seen - push(away)).norm() / seen.norm()).item()
    if not error <= TOLERANCE:
        raise ValueError(
            f"prior: its decoder is {100 * error:.3g} % from affine; take a solver that goes by "
            "the gradient, such as tds"
        )
    return Affine(measurement.y - offset[: len(measurement.y)], push, back)
