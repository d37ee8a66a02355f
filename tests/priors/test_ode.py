"""The probability-flow ODE against closed forms: maps, densities, orders of convergence."""

import math
from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from scipy.linalg import hadamard
from torch import Tensor

from operators.seeds import Seeds
from priors import encode_noise, log_likelihood, picture_bits, sample, state_bits
from priors.analytic import GaussianMixturePrior, GaussianPrior, LinearDecoder
from priors.ode import from_noise, to_noise
from priors.pixel import PixelPrior
from priors.schedule import VE, VP, Flow, Level, Schedule
from tests.priors.networks import unet
from tests.priors.test_analytic import covariance, log_marginal, mixture, random
from tests.solvers.toys import cosine

ZERO = VP((*cosine().alphas_cumprod[:-1], 0.0))
"""The cosine chain that ends in noise alone."""
SCHEDULES: dict[str, Schedule] = {
    "vp": cosine(),
    "zero-terminal": ZERO,
    "coarse": VP((0.9, 0.5, 0.1, 0.0)),  # whose lowest level has noise that counts
    "ve": VE(0.002, 1e5),
    "flow": Flow(),
    "flow-shifted": Flow(3.0),
}
EACH = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
STEPS = 100


class Orthogonal:
    """In place of Seeds: the rows of a Hadamard matrix, whose mean estimate is the trace itself."""

    def __init__(self, size: int) -> None:
        self.rows: Iterator[Tensor] = iter(torch.from_numpy(hadamard(size)))

    def uniform_like(self, x: Tensor) -> Tensor:
        signs: Tensor = next(self.rows).view_as(x[0]).expand_as(x)
        return (signs > 0).to(x)


def gaussian(size: int, schedule: Schedule, decoder: LinearDecoder | None = None) -> GaussianPrior:
    return GaussianPrior(random(size, seed=7), covariance(size, seed=8), schedule, decoder)


def ends(schedule: Schedule) -> tuple[Level, Level]:
    return schedule.at_ratio(0.0), schedule.at(1.0)


def density(prior: GaussianMixturePrior, x: Tensor) -> Tensor:
    """log p of x + r eps, r the ratio of the lowest level, by torch.distributions."""
    low = prior.schedule.at_ratio(0.0)
    return log_marginal(prior, low.alpha * x, low) + x.shape[1] * math.log(low.alpha)


def transported(prior: GaussianPrior, x: Tensor) -> Tensor:
    """The noise of x: along each axis of the covariance the ODE keeps the standard score."""
    values, vectors = torch.linalg.eigh(prior.covariances[0])
    mean = prior.means[0]

    def spread(level: Level) -> Tensor:
        root: Tensor = (level.alpha**2 * values + level.sigma**2).sqrt()
        return root

    low, high = ends(prior.schedule)
    scores = low.alpha * (x - mean) @ vectors / spread(low)
    noise: Tensor = high.alpha * mean + (scores * spread(high)) @ vectors.T
    return noise / math.hypot(high.alpha, high.sigma)


@EACH
def test_a_gaussian_is_carried_to_its_noise_and_back(schedule: Schedule) -> None:
    prior = gaussian(4, schedule)
    x = prior.means[0] + random(3, 4, seed=1)
    noise = transported(prior, x)
    # The error of Heun's method in 100 steps; it falls as their square.
    torch.testing.assert_close(to_noise(prior, x, STEPS), noise, rtol=0, atol=3e-3)
    torch.testing.assert_close(from_noise(prior, noise, STEPS), x, rtol=0, atol=3e-3)


@pytest.mark.parametrize("schedule", [cosine(), Flow()], ids=["vp", "flow"])
def test_the_order_is_two_and_that_of_a_round_trip_three(schedule: Schedule) -> None:
    """There and back the leading error cancels: it is even in the direction of the step."""
    prior = mixture(schedule)
    x = random(6, 3, seed=2)
    noises = [to_noise(prior, x, steps) for steps in (50, 100, 200)]
    trips = [
        (from_noise(prior, noise, steps) - x).norm().item()
        for noise, steps in zip(noises, (50, 100, 200), strict=True)
    ]
    halved = [(fine - coarse).norm().item() for coarse, fine in pairwise(noises)]
    assert halved[0] / halved[1] == pytest.approx(4, rel=0.2)
    assert [coarse / fine for coarse, fine in pairwise(trips)] == pytest.approx([8, 8], rel=0.3)


@EACH
@pytest.mark.parametrize("size", [1, 2, 8])
def test_the_likelihood_is_that_of_the_gaussian(schedule: Schedule, size: int) -> None:
    prior = gaussian(size, schedule)
    x = prior.means[0] + random(5, size, seed=3)
    found = log_likelihood(prior, x, Orthogonal(size), steps=STEPS, probes=size)
    assert found.shape == (5,)
    torch.testing.assert_close(found, density(prior, x), rtol=0, atol=5e-3 * size)
    if schedule.at_ratio(0.0).ratio > 0.01:
        return
    # and, as the lowest noise is small, that of the clean states
    clean = torch.distributions.MultivariateNormal(prior.means[0], prior.covariances[0])
    torch.testing.assert_close(found, clean.log_prob(x), rtol=0, atol=1e-2 * size)


@EACH
def test_the_likelihood_is_that_of_the_mixture(schedule: Schedule) -> None:
    one = mixture(schedule)
    prior = GaussianMixturePrior(  # in four dimensions, one value apart, for Hadamard's vectors
        one.weights,
        torch.cat([one.means, torch.zeros(3, 1)], 1),
        torch.stack([torch.block_diag(c, torch.ones(1, 1)) for c in one.covariances]),
        schedule,
    )
    x = random(6, 4, seed=4)
    found = log_likelihood(prior, x, Orthogonal(4), steps=STEPS, probes=4)
    torch.testing.assert_close(found, density(prior, x), rtol=0, atol=2e-2)


@pytest.mark.parametrize("schedule", [ZERO, Flow()], ids=["vp", "flow"])
def test_one_probe_sees_the_quadratic_form(schedule: Schedule) -> None:
    """The integrated Jacobian of a Gaussian is the logarithm of the ratio of its spreads."""
    prior = gaussian(8, schedule)
    x = prior.means[0] + random(4, 8, seed=5)
    values, vectors = torch.linalg.eigh(prior.covariances[0])
    low, high = ends(schedule)
    scale = math.hypot(low.alpha, low.sigma)
    grown = [(level.alpha**2 * values + level.sigma**2).sqrt() for level in (low, high)]
    logarithm = vectors @ torch.diag((grown[1] / grown[0] * scale).log()) @ vectors.T
    e = 2 * (Seeds(1, 2, 3, 4).uniform_like(x) >= 0.5).double() - 1
    assert len(set(map(tuple, e.tolist()))) > 1  # a probe of its own for each image
    apart = (e @ logarithm * e).sum(1) - logarithm.trace()
    found = log_likelihood(prior, x, Seeds(1, 2, 3, 4), steps=STEPS)
    torch.testing.assert_close(found, density(prior, x) + apart, rtol=0, atol=2e-2)


def test_more_probes_are_nearer() -> None:
    prior = gaussian(8, Flow())
    x = (prior.means[0] + random(1, 8, seed=6)).expand(200, 8)

    def spread(probes: int) -> float:
        return log_likelihood(prior, x, Seeds(*range(200)), steps=10, probes=probes).std().item()

    # The standard error of each is 5 %.
    assert spread(4) / spread(1) == pytest.approx(1 / 2, rel=0.25)


@pytest.mark.parametrize("schedule", [ZERO, Flow()], ids=["vp", "flow"])
def test_bits_are_those_of_the_picture_on_256_levels(schedule: Schedule) -> None:
    turn, _ = torch.linalg.qr(random(8, 8, seed=9))
    decoder = LinearDecoder(0.3 * turn, random(8, seed=10), (2, 2, 2))
    prior = gaussian(8, schedule, decoder)
    assert prior.unit == pytest.approx(0.3)
    x = prior.means[0] + random(3, 8, seed=11) / 2
    image = prior.decode(x)
    matrix, low = decoder.matrix, schedule.at_ratio(0.0)
    eye = torch.eye(8, dtype=torch.float64)
    pictures = torch.distributions.MultivariateNormal(
        256 * (matrix @ prior.means[0] + decoder.offset),
        256**2 * matrix @ (prior.covariances[0] + low.ratio**2 * eye) @ matrix.T,
    )
    expected = -pictures.log_prob(256 * image.flatten(1)) / (8 * math.log(2))
    found = picture_bits(prior, image, Orthogonal(8), steps=STEPS, probes=8)
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-3)
    again = state_bits(prior, x, Orthogonal(8), steps=STEPS, probes=8)
    torch.testing.assert_close(again, found)


def test_a_picture_alone_is_that_of_the_batch() -> None:
    prior = gaussian(12, ZERO)
    images = random(3, 3, 2, 2, seed=12)
    together = picture_bits(prior, images, Seeds(1, 2, 3), steps=5, probes=2)
    alone = picture_bits(prior, images[1:2], Seeds(2), steps=5, probes=2)
    torch.testing.assert_close(together[1:2], alone)
    torch.testing.assert_close(
        encode_noise(prior, images, 5)[1:2], encode_noise(prior, images[1:2], 5)
    )


def test_the_maps_can_be_differentiated() -> None:
    prior = gaussian(2, Flow())
    x = random(2, 2, seed=13).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: to_noise(prior, x, 3), x)
    assert torch.autograd.gradcheck(lambda x: from_noise(prior, x, 3), x)


def test_a_network_remembers_its_pictures_better_with_more_steps() -> None:
    prior = PixelPrior(unet(3), Flow(), "flow_prediction")
    image = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    errors = []
    with torch.no_grad():  # the likelihood turns gradients on where it needs them
        for steps in (3, 30):
            noise = encode_noise(prior, image, steps)
            assert (noise.shape, noise.dtype) == (image.shape, image.dtype)
            errors.append((sample(prior, noise, steps) - image).square().mean().item())
        bits = picture_bits(prior, image, Seeds(0, 1), steps=3)
    assert errors[1] < errors[0] / 100
    assert bits.shape == (2,)
    assert bool(bits.isfinite().all())
    assert not bits.requires_grad


def test_what_cannot_be_is_refused() -> None:
    prior = gaussian(2, Flow())
    x = random(1, 2)
    for job in (to_noise, from_noise):
        with pytest.raises(ValueError, match="steps must be at least 1, not 0"):
            job(prior, x, 0)
    with pytest.raises(ValueError, match="probes must be at least 1, not 0"):
        log_likelihood(prior, x, Seeds(0), probes=0)
    with pytest.raises(ValueError, match="seeds: 2 for a batch of 1"):
        log_likelihood(prior, x, Seeds(0, 1))
