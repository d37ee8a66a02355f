"""Reverse steps against the schedulers of diffusers, step for step, and against their own laws."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from operators.measurement import Measurement
from operators.noise import Gaussian
from operators.seeds import Seeds
from priors.schedule import CLEAN, Schedule, from_config
from restore.solvers.base import ancestral, linearised, reverse, sensitivity, start
from tests.solvers.toys import SCHEDULES, Curve, Dense, draw, latent_prior, pixel_prior

CHAIN = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
SHAPE = (1, 3, 4, 5)


def network(x: Tensor, time: float) -> Tensor:
    """Stands for a network that predicts noise."""
    return torch.tanh(x) * (0.5 + time / 2000)


def noise(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def scheduler(name: str, **options: Any) -> Any:
    return getattr(pytest.importorskip("diffusers"), name)(**options)


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_reverse_equals_ddim(eta: float) -> None:
    theirs = scheduler("DDIMScheduler", **CHAIN, timestep_spacing="trailing", clip_sample=False)
    theirs.set_timesteps(20)
    levels, seeds = from_config(theirs.config).levels(20), Seeds(5)
    generator = torch.Generator().manual_seed(5)
    x = y = noise(0)
    for (t, s), time in zip(pairwise(levels), theirs.timesteps, strict=True):
        x = reverse(x, (x - t.sigma * network(x, t.time)) / t.alpha, t, s, eta, seeds)
        y = theirs.step(network(y, float(time)), time, y, eta=eta, generator=generator).prev_sample
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)


def test_reverse_equals_ddpm() -> None:
    theirs = scheduler("DDPMScheduler", **CHAIN, timestep_spacing="trailing", clip_sample=False)
    theirs.set_timesteps(20)
    levels, seeds = from_config(theirs.config).levels(20), Seeds(6)
    generator = torch.Generator().manual_seed(6)
    x = y = noise(0)
    for (t, s), time in zip(pairwise(levels), theirs.timesteps, strict=True):
        x = reverse(x, (x - t.sigma * network(x, t.time)) / t.alpha, t, s, 1.0, seeds)
        y = theirs.step(network(y, float(time)), time, y, generator=generator).prev_sample
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_reverse_equals_the_euler_step_of_flow_matching(shift: float) -> None:
    theirs = scheduler("FlowMatchEulerDiscreteScheduler", shift=shift)
    theirs.set_timesteps(sigmas=np.linspace(1, 1 / 20, 20).tolist())
    levels = from_config({**theirs.config, "_class_name": type(theirs).__name__}).levels(20)
    x = y = noise(0)
    for (t, s), time in zip(pairwise(levels), theirs.timesteps, strict=True):
        x = reverse(x, x - t.sigma * network(x, t.time), t, s, 0.0, Seeds(0))
        y = theirs.step(network(y, float(time)), time, y).prev_sample
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_a_known_sample_keeps_its_marginal(schedule: Schedule, eta: float) -> None:
    # with x0 known, x_s ~ N(alpha_s x0, sigma_s^2) whatever share of the noise is fresh
    t, s = schedule.at(0.7), schedule.at(0.4)
    x0 = torch.full((1, 1_000_000), 0.8, dtype=torch.float64)
    x = t.alpha * x0 + t.sigma * Seeds(0).normal_like(x0)
    moved = reverse(x, x0, t, s, eta, Seeds(1))
    assert moved.mean().item() == pytest.approx(0.8 * s.alpha, abs=5e-3)
    assert moved.std().item() == pytest.approx(s.sigma, rel=5e-3)
    # and forgets as much of the old noise as the chain does
    old, new = x - t.alpha * x0, moved - s.alpha * x0
    kept = (s.sigma**2 - (eta * ancestral(t, s)) ** 2) ** 0.5
    assert (old * new).mean().item() == pytest.approx(kept * t.sigma, abs=5e-3)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
def test_the_clean_level_returns_the_estimate(schedule: Schedule) -> None:
    x, x0, seeds = noise(0), noise(1), Seeds(2)
    assert torch.equal(reverse(x, x0, schedule.at(0.1), CLEAN, 1.0, seeds), x0)
    # and draws nothing
    assert torch.equal(seeds.normal_like(x), Seeds(2).normal_like(x))


def test_the_start_is_noise_of_the_state() -> None:
    prior = latent_prior((3, 5, 7), SCHEDULES["vp"], size=30)
    measurement = Measurement(torch.zeros(2, 3, 5, 7), Curve(), Gaussian(0.1))
    x = start(measurement, prior, prior.schedule.at(0.5), Seeds(0, 0))
    assert x.shape == (2, 30)
    assert torch.equal(x[0], x[1])
    assert x.std().item() == pytest.approx(prior.schedule.at(0.5).sigma, rel=0.3)


def test_the_derivative_goes_both_ways() -> None:
    x = draw(pixel_prior((1, 3, 4), SCHEDULES["vp"]), 1).view(1, 1, 3, 4)
    back, push = linearised(Curve(), x)
    v, w = torch.randn(2, 1, 1, 3, 4, dtype=torch.float64, generator=torch.Generator())
    torch.testing.assert_close(push(v), (1 + x / 2) * v)
    torch.testing.assert_close(back(w), (1 + x / 2) * w)


class Halved(torch.autograd.Function):
    """x / 2, of which nobody wrote the derivative in forward mode."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x / 2

    @staticmethod
    def backward(ctx: Any, *pulled: Tensor) -> Tensor:
        return pulled[0] / 2


def test_the_derivative_goes_forth_through_what_only_goes_back() -> None:
    x, v = torch.randn(2, 1, 1, 3, 4, generator=torch.Generator().manual_seed(0))

    def squared(z: Tensor) -> Tensor:
        half: Tensor = Halved.apply(z)
        return half**2

    _, push = linearised(squared, x)
    torch.testing.assert_close(push(v), x * v / 2)
    _, still = linearised(torch.ones_like, x)
    assert torch.equal(still(v), torch.zeros_like(x))


def test_the_sensitivity_is_the_spectral_norm() -> None:
    prior = latent_prior((3, 2, 2), SCHEDULES["vp"], size=6)
    matrix = torch.randn(5, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    measurement = Measurement(
        torch.zeros(2, 1, 1, 5, dtype=torch.float64), Dense(matrix, (3, 2, 2)), Gaussian(0.1)
    )
    assert prior.decoder is not None
    expected = torch.linalg.matrix_norm(matrix @ prior.decoder.matrix, ord=2).item() ** 2
    assert sensitivity(measurement, prior).tolist() == pytest.approx([expected] * 2, rel=0.05)
    assert sensitivity(measurement, prior, 100).tolist() == pytest.approx([expected] * 2, rel=1e-6)
