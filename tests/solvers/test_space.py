"""The prox in the states, against dense algebra and against the prox in the pictures."""

import pytest
import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.blur import Blur
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from operators.testing import check_operator
from priors.linear import Linear
from restore.solvers import dpir
from restore.solvers.space import Pictures, Seen, States, space
from tests.solvers.toys import KERNEL, SCHEDULES, Counting, Dense, Mixed, last, picture, pixel_prior

SHAPE = (3, 5, 7)
DOUBLE = torch.float64


def prior() -> Mixed:
    return Mixed(SHAPE, SCHEDULES["vp"])


def observed(operator: LinearOperator) -> Measurement[LinearOperator]:
    return simulate(operator, Gaussian(0.05), picture(SHAPE, 2).double(), Seeds(0, 1))


def dense(rows: int) -> Dense:
    matrix = torch.randn(rows, 105, generator=torch.Generator().manual_seed(2), dtype=DOUBLE)
    return Dense(matrix / 105**0.5, SHAPE)


def test_the_prox_in_the_states_is_the_minimum_over_the_states() -> None:
    measurement = observed(dense(20))
    found = space(measurement, prior())
    assert isinstance(found, States)
    z = torch.randn(2, 2, 5, 7, generator=torch.Generator().manual_seed(3), dtype=DOUBLE)
    u = found.enter(z)
    weight = 3.0
    v = found.prox(u, weight).requires_grad_()
    rough = Linear(prior(), measurement.y)
    decoded = rough.decode(found.leave(v))
    energy = weight / 2 * measurement.residual(decoded).square().sum() + (v - u).square().sum() / 2
    (slope,) = torch.autograd.grad(energy, v)
    # conjugate gradients stop at epsilon^(1/4) of the residual
    before = weight * measurement.residual(rough.decode(z)).norm()
    assert (slope.norm() / before).item() < 2e-4
    # which the prox in the pictures is not, as this operator mixes what is kept with the rest
    other = space(measurement, prior(), "linear")
    apart = found.enter(other.leave(other.prox(other.enter(z), weight))) - v
    assert apart.norm().item() > 0.1 * (v - u).norm().item()


def test_both_agree_where_the_operator_and_the_projection_commute() -> None:
    # a blur acts on every colour alike, the projection on the colours of every pixel alike
    measurement = observed(Blur(KERNEL, "circular"))
    states, pictures = (space(measurement, prior(), kind) for kind in ("states", "linear"))
    z = torch.randn(2, 2, 5, 7, generator=torch.Generator().manual_seed(3), dtype=DOUBLE)
    ends = [s.leave(s.prox(s.enter(z), 40.0)) for s in (states, pictures)]
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-3, atol=1e-3)
    image = picture(SHAPE, 2).double()
    torch.testing.assert_close(states.leave(states.of(image)), prior().encode(image))


def test_what_the_states_see_obeys_the_laws_of_operators() -> None:
    rough = Linear(prior(), torch.zeros(1, dtype=DOUBLE))
    check_operator(Seen(Blur(KERNEL), rough), (1, 2, 5, 7))


def test_pictures_where_states_say_everything_or_the_encoder_bends() -> None:
    measurement = observed(Blur(KERNEL, "circular"))
    whole = pixel_prior(SHAPE, SCHEDULES["vp"])
    assert isinstance(space(measurement, whole), Pictures)
    forced = space(measurement, prior(), "pictures")
    assert isinstance(forced, Pictures)
    with pytest.raises(ValueError, match="'latent' is unknown; one of states, linear, pictures"):
        space(measurement, prior(), "latent")


class Decoding(Counting):
    """Counts the calls of the decoder too."""

    decodings = 0

    def decode(self, x: Tensor) -> Tensor:
        self.decodings += 1
        return super().decode(x)


@pytest.mark.parametrize(("kind", "decodings"), [("states", 0), ("linear", 0), ("pictures", 3)])
def test_the_decoder_waits_for_the_last_picture(kind: str, decodings: int) -> None:
    counted = Decoding(prior())
    last(dpir, observed(dense(20)), counted, Seeds(0, 1), steps=4, prox_in=kind)
    assert counted.decodings == decodings
    assert counted.evaluations == 8


def test_data_finer_than_the_states_are_not_fitted_by_them() -> None:
    x = picture((3, 5, 7), 1)
    prior = Mixed((3, 5, 7), SCHEDULES["vp"])
    kinds = []
    for sigma in (0.02, 0.001):
        measurement = simulate(Blur(KERNEL), Gaussian(sigma), x, Seeds(0))
        kinds.append(type(space(measurement, prior)))
    assert kinds == [States, Pictures]


class Applied(Dense):
    """Counts how often it is applied."""

    def __call__(self, x: Tensor) -> Tensor:
        self.calls.append(1)
        return super().__call__(x)

    @property
    def calls(self) -> list[int]:
        calls: list[int] = self.__dict__.setdefault("_calls", [])
        return calls


@pytest.mark.parametrize("kind", ["states", "pictures"])
def test_a_prox_that_begins_at_the_last_is_the_same_for_less(kind: str) -> None:
    plain = dense(40)
    operator = Applied(plain.matrix, SHAPE)
    where = space(observed(operator), prior(), kind)
    u = where.of(picture(SHAPE, 2).double())
    left = where.prox_from(u, 40.0, None)[1]
    nearby, ends, calls = u + 1e-4 * torch.sin(u), [], []
    for start in (None, left):
        operator.calls.clear()
        ends.append(where.prox_from(nearby, 40.0, start)[0])
        calls.append(len(operator.calls))
    torch.testing.assert_close(ends[1], ends[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(ends[0], where.prox(nearby, 40.0))
    assert calls[1] < calls[0]


@pytest.mark.parametrize("kind", ["states", "linear", "pictures"])
def test_what_noise_moves_a_prox_by(kind: str) -> None:
    where = space(observed(dense(40)), prior(), kind)
    u = where.of(picture(SHAPE, 2).double())
    n = 0.3 * Seeds(5, 6).normal_like(u)
    expected = where.prox(u + n, 40.0) - where.prox(u, 40.0)
    torch.testing.assert_close(where.moved(n, 40.0), expected, rtol=0, atol=1e-3)
