"""What DDNM+ says of range, null space and noise, by hand."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from operators.base import LinearOperator, Shape
from operators.mask import Mask, box_mask
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import Level, Schedule
from restore.bench.exact import errors
from restore.bench.toy import problem, random, sample
from restore.solvers import Solver, State, ddnm
from restore.solvers.base import ancestral, move, start
from tests.solvers.toys import SCHEDULES, Counting, Dense, Mixed, OneStream, picture, pixel_prior

SHAPE = (3, 5, 7)
DOUBLE = torch.float64


class Told(Counting):
    """A prior whose estimate is always the state 0."""

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        return torch.zeros_like(x)


@pytest.mark.parametrize("floor", [0.0, 0.1])
@pytest.mark.parametrize("build", [pixel_prior, Mixed], ids=["pixel", "states"])
@pytest.mark.parametrize("curve", SCHEDULES)
def test_the_noise_of_the_data_and_the_fresh_one_are_the_level(
    build: Callable[[Shape, Schedule], Prior], curve: str, floor: float
) -> None:
    prior, count, shape = Told(build((3, 3, 2), SCHEDULES[curve])), 10_000, (3, 3, 2)
    gains = torch.logspace(-2, 1, 8, dtype=DOUBLE)  # from hardly seen to amplified
    directions = torch.linalg.qr(random(18, 8, seed=0))[0]
    operator = Dense(gains[:, None] * directions.T, shape)
    nothing = prior.decode(torch.zeros(prior.state_shape((1, *shape)), dtype=DOUBLE))
    truth = nothing.expand(count, -1, -1, -1)
    measurement = simulate(operator, Gaussian(0.05), truth, OneStream(0, count))
    levels = {"start_sigma": 0.4, "end_sigma": 0.2}
    state = next(ddnm(measurement, prior, OneStream(1, count), steps=2, floor=floor, **levels))
    expected = prior.schedule.at_ratio(0.2 / prior.unit).sigma
    found = torch.cov(state.x.flatten(1).T) / expected**2
    # 10 000 draws leave 0.014 of a variance; the worst of some hundred is within 4 times that
    torch.testing.assert_close(found, torch.eye(len(found), dtype=DOUBLE), rtol=0, atol=0.056)


def test_without_noise_the_data_decide_the_range_and_the_prior_the_null_space() -> None:
    hidden = box_mask(5, 7, 3, 3)
    operator = Mask(hidden)
    prior = pixel_prior(SHAPE, SCHEDULES["vp"])
    measurement = simulate(operator, Gaussian(0.0), picture(SHAPE, 2), Seeds(0, 1))
    guesses = []

    class Heard(Counting):
        def denoise(self, x: Tensor, level: Level) -> Tensor:
            guesses.append(super().denoise(x, level))
            return guesses[-1]

    *states, _ = ddnm(measurement, Heard(prior), Seeds(2, 3), steps=5, floor=0.0)
    for state, guess in zip(states, guesses, strict=False):
        torch.testing.assert_close(state.x0[..., hidden.view(5, 7)], guess[..., hidden.view(5, 7)])
        seen = state.x0[..., ~hidden.view(5, 7)], measurement.y[..., ~hidden.view(5, 7)]
        torch.testing.assert_close(*seen, rtol=0, atol=2e-3)


@torch.no_grad()
def as_if_new(
    measurement: Measurement[LinearOperator], prior: Prior, seeds: Seeds, *, steps: int = 100
) -> Iterator[State]:
    """The paper's accounts: each step has room for noise of y of its own."""
    levels = prior.schedule.levels(steps)
    x = start(measurement, prior, levels[0], seeds)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0, sigma = prior.denoise(x, t), ancestral(t, s)
        if step < steps:
            kept = math.sqrt(s.sigma**2 - sigma**2)
            small = s.alpha - kept * t.alpha / t.sigma
            weight = (sigma / (small * measurement.sigma)) ** 2
            x0 = measurement.operator.prox(x0, measurement.y, weight)
            x = move(x, x0, t, s, kept, sigma, seeds)
        yield State(step, steps, x if step < steps else x0, x0)


def test_noise_that_is_counted_as_new_is_let_in_by_more_steps() -> None:
    prior, measurement = problem(SCHEDULES["vp"], decoded=False)

    def residual(solver: Solver, steps: int) -> float:
        return errors(prior, measurement, sample(solver, prior, measurement, 2000, steps=steps)).fit

    few, many = residual(as_if_new, 50), residual(as_if_new, 300)
    assert many < 0.5 * few
    assert residual(ddnm, 100) == pytest.approx(residual(ddnm, 30), rel=0.25)
