"""FLAIR: steps worked out by hand, hard consistency, its weights, a flow in other clothes."""

import math

import pytest
import torch
from torch import Tensor

import priors
from operators.base import Identity
from operators.measurement import Measurement
from operators.noise import Gaussian, PoissonGaussian
from operators.seeds import Seeds
from priors.schedule import Schedule
from restore.bench.posterior import needs
from restore.bench.protocol import centre_crop
from restore.bench.toy import SIZE, cosine, problem
from restore.solvers.flair import consistent, flair
from restore.solvers.smooth import smooth_estimate
from tests.solvers.test_flowchef import as_flow
from tests.solvers.toys import SCHEDULES, last, picture, pixel_prior

SHAPE = (3, 5, 7)


def same(x: Tensor) -> Tensor:
    return x


def test_any_schedule_is_a_flow() -> None:
    prior, measurement = problem(cosine())
    found = last(flair, measurement, prior, Seeds(1)).x
    torch.testing.assert_close(last(flair, measurement, as_flow(prior), Seeds(1)).x, found)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
def test_two_steps_by_hand(schedule: Schedule) -> None:
    prior, sigma = pixel_prior(SHAPE, schedule), 0.2
    y = picture(SHAPE, 2).double()
    measurement = Measurement(y, Identity(), Gaussian(sigma))
    seeds = Seeds(1, 2)
    mu = smooth_estimate(measurement)
    x1 = seeds.normal_like(mu)
    states = flair(measurement, prior, Seeds(1, 2), steps=2, weight=1.5, end=0.2)
    for t in (0.6, 0.2):
        level = schedule.at_ratio(t / (1 - t))
        noise = (1 - t) * x1 + math.sqrt(1 - (1 - t) ** 2) * seeds.normal_like(mu)
        x = level.alpha * mu + level.sigma * noise
        x0 = prior.denoise(x, level)
        x1 = (x - level.alpha * x0) / level.sigma
        mu = mu + min(1.0, 1.5 * (1 - t)) * (x0 - mu)
        # the nearest of the pictures that are as far from y as the noise
        far = (y - mu).flatten(1).norm(dim=1)
        share = (1 - sigma * math.sqrt(math.prod(SHAPE)) / far).clamp(min=0)
        mu = mu + share.view(-1, 1, 1, 1) * (y - mu)
        torch.testing.assert_close(next(states).x0, mu)


@pytest.mark.parametrize("noise", [Gaussian(0.1), PoissonGaussian(0.005, 0.02)])
def test_consistency_ends_at_the_noise(noise: Gaussian | PoissonGaussian) -> None:
    prior, measurement = problem(cosine())
    exact = Measurement(measurement.y, measurement.operator, noise)
    zero = torch.zeros(1, SIZE, dtype=torch.float64)
    found = consistent(exact, prior.decode, zero, 200)
    seen = measurement.operator(prior.decode(found))
    misfit = ((measurement.y - seen).square() / noise.variance(seen)).mean().item()
    assert misfit == pytest.approx(1, rel=0.02)


def test_consistency_leaves_what_is_consistent() -> None:
    y = picture(SHAPE, 2)
    measurement = Measurement(y, Identity(), Gaussian(0.1))
    near = torch.stack([y[0] + 0.05, y[1] + 0.5])
    found = consistent(measurement, same, near, 15)
    assert torch.equal(found[0], near[0])
    torch.testing.assert_close(found[1], y[1] + 0.1)


@pytest.mark.parametrize("options", [{"steps": 0}, {"end": 0.0}, {"end": 1.0}])
def test_ranges(options: dict[str, float]) -> None:
    prior, measurement = problem(cosine())
    with pytest.raises(ValueError, match="steps >= 1 and end in"):
        last(flair, measurement, prior, Seeds(1), **options)


def test_the_weights_follow_the_accuracy_of_the_embedded_prior() -> None:
    data = pytest.importorskip("skimage.data")
    photos = [torch.from_numpy(read()) for read in (data.astronaut, data.coffee, data.cat)]
    prior = priors.load("embedded")
    z = prior.encode(
        torch.cat([centre_crop(photo.permute(2, 0, 1)[None] / 255, 128) for photo in photos])
    )
    noise = Seeds(0, 1, 2).normal_like(z)
    for t in (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95):
        level = prior.schedule.at_ratio(t / (1 - t))
        with torch.no_grad():
            x0 = prior.denoise(level.alpha * z + level.sigma * noise, level)
        error = ((x0 - z) / t).square().mean().item()
        assert 1 / error == pytest.approx(1.3 + 14 * t * (1 - t), rel=0.2)


def test_the_network_is_not_differentiated() -> None:
    assert needs(flair)["through"] == "D"
