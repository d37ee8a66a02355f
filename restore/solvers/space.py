"""Where a prox takes place: in the states if the decoder has a linear part, else in the pictures.

A space has coordinates u, in units of the picture on [0, 1], and sees the measurement from there.

    pictures: u = D(z),      z = E(u),         y = A u            decoder and encoder at every step
    states:   u = unit z,    z = u / unit,     y = A P u + A b    neither; P u + b = D_lin(z)

Where A bends it is linear near a picture only (`operators.linearised`), and `at` moves there.

The prox in the pictures also moves what the encoder then drops. With orthonormal P the estimate
P^T prox(P u) falls short of the data where A mixes what P keeps with what it drops, as single
pixels of a mask do: it has (A A^T + 1 / w)^-1 where the minimum over the states has
(A P P^T A^T + 1 / w)^-1. The latter has no closed form; conjugate gradients solve it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self

import torch
from torch import Tensor

from operators.base import LinearOperator, Shape, Weight
from operators.linearised import Linearisable, linearised
from operators.measurement import Measurement
from priors.base import Prior
from priors.linear import Linear
from restore.solvers.base import deviation


class Space(Protocol):
    """Coordinates u, float (B, ...), in which noise of sigma means sigma in the picture."""

    @property
    def measurement(self) -> Measurement[LinearOperator]:
        """What was observed, as it looks from here."""
        ...

    def at(self, u: Tensor, spread: float | None = None) -> Self:
        """The same space, which sees the measurement from the coordinates u, give or take spread.

        spread is in u, and in the picture.
        """
        ...

    @property
    def unit(self) -> float:
        """What noise of one in the state is in u."""
        ...

    def of(self, image: Tensor) -> Tensor:
        """The coordinates of a picture (B, 3, H, W) on [0, 1]."""
        ...

    def enter(self, z: Tensor) -> Tensor:
        """The coordinates of a clean state."""
        ...

    def leave(self, u: Tensor) -> Tensor:
        """The state at the coordinates."""
        ...

    def prox(self, u: Tensor, weight: Weight, error: Tensor | float = 0.0) -> Tensor:
        """argmin_v weight / 2 |y + error - A(v)|^2 + 1/2 |v - u|^2, as LinearOperator.prox."""
        ...

    def prox_from(self, u: Tensor, weight: Weight, left: Tensor | None) -> tuple[Tensor, Tensor]:
        """prox(u), and what it leaves of the data: a start for the next, with another weight."""
        ...

    def moved(self, n: Tensor, weight: Weight) -> Tensor:
        """What prox(u + n) is more than prox(u): roughly, as is enough for noise of both signs."""
        ...


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures themselves, by the prior's decoder and encoder."""

    measurement: Measurement[LinearOperator]
    prior: Prior
    given: Measurement[Linearisable]

    def at(self, u: Tensor, spread: float | None = None) -> Self:
        """Near the picture u."""
        return replace(self, measurement=linearised(self.given, u, spread))

    @property
    def unit(self) -> float:
        """The prior's."""
        return self.prior.unit

    def of(self, image: Tensor) -> Tensor:
        """The picture."""
        return image

    def enter(self, z: Tensor) -> Tensor:
        """D(z)."""
        return self.prior.decode(z)

    def leave(self, u: Tensor) -> Tensor:
        """E(u)."""
        return self.prior.encode(u)

    def prox(self, u: Tensor, weight: Weight, error: Tensor | float = 0.0) -> Tensor:
        """The operator's own."""
        return self.measurement.operator.prox(u, self.measurement.y + error, weight)

    def prox_from(self, u: Tensor, weight: Weight, left: Tensor | None) -> tuple[Tensor, Tensor]:
        """The operator's own."""
        return self.measurement.operator.prox_from(u, self.measurement.y, weight, left)

    def moved(self, n: Tensor, weight: Weight) -> Tensor:
        """The prox where nothing was seen."""
        return self.measurement.operator.prox(n, torch.zeros_like(self.measurement.y), weight)


@dataclass(frozen=True, eq=False)
class States:
    """The states in units of the picture."""

    measurement: Measurement[LinearOperator]
    prior: Linear
    given: Measurement[Linearisable]

    def at(self, u: Tensor, spread: float | None = None) -> Self:
        """Near the picture D_lin(u / unit)."""
        if self.measurement is self.given:
            return self
        x = self.prior.decode(self.leave(u))
        return replace(self, measurement=linearised(self.given, x, spread))

    @cached_property
    def operator(self) -> LinearOperator:
        """A P."""
        return Seen(self.measurement.operator, self.prior)

    @cached_property
    def y(self) -> Tensor:
        """What A b does not explain."""
        shape = self.prior.state_shape(self.measurement.image_shape)
        offset = self.prior.decode(self.measurement.y.new_zeros(shape))
        return self.measurement.y - self.measurement.operator(offset)

    @property
    def unit(self) -> float:
        """The prior's."""
        return self.prior.unit

    def of(self, image: Tensor) -> Tensor:
        """unit E(x)."""
        return self.prior.unit * self.prior.encode(image)

    def enter(self, z: Tensor) -> Tensor:
        """unit z."""
        return self.prior.unit * z

    def leave(self, u: Tensor) -> Tensor:
        """u / unit."""
        return u / self.prior.unit

    def prox(self, u: Tensor, weight: Weight, error: Tensor | float = 0.0) -> Tensor:
        """The minimum over the states, by conjugate gradients."""
        return self.operator.prox(u, self.y + error, weight)

    def prox_from(self, u: Tensor, weight: Weight, left: Tensor | None) -> tuple[Tensor, Tensor]:
        """As prox; where A bends, what was left near another picture is near enough."""
        return self.operator.prox_from(u, self.y, weight, left)

    def moved(self, n: Tensor, weight: Weight) -> Tensor:
        """The prox where nothing was seen, by fewer of them."""
        rough = Rough(self.measurement.operator, self.prior)
        return rough.prox(n, torch.zeros_like(self.measurement.y), weight)


@dataclass(frozen=True, eq=False)
class Seen(LinearOperator):
    """A P: what `operator` makes of the coordinates u, without the decoder's offset."""

    operator: LinearOperator
    prior: Linear

    def __call__(self, x: Tensor) -> Tensor:
        """A P u."""
        return self.operator(self.prior.synthesis(x / self.prior.unit))

    def image_shape(self, y_shape: Shape) -> Shape:
        """The shape of the states."""
        return self.prior.state_shape(self.operator.image_shape(y_shape))

    def adjoint(self, y: Tensor) -> Tensor:
        """P^T A^T y."""
        return self.prior.synthesis_adjoint(self.operator.adjoint(y)) / self.prior.unit

    def preconditioner(self, r: Tensor, damping: Tensor) -> Callable[[Tensor], Tensor]:
        """The one of A: P keeps nearly all that A sees."""
        return self.operator.preconditioner(r, damping)


class Rough(Seen):
    """A P, whose systems are solved less exactly: four times the tolerance."""

    tolerance = 4 * Seen.tolerance


SPACES = ("states", "linear", "pictures")
FINEST = 0.009
"""Noise of the data below which what states cannot say of a picture (at 41 dB as much as this)
would be fitted as if they could: scratches in an exact photo are then filled 10 dB worse."""


@torch.no_grad()
def space(given: Measurement[Linearisable], prior: Prior, kind: str = "states") -> Space:
    """The space of a kind: the states, the pictures by D_lin ("linear"), or those by D.

    Where the encoder is affine and keeps everything, the prox in the pictures is the same as that
    in the states, in closed form for many operators, and taken; where it is not affine, there is
    no D_lin and D does. So it does, too, where the data are finer than `FINEST`. It sees them as
    they look before anything is known of the picture. ValueError for another kind.
    """
    measurement = linearised(given)
    if kind not in SPACES:
        raise ValueError(f"space: {kind!r} is unknown; one of {', '.join(SPACES)}")
    if kind == "pictures":
        return Pictures(measurement, prior, given)
    try:
        rough = Linear(prior, measurement.y)
    except ValueError:
        return Pictures(measurement, prior, given)
    if kind == "linear" or rough.lossless:
        return Pictures(measurement, rough, given)
    if deviation(measurement) < FINEST:
        return Pictures(measurement, prior, given)
    return States(measurement, rough, given)
