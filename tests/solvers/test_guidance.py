"""The step along the gradient of the likelihood, against closed forms and MMPS."""

from typing import Any

import pytest
import torch
from torch.autograd.functional import jacobian

from operators.measurement import Measurement, simulate
from operators.noise import Gaussian, Noise, PoissonGaussian
from operators.seeds import Seeds
from priors.schedule import Schedule
from restore.bench.toy import SIGMA, SIZE, Dense, problem, random
from restore.solvers.guidance import descent, guided
from restore.solvers.mmps import conditional_mean
from tests.solvers.toys import OPERATORS, PRIORS, SCHEDULES, picture

DOUBLE = torch.float64
schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))


@schedules
def test_of_a_single_measurement_it_is_the_posterior_mean(schedule: Schedule) -> None:
    prior, _ = problem(schedule)
    row = random(1, 12, seed=3)
    clean = prior.decode(random(4, SIZE, seed=2))
    operator = Dense(row, (3, 2, 2))
    measurement: Measurement[Any] = simulate(operator, Gaussian(SIGMA), clean, Seeds(0, 1, 2, 3))
    level, x = schedule.at_ratio(0.8), random(4, SIZE, seed=1)
    x0, step = guided(measurement, prior, x, level)
    grey = prior.decode(torch.zeros(1, SIZE, dtype=DOUBLE))
    seen = row @ (prior.decode(torch.eye(SIZE, dtype=DOUBLE)) - grey).flatten(1).T
    covariance = jacobian(lambda z: prior.denoise(z, level)[0], x[:1])[:, 0]
    covariance = level.sigma**2 / level.alpha * covariance
    gain = covariance @ seen.T / (seen @ covariance @ seen.T + SIGMA**2)
    exact = x0 + measurement.residual(prior.decode(x0)).flatten(1) @ gain.T
    torch.testing.assert_close(x0 + step, exact)


@schedules
@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
@pytest.mark.parametrize("ratio", [0.1, 1.0, 10.0])
def test_it_is_the_first_iteration_of_mmps(schedule: Schedule, kind: str, ratio: float) -> None:
    prior, measurement = problem(schedule, kind=kind)
    level = schedule.at_ratio(ratio)
    x = level.alpha * random(1, SIZE, seed=1) + level.sigma * random(1, SIZE, seed=2)
    x0, step = guided(measurement, prior, x, level)
    torch.testing.assert_close(x0 + step, conditional_mean(measurement, prior, x, level, 1))


@pytest.mark.parametrize("noise", [Gaussian(0.05), PoissonGaussian(0.002, 0.04)])
@pytest.mark.parametrize("kind", OPERATORS)
def test_the_likelihood_rises_for_each_image_alone(kind: str, noise: Noise) -> None:
    operator, shape = OPERATORS[kind]
    prior = PRIORS["latent"](shape, SCHEDULES["vp"])
    measurement: Measurement[Any] = simulate(operator, noise, picture(shape, 2), Seeds(0, 1))
    level = prior.schedule.at_ratio(0.5)
    grey = prior.encode(torch.full(measurement.image_shape, 0.5))
    x = level.alpha * grey + level.sigma * random(*grey.shape, seed=1).float()
    x0, step = guided(measurement, prior, x, level)
    before = measurement.log_likelihood(prior.decode(x0))
    assert bool((measurement.log_likelihood(prior.decode(x0 + step)) > before).all())
    one = Measurement(measurement.y[1:], operator, noise)
    torch.testing.assert_close(guided(one, prior, x[1:], level)[1], step[1:], rtol=1e-4, atol=1e-5)


def test_what_else_holds_it_is_one_more_measurement() -> None:
    """A glue |x0^ - a|^2 / b^2 is a measurement of x0^ with a noise of b."""
    prior, measurement = problem(SCHEDULES["vp"], decoded=False)
    level, held, width = prior.schedule.at_ratio(1.0), random(1, SIZE, seed=4), 0.3
    x = random(1, SIZE, seed=1)
    with torch.enable_grad():
        x = x.requires_grad_()
        x0 = prior.denoise(x, level)
        seen = measurement.operator(prior.decode(x0))
        glue = ((x0 - held) / width).square().flatten(1).sum(1)
        objective = measurement.log_likelihood(prior.decode(x0)) - glue / 2
        g, d = torch.autograd.grad(objective.sum(), (x0, x))
    found = descent(measurement, seen.detach(), g, d, level, glue.detach())
    both = Dense(
        torch.cat([measurement.operator.matrix, SIGMA / width * torch.eye(SIZE, dtype=DOUBLE)]),
        (SIZE, 1, 1),
    )
    y = torch.cat([measurement.y.flatten(1), SIGMA / width * held], 1)[:, None, None]
    joint: Measurement[Any] = Measurement(y, both, Gaussian(SIGMA))
    torch.testing.assert_close(found * d, guided(joint, prior, x, level)[1])


def test_no_gradient_is_no_step() -> None:
    prior, measurement = problem(SCHEDULES["vp"])
    level, x0 = prior.schedule.at_ratio(1.0), random(1, SIZE, seed=1)
    zero = torch.zeros_like(x0)
    exact = Measurement(measurement.operator(prior.decode(x0)), measurement.operator, Gaussian(0.1))
    assert descent(exact, exact.y, zero, zero, level).item() == 0.0
