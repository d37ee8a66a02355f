"""Samples against the exact posterior of a Gaussian prior with a linear decoder.

States have 6 dimensions, pictures 12 values, of which 5 mixtures are measured. The denoiser is
exact, so what is left is what the solver does. The table of the biased ones stands in
`restore.solvers`, where users read it, and is checked here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from operators.measurement import Measurement, simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from priors.analytic import GaussianPrior, LinearDecoder
from priors.base import Prior
from priors.schedule import Level, Schedule
from restore import solvers
from tests.solvers.toys import SCHEDULES, Counting, Dense, OneStream, draw, last

SIZE, SHAPE = 6, (3, 2, 2)
DOUBLE = torch.float64


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def problem(schedule: Schedule, decoded: bool = True) -> tuple[GaussianPrior, Measurement[Dense]]:
    """A prior and one measurement; the decoder is an isometry times 0.5, or there is none."""
    root = random(SIZE, SIZE, seed=1) / SIZE**0.5
    covariance = root @ root.T + 0.05 * torch.eye(SIZE, dtype=DOUBLE)
    basis = torch.linalg.qr(random(12, SIZE, seed=0))[0]
    decoder = LinearDecoder(0.5 * basis, torch.full((12,), 0.5, dtype=DOUBLE), SHAPE)
    mean = 0.5 * random(SIZE, seed=2)
    prior = GaussianPrior(mean, covariance, schedule, decoder if decoded else None)
    values, shape = (12, SHAPE) if decoded else (SIZE, (SIZE, 1, 1))
    operator = Dense(random(5, values, seed=4) / 12**0.5, shape)
    truth = prior.decode(draw(prior, 1, seed=5).view(prior.state_shape((1, *shape))))
    return prior, simulate(operator, Gaussian(0.1), truth, Seeds(3))


@dataclass(frozen=True)
class Errors:
    """Of samples (N, D) against the posterior N(mean, covariance), and of their residuals.

    worst: largest |error of the mean| in standard errors; bias: error of the mean in posterior
    standard deviations, spread: standard deviation over the posterior's, both the root mean square
    over whitened directions; shape: relative Frobenius error of the covariance; fit: mean squared
    residual over its expectation.
    """

    worst: float
    bias: float
    spread: float
    shape: float
    fit: float


def errors(prior: GaussianPrior, measurement: Measurement[Dense], x: Tensor) -> Errors:
    mean, covariance = prior.posterior(measurement)
    flat = x.flatten(1)
    apart, centred = flat.mean(0) - mean[0], flat - flat.mean(0)
    found = centred.T @ centred / max(len(x) - 1, 1)
    root = torch.linalg.cholesky(covariance)
    whiten = torch.linalg.inv(root)
    residual = measurement.residual(prior.decode(x)).flatten(1)
    exact = mean + random(20_000, SIZE, seed=9) @ root.T
    expected = measurement.residual(prior.decode(exact.view(-1, *x.shape[1:]))).flatten(1)
    return Errors(
        worst=(apart / (found.diagonal() / len(x)).sqrt().clamp(min=1e-12)).abs().max().item(),
        bias=(whiten @ apart).square().mean().sqrt().item(),
        spread=(whiten @ found @ whiten.T).diagonal().mean().sqrt().item(),
        shape=(torch.linalg.matrix_norm(found - covariance) / covariance.norm()).item(),
        fit=(residual.square().sum(1).mean() / expected.square().sum(1).mean()).item(),
    )


class Many(OneStream):
    """One stream for any number of images."""

    def __len__(self) -> int:
        return self.count

    def __init__(self, seed: int, count: int) -> None:
        super().__init__(seed)
        self.count = count


def sample(
    name: str, prior: Prior, measurement: Measurement[Dense], count: int, **options: Any
) -> Tensor:
    repeated = replace(measurement, y=measurement.y.expand(count, -1, -1, -1))
    return last(solvers.get(name), repeated, prior, Many(0, count), **options).x


def assert_exact(found: Errors) -> None:
    """Mean within 4.5 standard errors; covariance and residual within 10 %, of which the finite
    number of steps takes 3 to 6 and the number of samples 2."""
    assert found.worst < 4.5
    assert found.shape < 0.1
    assert abs(found.fit - 1) < 0.1


EXACT: dict[str, Any] = {"count": 4000, "steps": 250, "iterations": 5}


@pytest.mark.parametrize("decoded", [True, False], ids=["latent", "pixel"])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
def test_moment_matching_samples_the_posterior(schedule: Schedule, decoded: bool) -> None:
    prior, measurement = problem(schedule, decoded)
    assert_exact(errors(prior, measurement, sample("mmps", prior, measurement, **EXACT)))


TABLE = {
    name: tuple(map(float, numbers))
    for name, *numbers in (
        line.split()[:4]
        for line in (solvers.__doc__ or "").splitlines()
        if line.strip().split(" ")[0] in solvers.names() and len(line.split()) >= 4
    )
}
QUICK: dict[str, dict[str, Any]] = {
    "dps": {"steps": 200},
    "mmps": {"steps": 200, "iterations": 5},
    "psld": {"count": 1000, "steps": 200},
}


@pytest.mark.parametrize("name", solvers.names())
def test_the_bias_is_the_documented_one(name: str) -> None:
    prior, measurement = problem(SCHEDULES["vp"])
    options = {"count": 2000, **QUICK.get(name, {})}
    found = errors(prior, measurement, sample(name, prior, measurement, **options))
    bias, spread, fit = TABLE[name]
    # the table has one or two digits; 2000 samples leave 0.02 of the mean and the spread
    assert found.bias == pytest.approx(bias, abs=0.05)
    assert found.spread == pytest.approx(spread, abs=0.06)
    assert found.fit == pytest.approx(fit, rel=0.1, abs=0.05)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
def test_half_quadratic_splitting_converges_to_the_mode(schedule: Schedule) -> None:
    # slow annealing minimises |y - A x|^2 / (2 sigma^2) - log p(x), but for the gap between the two
    # halves, which goes with the square of the last level
    prior, _ = problem(schedule, decoded=False)
    rows = torch.linalg.qr(random(SIZE, SIZE, seed=7))[0][:5]  # of one norm: one speed
    truth = draw(prior, 1, seed=5).view(1, SIZE, 1, 1)
    measurement = simulate(Dense(rows, (SIZE, 1, 1)), Gaussian(0.1), truth, Seeds(3))
    options = {"steps": 500, "lambda_": 1.0, "zeta": 0, "start_sigma": 0.5, "end_sigma": 0.02}
    x = sample("dpir", prior, measurement, 1, **options)
    assert errors(prior, measurement, x).bias < 0.02


def test_decoupled_annealing_is_nearly_exact_where_its_gaussian_is() -> None:
    # an isotropic prior has covariance r^2 I given x_t, which is what the method assumes
    schedule = SCHEDULES["flow"]
    narrow, _ = problem(schedule)
    identity = torch.eye(SIZE, dtype=DOUBLE)
    assert narrow.decoder is not None
    prior = GaussianPrior(narrow.means[0], 10 * identity, schedule, narrow.decoder)
    operator = Dense(random(5, 12, seed=4) / 12**0.5, SHAPE)
    truth = prior.decode(draw(prior, 1, seed=5))
    measurement = simulate(operator, Gaussian(0.1), truth, Seeds(3))
    options = {"steps": 40, "temperature": 1.0, "reach": 10**0.5 * prior.unit}
    assert_exact(errors(prior, measurement, sample("daps", prior, measurement, 4000, **options)))


def test_the_likelihood_of_psld_is_deterministic() -> None:
    # with eta = 0 nothing but the start is drawn: the paper's code draws the prediction again
    prior, measurement = problem(SCHEDULES["vp"])
    seeds, draws = OneStream(0), 0

    class Watched(OneStream):
        def normal_like(self, x: Tensor) -> Tensor:
            nonlocal draws
            draws += 1
            return seeds.normal_like(x)

    last(solvers.psld, measurement, prior, Watched(0), steps=5, eta=0.0)
    assert draws == 1


class Planted(Counting):
    """A prior with a bug: its estimate passes through `change(x, x0, level)`."""

    def __init__(self, inner: Prior, change: Callable[[Tensor, Tensor, Level], Tensor]) -> None:
        super().__init__(inner)
        self.change = change

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        return self.change(x, super().denoise(x, level), level)


def tweedie_with_the_variance(x: Tensor, x0: Tensor, level: Level) -> Tensor:
    """x0 from (1 - alpha^2) eps in place of sqrt(1 - alpha^2) eps."""
    eps = (x - level.alpha * x0) / level.sigma
    return (x - level.sigma**2 * eps) / level.alpha


class Quiet(Many):
    """Noise divided by the square root of two."""

    def normal_like(self, x: Tensor) -> Tensor:
        return super().normal_like(x) / 2**0.5


def shifted(prior: GaussianPrior) -> GaussianPrior:
    """The same prior, whose decoder lost its offset."""
    assert prior.decoder is not None
    decoder = replace(prior.decoder, offset=torch.zeros(12, dtype=DOUBLE))
    return GaussianPrior(prior.means[0], prior.covariances[0], prior.schedule, decoder)


Bug = Callable[[GaussianPrior, Measurement[Dense]], tuple[Prior, Measurement[Dense], type[Many]]]
BUGS: dict[str, Bug] = {
    "none": lambda prior, m: (prior, m, Many),
    "tweedie factor": lambda prior, m: (Planted(prior, tweedie_with_the_variance), m, Many),
    "jacobian halved": lambda prior, m: (
        Planted(prior, lambda x, x0, level: (x0 + x0.detach()) / 2), m, Many
    ),
    "sigma halved": lambda prior, m: (prior, replace(m, noise=Gaussian(0.05)), Many),
    "y ignored": lambda prior, m: (prior, replace(m, noise=Gaussian(1e3)), Many),
    "noise too small": lambda prior, m: (prior, m, Quiet),
    "offset missing": lambda prior, m: (shifted(prior), m, Many),
}  # fmt: skip


@pytest.mark.parametrize("name", BUGS)
def test_planted_bugs_are_found(name: str) -> None:
    prior, measurement = problem(SCHEDULES["vp"])
    buggy, wrong, stream = BUGS[name](prior, measurement)
    repeated = replace(wrong, y=wrong.y.expand(2000, -1, -1, -1))
    state = last(solvers.mmps, repeated, buggy, stream(0, 2000), steps=200, iterations=5)
    found = errors(prior, measurement, state.x)
    if name == "none":
        assert_exact(found)
    else:
        with pytest.raises(AssertionError):
            assert_exact(found)
