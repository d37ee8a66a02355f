"""A stopwatch with a clock that ticks once a look: what is counted, and where."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from operators import Blur, Downsample, Gaussian, Mask, Measurement, kernels, random_mask
from operators.base import LinearOperator
from priors.base import Prior
from priors.linear import Linear
from priors.schedule import Flow
from restore.bench import stopwatch
from restore.bench.methods import Learned
from restore.bench.protocol import Picture, tasks
from restore.bench.speed import STEPS, shares
from restore.bench.stopwatch import (
    AUTOENCODER,
    NETWORK,
    OPERATOR,
    PARTS,
    Stopwatch,
    StopwatchPrior,
    stopwatch_operator,
    watched,
)
from restore.restorer import Restorer
from restore.solvers.space import Seen, space
from tests.bench.test_run import Pixels
from tests.solvers.toys import PRIORS


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The looks at the clock so far."""
    looks: list[int] = []

    def clock(device: torch.device) -> float:
        looks.append(len(looks))
        return float(len(looks))

    monkeypatch.setattr(stopwatch, "clock", clock)
    yield looks


def picture(side: int = 16) -> Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_forward_and_backward_are_added_up(ticks: list[int]) -> None:
    watch = Stopwatch()
    prior = StopwatchPrior(Pixels(), watch)
    level, x = prior.schedule.at(0.5), picture(4)
    assert torch.equal(prior.denoise(x, level), Pixels().denoise(x, level))
    assert watch.seconds == {NETWORK: 1, AUTOENCODER: 0, OPERATOR: 0}
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(prior.denoise(x, level).sum(), x)
    assert watch.seconds[NETWORK] == 3
    (expected,) = torch.autograd.grad(Pixels().denoise(x, level).sum(), x)
    assert torch.equal(gradient, expected)


def test_products_with_a_jacobian_are_added_up_too(ticks: list[int]) -> None:
    from restore.solvers.base import linearised

    watch, x = Stopwatch(), picture()
    blur = stopwatch_operator(Blur(kernels.disk(2)), watch)
    back, push = linearised(blur, x)
    assert watch.seconds[OPERATOR] == 1
    v = picture().flip(-1)
    torch.testing.assert_close(push(v), Blur(kernels.disk(2))(v))
    assert watch.seconds[OPERATOR] == 2
    torch.testing.assert_close(back(v), Blur(kernels.disk(2)).adjoint(v))
    assert watch.seconds[OPERATOR] == 3


def test_so_are_those_in_reverse_twice(ticks: list[int]) -> None:
    watch, x = Stopwatch(), picture().requires_grad_()
    blur = stopwatch_operator(Blur(kernels.disk(2)), watch)
    w = torch.zeros_like(x, requires_grad=True)
    (pulled,) = torch.autograd.grad(blur(x), x, w, create_graph=True)
    # Once forward, once backward with the gradient's own graph.
    assert watch.seconds[OPERATOR] == 2
    v = picture().flip(-1)
    (pushed,) = torch.autograd.grad(pulled, w, v)
    torch.testing.assert_close(pushed, Blur(kernels.disk(2))(v))
    assert watch.seconds[OPERATOR] == 3


def test_a_part_inside_another_is_taken_off_it(ticks: list[int]) -> None:
    watch = Stopwatch()

    def outer(x: Tensor) -> Tensor:
        return watch.timed(AUTOENCODER, lambda z: 2 * z, x)

    watch.timed(OPERATOR, outer, picture())
    # Four looks: outer | inner | outer.
    assert watch.seconds == {NETWORK: 0, AUTOENCODER: 1, OPERATOR: 2}

    def failing(x: Tensor) -> Tensor:
        raise ValueError

    with pytest.raises(ValueError):
        watch.timed(NETWORK, failing, picture())
    watch.timed(OPERATOR, lambda x: x, picture())
    assert watch.seconds == {NETWORK: 1, AUTOENCODER: 1, OPERATOR: 3}


@pytest.mark.parametrize(
    "operator",
    [Blur(kernels.random_walk(9, 0.5, 0)), Downsample(4), Mask(random_mask(16, 16, 0.5, 0))],
    ids=repr,
)
def test_a_watched_operator_is_the_operator(operator: LinearOperator) -> None:
    watch = Stopwatch()
    twin = stopwatch_operator(operator, watch)
    assert isinstance(twin, type(operator)) and repr(twin) == repr(operator)
    x = picture()
    y = operator(x)
    assert torch.equal(twin(x), y)
    assert torch.equal(twin.adjoint(y), operator.adjoint(y))
    assert torch.equal(twin.pinv(y), operator.pinv(y))
    assert torch.equal(twin.prox(x, y, 3.0), operator.prox(x, y, 3.0))
    damping = torch.full((1, 1, 1, 1), 0.1)
    assert torch.equal(twin.gram_solve(y, damping), operator.gram_solve(y, damping))
    approximate = operator.preconditioner(y, damping)(y)
    assert torch.equal(twin.preconditioner(y, damping)(y), approximate)
    assert twin.gram_scale == operator.gram_scale
    assert watch.seconds[OPERATOR] > 0
    moved = Measurement(y, twin, Gaussian(0.1)).to(torch.float32)
    assert torch.equal(moved.operator(x), y)


def test_the_linear_part_and_its_prox_are_watched_for_a_while(ticks: list[int]) -> None:
    watch = Stopwatch()
    prior = PRIORS["linear"]((3, 4, 4), Flow())
    plain = Linear.synthesis, Seen.gram_solve
    measurement = Measurement(picture(4), Mask(random_mask(4, 4, 0.5, 0)), Gaussian(0.1))
    expected = space(measurement, prior).prox(torch.zeros(1, 2, 4, 4), 5.0)
    with watched(watch):
        found = space(measurement, prior).prox(torch.zeros(1, 2, 4, 4), 5.0)
    assert torch.equal(found, expected)
    assert watch.seconds[AUTOENCODER] > 0 and watch.seconds[OPERATOR] > 0
    assert (Linear.synthesis, Seen.gram_solve) == plain


@pytest.mark.parametrize("name", ["daps", "ddnm", "diffpir", "dpir", "dps", "mmps", "psld"])
def test_the_shares_of_solvers_of_every_kind_add_up(name: str) -> None:
    restorer = Restorer(Pixels(), name, device="cpu", steps=3)
    task = tasks(["box"])[0]
    found = shares(Learned(name, restorer), task, Picture("a", "set", 0, picture()), 0.05)
    assert found["steps"] == 3
    assert found["evaluations"] >= 3
    assert sum(found[f"{part}_share"] for part in (*PARTS, "rest")) == pytest.approx(1)
    assert all(-0.01 <= found[f"{part}_share"] <= 1 for part in (*PARTS, "rest"))
    assert 0 <= found["start_seconds"] <= found["seconds"]


def test_no_more_steps_are_timed_than_tell() -> None:
    restorer = Restorer(Pixels(), "dps", device="cpu")
    picture_of = Picture("a", "set", 0, picture(8))
    found = shares(Learned("dps", restorer), tasks(["random"])[0], picture_of, 0.05)
    assert found["steps"] == found["evaluations"] == STEPS


def test_where_a_known_delay_goes() -> None:
    """A network, a decoder and an operator that each work for a known time."""

    def work(x: Tensor, seconds: float) -> Tensor:
        began = stopwatch.clock(x.device)
        while stopwatch.clock(x.device) - began < seconds:
            pass
        return x

    class Slow(Pixels):
        def denoise(self, x: Tensor, level: object) -> Tensor:
            return work(x, 0.02)

        def decode(self, x: Tensor) -> Tensor:
            return work(x, 0.01)

    watch = Stopwatch()
    prior: Prior = StopwatchPrior(Slow(), watch)
    x = prior.decode(prior.denoise(picture(), prior.schedule.at(0.5)))
    assert bool(x.isfinite().all())
    assert watch.seconds[NETWORK] == pytest.approx(0.02, abs=0.005)
    assert watch.seconds[AUTOENCODER] == pytest.approx(0.01, abs=0.005)
    assert watch.seconds[OPERATOR] == 0
