"""Analytic priors against quadrature, dense linear algebra and their own gradients."""

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from operators.base import Operator
from operators.measurement import Measurement
from operators.noise import Gaussian
from priors.analytic import GaussianMixturePrior, GaussianPrior, LinearDecoder
from priors.schedule import CLEAN, VE, VP, Flow, Level, Schedule

DOUBLE = torch.float64
SCHEDULES: list[Schedule] = [VP((0.99, 0.6, 0.2)), VE(0.01, 10.0), Flow()]


@dataclass(frozen=True, eq=False)
class Dense(Operator):
    """y = matrix @ x, shaped (B, 1, 1, m)."""

    matrix: Tensor
    shape: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.matrix.to(x).T)[:, None, None]

    def image_shape(self, y_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (y_shape[0], *self.shape)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def covariance(size: int, seed: int = 0) -> Tensor:
    root = random(size, size, seed=seed)
    return root @ root.T / size + 0.05 * torch.eye(size, dtype=DOUBLE)


def mixture(schedule: Schedule, decoder: LinearDecoder | None = None) -> GaussianMixturePrior:
    weights = torch.tensor([0.2, 0.5, 0.3], dtype=DOUBLE)
    covariances = torch.stack([covariance(3, seed) for seed in range(3)])
    return GaussianMixturePrior(weights, random(3, 3), covariances, schedule, decoder)


def log_marginal(prior: GaussianMixturePrior, x: Tensor, level: Level) -> Tensor:
    """log p(x_t) of the mixture, by torch.distributions."""
    eye = torch.eye(prior.means.shape[1], dtype=DOUBLE)
    each = torch.distributions.MultivariateNormal(
        level.alpha * prior.means, level.alpha**2 * prior.covariances + level.sigma**2 * eye
    )
    choice = torch.distributions.Categorical(prior.weights)
    joint = torch.distributions.MixtureSameFamily(choice, each)
    density: Tensor = joint.log_prob(x)
    return density


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["vp", "ve", "flow"])
@pytest.mark.parametrize("u", [0.05, 0.5, 0.95])
def test_the_denoiser_is_tweedies_formula(schedule: Schedule, u: float) -> None:
    prior, level = mixture(schedule), schedule.at(u)
    x = random(5, 3, seed=9).requires_grad_()
    (score,) = torch.autograd.grad(log_marginal(prior, x, level).sum(), x)
    expected = (x + level.sigma**2 * score) / level.alpha
    torch.testing.assert_close(prior.denoise(x, level), expected.detach().view_as(x))


def test_the_denoiser_is_the_mean_by_quadrature() -> None:
    weights = torch.tensor([0.4, 0.6], dtype=DOUBLE)
    means = torch.tensor([[-1.0], [0.5]], dtype=DOUBLE)
    variances = torch.tensor([[[0.1]], [[0.3]]], dtype=DOUBLE)
    prior = GaussianMixturePrior(weights, means, variances, Flow())
    level, grid = Flow().at(0.6), torch.linspace(-8, 8, 20001, dtype=DOUBLE)
    density = torch.exp(log_marginal(prior, grid[:, None], CLEAN))
    x = torch.tensor(0.2, dtype=DOUBLE)
    joint = density * torch.exp(-((x - level.alpha * grid) ** 2) / (2 * level.sigma**2))
    expected = (grid * joint).sum() / joint.sum()
    found = prior.denoise(x.view(1, 1), level)
    torch.testing.assert_close(found.view(()), expected, rtol=1e-6, atol=1e-8)


def test_a_clean_state_is_left_alone() -> None:
    prior = GaussianPrior(random(4), covariance(4), Flow())
    x = random(2, 4, seed=1)
    torch.testing.assert_close(prior.denoise(x, Level(0, 1, 0, 0)), x)


def test_a_mixture_of_one_is_the_gaussian() -> None:
    one = GaussianPrior(random(3), covariance(3), Flow())
    two = GaussianMixturePrior(
        torch.tensor([0.5, 0.5]), one.means.expand(2, 3), one.covariances.expand(2, 3, 3), Flow()
    )
    x = random(4, 3, seed=2)
    torch.testing.assert_close(two.denoise(x, Flow().at(0.3)), one.denoise(x, Flow().at(0.3)))


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_the_denoiser_keeps_shape_and_dtype_and_differentiates(dtype: torch.dtype) -> None:
    prior = GaussianPrior(random(12), covariance(12), Flow())
    x = random(2, 3, 2, 2, seed=3).to(dtype).requires_grad_()
    x0 = prior.denoise(x, Flow().at(0.4))
    assert (x0.shape, x0.dtype) == (x.shape, dtype)
    torch.autograd.grad(x0.sum(), x)
    if dtype == DOUBLE:
        assert torch.autograd.gradcheck(lambda x: prior.denoise(x, Flow().at(0.4)), x)


def test_the_decoder_and_its_inverse() -> None:
    decoder = LinearDecoder(random(12, 3), random(12, seed=1), (3, 2, 2))
    prior = mixture(Flow(), decoder)
    z = random(5, 3, seed=2)
    image = prior.decode(z)
    assert image.shape == (5, 3, 2, 2)
    torch.testing.assert_close(prior.encode(image), z)
    assert prior.state_shape((5, 3, 2, 2)) == (5, 3)
    # unit: the standard deviation of decoded white noise, its mean over the pixels
    noise = prior.decode(random(200_000, 3, seed=4)) - prior.decode(torch.zeros(1, 3, dtype=DOUBLE))
    assert noise.square().mean().sqrt().item() == pytest.approx(prior.unit, rel=0.01)


def test_the_gaussian_posterior_is_that_of_the_precisions() -> None:
    decoder = LinearDecoder(random(12, 4), random(12, seed=1), (3, 2, 2))
    prior = GaussianPrior(random(4, seed=2), covariance(4), Flow(), decoder)
    operator, y = Dense(random(3, 12, seed=3), (3, 2, 2)), random(2, 1, 1, 3, seed=4)
    mean, spread = prior.posterior(Measurement(y, operator, Gaussian(0.3)))
    seen = operator.matrix @ decoder.matrix
    precision = prior.covariances[0].inverse() + seen.T @ seen / 0.3**2
    shifted = y.flatten(1) - operator.matrix @ decoder.offset
    pull = prior.covariances[0].inverse() @ prior.means[0] + shifted @ seen / 0.3**2
    torch.testing.assert_close(spread, precision.inverse())
    torch.testing.assert_close(mean, pull @ precision.inverse())


def test_the_mixture_posterior_weighs_the_evidence() -> None:
    prior = mixture(Flow())
    operator, y = Dense(random(2, 3, seed=3), (3, 1, 1)), 0.3 * random(1, 1, 1, 2, seed=4)
    weights, means, spreads = prior.components(Measurement(y, operator, Gaussian(0.5)))
    # importance sampling from each component: an independent estimate of the same moments
    evidences = []
    for k in range(3):
        root = torch.linalg.cholesky(prior.covariances[k])
        x = prior.means[k] + random(400_000, 3, seed=k) @ root.T
        likelihood = torch.exp((y.flatten() - x @ operator.matrix.T).square().sum(1) / -0.5)
        evidences.append(likelihood.mean())
        share = likelihood / likelihood.sum()
        mean = share @ x
        torch.testing.assert_close(means[0, k], mean, rtol=0, atol=0.02)
        apart = x - mean
        spread = (share[:, None] * apart).T @ apart
        torch.testing.assert_close(spreads[k], spread, rtol=0, atol=0.02)
    shares = prior.weights * torch.stack(evidences)
    torch.testing.assert_close(weights[0], shares / shares.sum(), rtol=0, atol=0.01)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="covariances"):
        GaussianPrior(random(3), covariance(4), Flow())
    with pytest.raises(ValueError, match="pictures of shape"):
        LinearDecoder(random(12, 3), random(11), (3, 2, 2))
    with pytest.raises(ValueError, match="12 values"):
        GaussianPrior(random(12), covariance(12), Flow()).state_shape((1, 3, 5, 5))
    with pytest.raises(TypeError, match="GaussianPrior reads no text"):
        GaussianPrior(random(3), covariance(3), Flow()).with_text("a cat")


def test_the_unit_of_pixels_is_one() -> None:
    assert GaussianPrior(random(3), covariance(3), Flow()).unit == 1
    assert math.isclose(
        mixture(Flow(), LinearDecoder(0.2 * torch.eye(3), torch.zeros(3), (3, 1, 1))).unit,
        0.2,
        rel_tol=1e-6,
    )
