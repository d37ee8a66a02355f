"""Manifold preserving guidance: one gradient step, its length, its noise and its projection."""

from typing import Any

import pytest
import torch
from torch import Tensor

from operators.base import Identity
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from priors.analytic import GaussianMixturePrior, GaussianPrior
from priors.schedule import Level, Schedule
from restore.bench.exact import errors
from restore.bench.posterior import needs
from restore.bench.toy import SIZE, Dense, draw, problem, sample
from restore.solvers.base import likelihood_score, noise_at
from restore.solvers.conditional import left_open
from restore.solvers.diffpir import falling
from restore.solvers.mpgd import mpgd
from restore.solvers.smooth import first_guess
from tests.solvers.toys import SCHEDULES, Mixed, last, picture

DOUBLE = torch.float64
Start = tuple[list[Level], Tensor]
schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))


def top(prior: GaussianMixturePrior, measurement: Measurement[Dense], steps: int) -> Start:
    """The first levels, and the state that seed 4 gives at the first."""
    levels = falling(prior, steps, 0.4, 0.02)
    return levels, noise_at(first_guess(measurement), prior, levels[0], Seeds(4))


@schedules
def test_the_gradient_step_is_the_best_of_its_direction(schedule: Schedule) -> None:
    prior, measurement = problem(schedule)
    (t, _), x = top(prior, measurement, 1)
    x0 = prior.denoise(x, t)
    found = last(mpgd, measurement, prior, Seeds(4), steps=1, reach=0.3).x0
    step = found - x0
    uphill, _ = likelihood_score(measurement, prior.decode, x0)
    assert torch.cosine_similarity(step, uphill).item() == pytest.approx(1, abs=1e-9)
    # of log p(y | D(z)) - |z - x0|^2 / (2 r^2) along the step nothing is left to climb
    rest, _ = likelihood_score(measurement, prior.decode, found)
    spread = left_open(prior, t, 0.3)
    slope = (step * (rest - step / spread**2)).sum()
    assert abs(slope.item()) < 1e-9 * (step * uphill).sum().item()


@schedules
def test_the_noise_of_a_step_is_that_of_the_prior(schedule: Schedule) -> None:
    prior, measurement = problem(schedule)
    (t, s, _), x = top(prior, measurement, 2)
    eps = (x - t.alpha * prior.denoise(x, t)) / t.sigma
    first = next(mpgd(measurement, prior, Seeds(4), steps=2, eta=0.0))
    torch.testing.assert_close(first.x, s.alpha * first.x0 + s.sigma * eps)


def test_the_network_is_not_differentiated() -> None:
    assert needs(mpgd)["through"] == "D"


@schedules
def test_it_is_exact_where_one_gradient_is(schedule: Schedule) -> None:
    # all directions alike: the gradient leads to E[x0 | x_t, y], and zeta = 1 is Tweedie's step
    shape = (SIZE, 1, 1)
    mean = torch.full((SIZE,), 0.5, dtype=DOUBLE)
    prior = GaussianPrior(mean, 0.04 * torch.eye(SIZE, dtype=DOUBLE), schedule)
    truth = draw(prior, 1, seed=5).view(1, *shape)
    identity = Dense(torch.eye(SIZE, dtype=DOUBLE), shape)
    measurement = simulate(identity, Gaussian(0.1), truth, Seeds(3))
    options: dict[str, Any] = {"steps": 250, "start_sigma": 5.0, "end_sigma": 0.005, "zeta": 1.0}
    x = sample(mpgd, prior, measurement, 4000, reach=0.2, **options)
    found = errors(prior, measurement, x)
    assert found.worst < 4.5
    assert found.shape < 0.1
    assert abs(found.fit - 1) < 0.1


class Narrow(Mixed):
    """States that encode a picture lie in [-1, 1]."""

    def encode(self, image: Tensor) -> Tensor:
        return super().encode(image).clamp(-1, 1)

    def decode(self, x: Tensor) -> Tensor:
        return super().decode(x.clamp(-1, 1))


def test_estimates_are_what_the_encoder_makes_of_pictures() -> None:
    shape = (3, 5, 7)
    bright = Measurement(2 * picture(shape, 2), Identity(), Gaussian(0.05))
    for state in mpgd(bright, Narrow(shape, SCHEDULES["vp"]), Seeds(0, 1), steps=4):
        assert state.x0.abs().max().item() <= 1
    for free in mpgd(bright, Mixed(shape, SCHEDULES["vp"]), Seeds(0, 1), steps=4):
        assert free.x0.abs().max().item() > 1
