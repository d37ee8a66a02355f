"""Pseudoinverse guidance against dense algebra, and where its Gaussian is the right one."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from operators.measurement import Measurement, simulate
from operators.noise import Gaussian, PoissonGaussian
from operators.seeds import Seeds
from priors.analytic import GaussianMixturePrior, GaussianPrior
from priors.schedule import Level, Schedule
from restore import solvers
from restore.bench.exact import errors
from restore.bench.toy import SIGMA, SIZE, Dense, draw, problem, random, sample
from restore.solvers.conditional import conditional
from restore.solvers.mmps import conditional_mean
from restore.solvers.pigdm import guidance, pigdm
from tests.solvers.toys import SCHEDULES

DOUBLE = torch.float64
EYE = torch.eye(SIZE, dtype=DOUBLE)


@pytest.fixture
def precise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conjugate gradients that stop at 1e-6 of the residual, not at 1 %."""
    monkeypatch.setattr("restore.solvers.conditional.TOLERANCE", 1e-6)


LEVELS = {"steps": 400, "start_sigma": 500.0, "end_sigma": 0.005}
schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))


def parts(prior: GaussianMixturePrior, measurement: Measurement[Dense]) -> tuple[Tensor, Tensor]:
    """G, and y without what the decoder's offset makes of it."""
    assert prior.decoder is not None
    matrix = measurement.operator.matrix
    return matrix @ prior.decoder.matrix, measurement.y.flatten(1) - matrix @ prior.decoder.offset


def at(prior: GaussianMixturePrior, t: Level) -> Tensor:
    """A state of that level."""
    return t.alpha * draw(prior, 1, seed=7) + t.sigma * random(1, SIZE, seed=8)


@schedules
@pytest.mark.parametrize("u", [1.0, 0.7, 0.2, 0.02])
@pytest.mark.parametrize("noise", [Gaussian(SIGMA), PoissonGaussian(0.05, 0.02)])
def test_the_guidance_is_that_of_dense_algebra(
    schedule: Schedule, u: float, noise: Gaussian | PoissonGaussian, precise: None
) -> None:
    prior, measurement = problem(schedule)
    measurement = replace(measurement, noise=noise)
    t = schedule.at(u)
    x = at(prior, t)
    mean = prior.denoise(x, t)
    covariance = prior.covariances[0]
    jacobian = t.alpha * torch.linalg.solve(
        t.alpha**2 * covariance + t.sigma**2 * EYE, covariance, left=False
    )
    g, y = parts(prior, measurement)
    variance = 0.3
    seen = measurement.operator(prior.decode(mean))
    spread = variance * g @ g.T + torch.diag(noise.variance(seen).flatten())
    weights = torch.linalg.solve(spread, (y - mean @ g.T).T)
    expected = variance * (jacobian.T @ g.T @ weights).T
    mode = conditional(measurement, prior, Seeds(0), iterations=50)
    found, pull = guidance(prior, mode, x, t, variance**0.5)
    torch.testing.assert_close(found, mean)
    torch.testing.assert_close(pull, expected, rtol=0, atol=1e-4 * expected.abs().max().item())


@schedules
@pytest.mark.parametrize("u", [0.9, 0.5, 0.1])
def test_on_isotropic_priors_it_is_moment_matching_but_for_the_weight(
    schedule: Schedule, u: float, precise: None
) -> None:
    # there V = r^2 I, and the paper's weight is r^2 alpha^2 / sigma^2 <= 1 of Tweedie's
    narrow, measurement = problem(schedule)
    prior = GaussianPrior(narrow.means[0], EYE / 4, schedule, narrow.decoder)
    t = schedule.at(u)
    x = at(prior, t)
    mean = prior.denoise(x, t)
    full = conditional_mean(measurement, prior, x, t, 50) - mean
    precision = (t.alpha / t.sigma) ** 2 + 4
    share = (t.alpha / t.sigma) ** 2 / precision
    mode = conditional(measurement, prior, Seeds(0), iterations=50)
    _, pull = guidance(prior, mode, x, t, precision**-0.5)
    found = t.alpha * pull
    torch.testing.assert_close(found, share * full, rtol=0, atol=1e-4 * full.abs().max().item())


@pytest.mark.parametrize(
    "decoded", [pytest.param(True, marks=pytest.mark.slow), False], ids=["latent", "pixel"]
)
def test_it_is_exact_where_the_prior_leaves_all_open(decoded: bool, precise: None) -> None:
    schedule = SCHEDULES["flow"]
    narrow, measurement = problem(schedule, decoded)
    prior = GaussianPrior(narrow.means[0], 1000 * EYE, schedule, narrow.decoder)
    truth = draw(prior, 1, seed=5).view(prior.state_shape(measurement.image_shape))
    measurement = simulate(measurement.operator, Gaussian(SIGMA), prior.decode(truth), Seeds(3))
    options: dict[str, Any] = {"reach": 1e3, "zeta": 1.0, **LEVELS}
    found = errors(prior, measurement, sample(pigdm, prior, measurement, 4000, **options))
    assert found.worst < 4.5
    assert found.shape < 0.1
    assert abs(found.fit - 1) < 0.1


@pytest.mark.parametrize(
    ("name", "figures"), [("pigdm", (0.13, 1.00, 1.16)), ("mpgd", (0.17, 1.00, 1.13))]
)
def test_the_figures_with_zeta_1_are_the_documented_ones(
    name: str, figures: tuple[float, ...]
) -> None:
    prior, measurement = problem(SCHEDULES["vp"])
    found = errors(prior, measurement, sample(name, prior, measurement, 2000, zeta=1.0))
    assert (found.bias, found.spread, found.fit) == pytest.approx(figures, abs=0.05)
    assert ", ".join(f"{figure:.2f}" for figure in figures) in str(solvers.__doc__)
