"""RED-diff: its fixed point in closed form, steps of Adam by hand, its levels."""

import pytest
import torch
from torch import Tensor

from operators.blur import Blur
from operators.measurement import simulate
from operators.noise import Gaussian, PoissonGaussian
from operators.seeds import Seeds
from priors.analytic import GaussianPrior
from priors.schedule import Schedule
from restore.bench.posterior import needs
from restore.bench.toy import SIGMA, SIZE, problem
from restore.solvers.base import likelihood_score
from restore.solvers.diffpir import falling
from restore.solvers.reddiff import reddiff
from restore.solvers.smooth import smooth_estimate
from tests.solvers.toys import KERNEL, SCHEDULES, last, latent_prior, picture

EYE = torch.eye(SIZE, dtype=torch.float64)
schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))


class Silent(Seeds):
    """Seeds that draw zeros."""

    def normal_like(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


@schedules
@pytest.mark.parametrize("level", [SIGMA / 2, SIGMA, 2 * SIGMA])
def test_the_fixed_point_is_the_mean_of_a_posterior(schedule: Schedule, level: float) -> None:
    # mu - x0^ = rho^2 (C + rho^2 I)^-1 (mu - mean): at lambda = (sigma / level)^2 the slope is
    # sigma^2 times that of the posterior whose prior has the noise of the level in it
    prior, measurement = problem(schedule)
    lambda_ = (SIGMA / level) ** 2
    options = {"lambda_": lambda_, "start_sigma": level, "end_sigma": level, "rate": 0.02}
    found = last(reddiff, measurement, prior, Silent(0), steps=400, **options)
    t = schedule.at_ratio(level / prior.unit)
    covariance = prior.covariances[0] + t.ratio**2 * EYE
    wide = GaussianPrior(prior.means[0], covariance, schedule, prior.decoder)
    _, mean, _ = wide.components(measurement)
    torch.testing.assert_close(found.x, mean[0], rtol=0, atol=1e-6)


@schedules
@pytest.mark.parametrize("noise", [Gaussian(0.1), PoissonGaussian(0.01, 0.05)])
def test_steps_by_hand(schedule: Schedule, noise: Gaussian | PoissonGaussian) -> None:
    operator, shape = Blur(KERNEL), (3, 5, 7)
    prior = latent_prior(shape, schedule)
    measurement = simulate(operator, noise, picture(shape, 2).double(), Seeds(0, 1))
    states = reddiff(measurement, prior, Seeds(2, 3), steps=4, lambda_=0.5, rate=0.02)
    end_sigma = measurement.sigma
    seeds, mu = Seeds(2, 3), prior.encode(smooth_estimate(measurement))
    first, second = torch.zeros_like(mu), torch.zeros_like(mu)
    for step, t in enumerate(falling(prior, 4, 0.4, end_sigma)[:-1], start=1):
        n = seeds.normal_like(mu)
        x = t.alpha * mu + t.sigma * n
        x0 = prior.denoise(x, t)
        eps = (x - t.alpha * x0) / t.sigma
        score, _ = likelihood_score(measurement, prior.decode, mu)
        weight = 0.5 * prior.unit**2 * t.sigma / t.alpha
        slope = weight * (eps - n) - measurement.sigma**2 * score
        first = 0.9 * first + 0.1 * slope
        second = 0.99 * second + 0.01 * slope**2
        root = (second / (1 - 0.99**step)).sqrt() + 1e-8
        mu = mu - 0.02 / prior.unit * first / (1 - 0.9**step) / root
        state = next(states)
        torch.testing.assert_close(state.x0, mu)
        assert torch.equal(state.x, state.x0)


def test_the_last_level_is_the_noise_of_the_measurement_or_a_little() -> None:
    prior, measurement = problem(SCHEDULES["vp"])
    for sigma, end in ((0.1, 0.1), (0.7, 0.7), (0.001, 0.02)):
        noisy = simulate(
            measurement.operator,
            Gaussian(sigma),
            torch.full((1, 3, 2, 2), 0.5, dtype=EYE.dtype),
            Seeds(0),
        )
        expected = last(reddiff, noisy, prior, Seeds(1), steps=5, end_sigma=end).x
        assert torch.equal(last(reddiff, noisy, prior, Seeds(1), steps=5).x, expected)


@pytest.mark.parametrize("options", [{"end_sigma": -1.0}, {"end_sigma": 0.0}])
def test_levels_that_are_none_are_refused(options: dict[str, float]) -> None:
    prior, measurement = problem(SCHEDULES["vp"])
    with pytest.raises(ValueError, match="start_sigma >= end_sigma > 0"):
        last(reddiff, measurement, prior, Seeds(1), **options)


def test_the_network_is_not_differentiated() -> None:
    assert needs(reddiff)["through"] == "D"
