"""Split Gibbs sampling: its law at a fixed rho in closed form, its prior step, a step by hand."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from operators.base import Identity
from operators.measurement import Measurement
from operators.noise import Gaussian
from operators.seeds import Seeds
from priors.analytic import GaussianMixturePrior, GaussianPrior
from priors.schedule import Schedule
from restore import solvers
from restore.bench.exact import Errors, errors
from restore.bench.posterior import needs
from restore.bench.toy import SIZE, OneStream, draw, problem, random, sample
from restore.solvers.pnpdm import denoised, pnpdm
from restore.solvers.smooth import smooth_estimate
from tests.solvers.toys import SCHEDULES, picture, pixel_prior

DOUBLE = torch.float64
EYE = torch.eye(SIZE, dtype=DOUBLE)
REACH = 0.25
"""The spread of the pictures of `problem`, about."""
schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))


def assert_exact(found: Errors) -> None:
    """What 4000 exact draws are."""
    assert found.worst < 4.5
    assert found.shape < 0.1
    assert abs(found.fit - 1) < 0.1


@schedules
@pytest.mark.parametrize("rho", [0.1, 0.2])
def test_at_a_fixed_rho_the_law_is_the_one_of_the_split_posterior(
    schedule: Schedule, rho: float
) -> None:
    # z is drawn of p(y | D(z)) and the prior with noise of rho, x of z and the prior
    prior, measurement = problem(schedule)
    many = replace(measurement, y=measurement.y.expand(4000, -1, -1, -1))
    chain = pnpdm(
        many,
        prior,
        OneStream(1, 4000),
        steps=30,
        inner=20,
        reach=REACH,
        start_sigma=rho,
        end_sigma=rho,
    )
    *_, before, end = chain
    ratio = schedule.at_ratio(rho / prior.unit).ratio
    means, covariance, noise = prior.means[0], prior.covariances[0], ratio**2 * EYE
    wide = GaussianPrior(means, covariance + noise, schedule, prior.decoder)
    assert_exact(errors(wide, measurement, before.x))
    _, of_z, open_z = wide.components(measurement)
    gain = torch.linalg.solve(covariance + noise, covariance, left=False)
    exact = GaussianMixturePrior(
        prior.weights,
        means + (of_z[0] - means) @ gain.T,
        (gain @ open_z[0] @ gain.T + covariance - gain @ covariance)[None],
        schedule,
        prior.decoder,
    )
    silent = replace(measurement, noise=Gaussian(1e6))
    found = errors(exact, silent, end.x)
    assert found.worst < 4.5
    assert found.shape < 0.1


def isotropic(schedule: Schedule, spread: float) -> GaussianPrior:
    """Of that standard deviation in the states, with the decoder of `problem`."""
    narrow, _ = problem(schedule)
    return GaussianPrior(narrow.means[0], spread**2 * EYE, schedule, narrow.decoder)


@schedules
@pytest.mark.parametrize("inner", [1, 2, 5])
def test_of_the_prior_step_nothing_is_lost_but_the_last_draw(
    schedule: Schedule, inner: int
) -> None:
    # where the reach is the prior's, steps are exact: Var[x0 | x_t] - Var[x0 | x_last] is left
    spread = 0.7
    prior, level = isotropic(schedule, spread), schedule.at_ratio(1.2)
    z = random(1, SIZE, seed=4)
    x = (level.alpha * z).expand(4000, -1)
    reach = spread * prior.unit
    found = denoised(x, prior, level, inner, reach, OneStream(0, 4000))
    left = [1 / (1 / spread**2 + 1 / t.ratio**2) for t in schedule.levels(inner, level.u)[:-1]]
    variance = left[0] - left[-1]
    mean = prior.means + left[0] / level.ratio**2 * (z - prior.means)
    error = (variance / 4000) ** 0.5
    assert (found.mean(0) - mean).abs().max().item() <= 4.5 * error + 1e-9
    assert found.var(0).mean().item() == pytest.approx(variance, rel=0.03, abs=1e-12)


@schedules
def test_with_steps_enough_the_prior_step_is_exact_for_any_reach(schedule: Schedule) -> None:
    prior, level = problem(schedule)[0], schedule.at_ratio(1.2)
    clean = draw(prior, 4000)
    x = level.alpha * clean + level.sigma * random(4000, SIZE, seed=3)
    for reach in (0.01, REACH, 10.0):
        found = denoised(x, prior, level, 150, reach, OneStream(0, 4000))
        # x0 drawn anew is of the prior, and as far from the first one as two draws given x_t
        assert (found.T.cov() - prior.covariances[0]).norm() < 0.1 * prior.covariances[0].norm()
        apart = (found - prior.denoise(x, level)).square().mean()
        open_ = (clean - prior.denoise(x, level)).square().mean()
        assert (apart / open_).item() == pytest.approx(1, abs=0.05)


class Halves(Seeds):
    """Seeds whose noise is one half everywhere."""

    def normal_like(self, x: Tensor) -> Tensor:
        return torch.full_like(x, 0.5)


@schedules
def test_two_steps_by_hand(schedule: Schedule) -> None:
    prior, sigma = pixel_prior((3, 5, 7), schedule), 0.1
    measurement = Measurement(picture((3, 5, 7), 1).double(), Identity(), Gaussian(sigma))
    states = pnpdm(measurement, prior, Halves(0), steps=2, inner=1, start_sigma=0.3, end_sigma=0.1)
    x = smooth_estimate(measurement)
    for rho in (0.3, 0.1):
        precision = 1 / rho**2 + 1 / sigma**2
        z = ((x + rho / 2) / rho**2 + (measurement.y + sigma / 2) / sigma**2) / precision
        level = schedule.at_ratio(rho)
        x = prior.denoise(level.alpha * z, level)
        state = next(states)
        torch.testing.assert_close(state.x0, x)
        torch.testing.assert_close(state.x, x if rho == 0.1 else z)


def test_the_network_is_not_differentiated() -> None:
    found = needs(pnpdm)
    assert (found["evaluations"], found["through"]) == (80, "D")


def test_the_figures_of_many_steps_are_the_documented_ones() -> None:
    prior, measurement = problem(SCHEDULES["vp"])
    x = sample("pnpdm", prior, measurement, 4000, steps=100, reach=REACH)
    found = errors(prior, measurement, x)
    figures = (0.03, 0.99, 1.02)
    assert (found.bias, found.spread, found.fit) == pytest.approx(figures, abs=0.03)
    assert ", ".join(f"{figure:.2f}" for figure in figures) in str(solvers.__doc__)
