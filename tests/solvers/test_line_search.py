"""The line search along the gradient of the likelihood, against closed forms and SciPy's search."""

from typing import Any

import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.autograd.functional import jacobian

from operators.measurement import Measurement, simulate
from operators.noise import Gaussian, Noise, PoissonGaussian
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import CLEAN, Level, Schedule
from restore.bench.toy import SIGMA, SIZE, Dense, problem, random
from restore.solvers.line_search import AGAIN, LineSearch
from tests.solvers.toys import OPERATORS, PRIORS, SCHEDULES, picture

DOUBLE = torch.float64
schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))


def searched(
    measurement: Measurement[Any], prior: Prior, x: Tensor, level: Level
) -> tuple[Tensor, Tensor, Tensor]:
    """E[x0 | x_t], the gradient d and its length s."""
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        x0 = prior.denoise(x, level)
        seen = measurement.operator(prior.decode(x0))
        likelihood = measurement.noise.log_likelihood(measurement.y, seen)
        push, pull = torch.autograd.grad(likelihood.sum(), (seen, x))
    x0 = x0.detach()
    search = LineSearch(measurement, prior, 3.0)
    scale = search(1, level, CLEAN, x0, seen.detach(), push, pull)
    return x0, pull, scale


@schedules
def test_of_a_single_measurement_it_is_the_posterior_mean(schedule: Schedule) -> None:
    prior, _ = problem(schedule)
    row = random(1, 12, seed=3)
    clean = prior.decode(random(4, SIZE, seed=2))
    operator = Dense(row, (3, 2, 2))
    measurement: Measurement[Any] = simulate(operator, Gaussian(SIGMA), clean, Seeds(0, 1, 2, 3))
    level, x = schedule.at_ratio(0.8), random(4, SIZE, seed=1)
    x0, d, s = searched(measurement, prior, x, level)
    grey = prior.decode(torch.zeros(1, SIZE, dtype=DOUBLE))
    seen = row @ (prior.decode(torch.eye(SIZE, dtype=DOUBLE)) - grey).flatten(1).T
    covariance = jacobian(lambda z: prior.denoise(z, level)[0], x[:1])[:, 0]
    covariance = level.sigma**2 / level.alpha * covariance
    gain = covariance @ seen.T / (seen @ covariance @ seen.T + SIGMA**2)
    exact = x0 + measurement.residual(prior.decode(x0)).flatten(1) @ gain.T
    torch.testing.assert_close(x0 + s * d, exact)


@schedules
@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
@pytest.mark.parametrize("ratio", [0.1, 1.0, 10.0])
def test_it_ends_where_a_search_by_scipy_does(schedule: Schedule, kind: str, ratio: float) -> None:
    prior, measurement = problem(schedule, kind=kind)
    level = schedule.at_ratio(ratio)
    x = level.alpha * random(1, SIZE, seed=1) + level.sigma * random(1, SIZE, seed=2)
    x0, d, s = searched(measurement, prior, x, level)
    covariance = jacobian(lambda z: prior.denoise(z, level)[0], x)[:, 0]
    covariance = level.sigma**2 / level.alpha * covariance
    inner = (d @ torch.linalg.solve(covariance, d[0])).item()

    def cost(length: float) -> float:
        likelihood = measurement.log_likelihood(prior.decode(x0 + length * d)).item()
        return length**2 / 2 * inner - likelihood

    whole = level.sigma**2 / level.alpha
    best = minimize_scalar(cost, bounds=(0, 2 * whole), method="bounded", options={"xatol": 1e-9})
    assert s.item() == pytest.approx(best.x, rel=1e-3)
    assert 0 < s.item() <= whole


@pytest.mark.parametrize("noise", [Gaussian(0.05), PoissonGaussian(0.01, 0.02)])
@pytest.mark.parametrize("kind", OPERATORS)
def test_the_likelihood_rises_for_each_image_alone(kind: str, noise: Noise) -> None:
    operator, shape = OPERATORS[kind]
    prior = PRIORS["latent"](shape, SCHEDULES["vp"])
    measurement: Measurement[Any] = simulate(operator, noise, picture(shape, 2), Seeds(0, 1))
    level = prior.schedule.at_ratio(0.5)
    x = random(*prior.state_shape(measurement.image_shape), seed=1).float()
    x0, pull, scale = searched(measurement, prior, x, level)
    before = measurement.log_likelihood(prior.decode(x0))
    assert bool((measurement.log_likelihood(prior.decode(x0 + scale * pull)) > before).all())
    one = Measurement(measurement.y[1:], operator, noise)
    torch.testing.assert_close(searched(one, prior, x[1:], level)[2], scale[1:], rtol=1e-4, atol=0)


def test_it_searches_again_after_some_steps() -> None:
    prior, measurement = problem(SCHEDULES["vp"])
    level = prior.schedule.at_ratio(1.0)
    search = LineSearch(measurement, prior, 1.0)
    x0 = random(1, SIZE, seed=1)
    seen = measurement.operator(prior.decode(x0))
    push = (measurement.y - seen) / SIGMA**2

    def share(step: int, pull: Tensor) -> float:
        search(step, level, CLEAN, x0, seen, push, pull)
        return float(search.share)

    with torch.enable_grad():
        free = x0.clone().requires_grad_()
        (one,) = torch.autograd.grad(measurement.log_likelihood(prior.decode(free)).sum(), free)
    other = one * torch.arange(1, SIZE + 1)
    first = share(1, one)
    assert all(share(step, other) == first for step in range(2, AGAIN + 1))
    assert share(AGAIN + 1, other) != first


def test_no_gradient_is_no_step() -> None:
    prior, measurement = problem(SCHEDULES["vp"])
    level, x0 = prior.schedule.at_ratio(1.0), random(1, SIZE, seed=1)
    seen = measurement.operator(prior.decode(x0))
    zero = torch.zeros_like(seen)
    search = LineSearch(measurement, prior, 3.0)
    found = search(1, level, level, x0, seen, zero, torch.zeros_like(x0))
    assert found.item() == 0.0


def test_it_goes_on_as_far_as_there_are_levels_to_come() -> None:
    prior, measurement = problem(SCHEDULES["vp"])
    t, s = prior.schedule.at_ratio(1.0), prior.schedule.at_ratio(0.5)
    x0 = random(1, SIZE, seed=1)
    seen = measurement.operator(prior.decode(x0))
    push = (measurement.y - seen) / SIGMA**2
    pull = random(1, SIZE, seed=2)
    pull = pull * (push * (measurement.operator(prior.decode(x0 + pull)) - seen)).sum().sign()

    def length(zeta: float, later: Level) -> float:
        search = LineSearch(measurement, prior, zeta)
        return search(1, t, later, x0, seen, push, pull).item()

    once = length(1.0, s)
    assert once > 0
    assert length(3.0, CLEAN) == pytest.approx(once)
    assert length(3.0, s) == pytest.approx(once * (1 + 2 / 4))
    assert length(3.0, t) == pytest.approx(3 * once)
