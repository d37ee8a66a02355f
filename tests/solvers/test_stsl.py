"""The second-order Tweedie sampler: its trace and bound against exact ones, DPS as its limit."""

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import jacobian

from operators.base import Operator
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian, Noise, PoissonGaussian
from operators.seeds import Seeds
from priors.analytic import GaussianMixturePrior
from priors.schedule import Level, Schedule
from restore.bench.exact import moments, posterior
from restore.bench.posterior import needs
from restore.bench.toy import SIGMA, SIZE, Dense, problem, random
from restore.solvers.base import noise_at, sensitivity
from restore.solvers.diffpir import falling
from restore.solvers.dps import dps
from restore.solvers.guidance import descent
from restore.solvers.smooth import first_guess
from restore.solvers.stsl import stsl, trace
from tests.solvers.toys import OPERATORS, PRIORS, SCHEDULES, picture

DOUBLE = torch.float64
schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))


class Halves(Seeds):
    """Seeds whose noise is one half everywhere."""

    def normal_like(self, x: Tensor) -> Tensor:
        return torch.full_like(x, 0.5)


def jacobian_at(prior: GaussianMixturePrior, x: Tensor, level: Level) -> Tensor:
    """d x0^ / d x_t at x (1, D), differentiable."""
    dense: Tensor = jacobian(lambda z: prior.denoise(z, level)[0], x, create_graph=True)
    return dense[:, 0]


def between_modes(schedule: Schedule, decoded: bool = True) -> tuple[GaussianMixturePrior, Tensor]:
    """The mixture, and a state where its covariance changes."""
    prior, _ = problem(schedule, decoded, kind="mixture")
    return prior, 0.6 * prior.means[:1] + 0.4 * prior.means[1:2]


@schedules
@pytest.mark.parametrize("ratio", [0.3, 1.0])
def test_the_trace_is_the_exact_one_and_so_is_its_slope(schedule: Schedule, ratio: float) -> None:
    prior, clean = between_modes(schedule)
    level, count = schedule.at_ratio(ratio), 100_000
    x = (level.alpha * clean).requires_grad_()
    exact = jacobian_at(prior, x, level).trace()
    (slope,) = torch.autograd.grad(exact, x)
    with torch.enable_grad():
        many = x.detach().expand(count, -1).clone().requires_grad_()
        each = trace(prior, many, prior.denoise(many, level), level, random(count, SIZE, seed=1))
        (slopes,) = torch.autograd.grad(each.sum(), many)
    assert each.mean().item() == pytest.approx(exact.item(), rel=0.02)
    assert (slopes.mean(0) - slope).norm().item() < 0.05 * slope.norm().item()
    assert slope.norm().item() > 0.1


@schedules
def test_the_covariance_is_the_one_of_the_clean_state(schedule: Schedule) -> None:
    prior, clean = between_modes(schedule, decoded=False)
    level = schedule.at_ratio(0.5)
    shape = (SIZE, 1, 1)
    seen = Measurement(
        clean.view(1, 1, 1, SIZE), Dense(torch.eye(SIZE, dtype=DOUBLE), shape), Gaussian(0.5)
    )
    _, expected = moments(posterior(prior, seen))
    found = level.sigma**2 / level.alpha * jacobian_at(prior, level.alpha * clean, level)
    torch.testing.assert_close(found, expected)


@schedules
@pytest.mark.parametrize("ratio", [0.1, 0.5, 2.0])
def test_the_surrogate_is_below_the_mean_of_the_likelihood(
    schedule: Schedule, ratio: float
) -> None:
    prior, clean = between_modes(schedule)
    _, measurement = problem(schedule, kind="mixture")
    level = schedule.at_ratio(ratio)
    x = level.alpha * clean
    x0, covariance = prior.denoise(x, level), jacobian_at(prior, x, level)
    covariance = level.sigma**2 / level.alpha * covariance
    values, vectors = torch.linalg.eigh(covariance)
    # the mean over draws of any law of that covariance, as A D is affine
    roots = (vectors * (SIZE * values).sqrt()).T
    signs = torch.cat([roots, -roots])
    mean = measurement.log_likelihood(prior.decode(x0)).item()
    many = Measurement(
        measurement.y.expand(2 * SIZE, -1, -1, -1), measurement.operator, measurement.noise
    )
    second = many.log_likelihood(prior.decode(x0 + signs)).mean().item()
    gain = sensitivity(measurement, prior).item()
    surrogate = mean - gain / (2 * SIGMA**2) * covariance.trace().item()
    assert surrogate < second < mean


@schedules
@pytest.mark.parametrize("kind", ["blur", "curve"])
@pytest.mark.parametrize("noise", [Gaussian(0.05), PoissonGaussian(0.01, 0.02)])
def test_without_the_trace_it_is_dps(schedule: Schedule, kind: str, noise: Noise) -> None:
    operator, shape = OPERATORS[kind]
    measurement: Measurement[Operator] = simulate(operator, noise, picture(shape, 2), Seeds(0, 1))
    prior = PRIORS["latent"](shape, schedule)
    ours = stsl(measurement, prior, Seeds(2, 3), steps=5, zeta=1.5, gamma=0.0, eta=0.8)
    theirs = dps(measurement, prior, Seeds(2, 3), steps=5, zeta=1.5, eta=0.8)
    for found, expected in zip(ours, theirs, strict=True):
        assert torch.equal(found.x, expected.x)
        assert torch.equal(found.x0, expected.x0)


@schedules
def test_on_gaussians_it_is_dps(schedule: Schedule) -> None:
    prior, measurement = problem(schedule)
    ours = stsl(measurement, prior, Halves(0), steps=5, gamma=3.0)
    for found, expected in zip(ours, dps(measurement, prior, Halves(0), steps=5), strict=True):
        torch.testing.assert_close(found.x, expected.x)


@schedules
def test_a_step_by_hand(schedule: Schedule) -> None:
    prior, measurement = problem(schedule, kind="mixture")
    t = falling(prior, 3, 0.4, 0.02)[0]
    x = noise_at(first_guess(measurement), prior, t, Seeds(4)).requires_grad_()
    gain, probe = sensitivity(measurement, prior), torch.full_like(x, 0.5)
    x0 = prior.denoise(x, t)
    moved = prior.denoise(x + 0.1 * t.sigma * probe, t)
    along = (probe * (moved - x0)).sum() / (0.1 * t.sigma)
    (bend,) = torch.autograd.grad(along, x, retain_graph=True)
    seen = measurement.operator(prior.decode(x0))
    likelihood = measurement.noise.log_likelihood(measurement.y, seen)
    g, pull = torch.autograd.grad(likelihood.sum(), (x0, x))
    pull = pull - 0.7 * gain / (2 * SIGMA**2) * t.sigma**2 / t.alpha * bend
    expected = x0 + 2 * descent(measurement, seen.detach(), g, pull, t) * pull

    class Then(Seeds):
        """The start of Seeds(4), and probes of one half."""

        first = True

        def normal_like(self, x: Tensor) -> Tensor:
            first, self.first = self.first, False
            return super().normal_like(x) if first else torch.full_like(x, 0.5)

    found = next(stsl(measurement, prior, Then(4), steps=3, gamma=0.7, zeta=2.0))
    torch.testing.assert_close(found.x0, expected.detach())


def test_the_trace_costs_a_second_evaluation() -> None:
    assert needs(stsl, steps=5) == {"evaluations": 10, "operator": "Operator", "through": "UD"}
    assert needs(stsl, steps=5, gamma=0.0)["evaluations"] == 5
