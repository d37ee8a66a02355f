"""The twisted diffusion sampler: exact for many particles, one particle is DPS."""

import sys
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from priors.schedule import Level, Schedule
from restore.bench.exact import errors
from restore.bench.toy import KINDS, OneStream, cosine, problem, sample
from restore.solvers import guidance
from restore.solvers.base import sensitivity, start
from restore.solvers.dps import dps
from restore.solvers.guidance import pull_scale
from restore.solvers.particles import Cloud
from restore.solvers.tds import tds
from tests.solvers.toys import SCHEDULES

MANY = 4000

kinds = pytest.mark.parametrize("kind", KINDS)


def chosen(cloud: Cloud, count: int = 20_000) -> Tensor:
    """Particles of one image, drawn by weight."""
    generator = torch.Generator().manual_seed(0)
    index = torch.multinomial(cloud.weights[0], count, replacement=True, generator=generator)
    return cloud.particles[0, index]


@kinds
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
def test_many_particles_are_the_posterior(kind: str, schedule: Schedule) -> None:
    prior, measurement = problem(schedule, kind=kind)
    *_, cloud = tds(measurement, prior, OneStream(0), steps=200, particles=MANY)
    found = errors(prior, measurement, chosen(cloud))
    # of 4000 particles some 2000 count: 0.02 of the mean, 0.01 of a mode; 200 steps take 3 %
    assert found.bias < 0.06
    assert found.spread == pytest.approx(1, abs=0.05)
    assert found.shape < 0.1
    assert found.fit == pytest.approx(1, abs=0.07)
    assert found.modes < 0.05


@pytest.mark.slow
def test_the_error_falls_with_the_particles() -> None:
    prior, measurement = problem(cosine(), kind="mixture")
    found = []
    for particles in (1, 4, 32):
        x = sample(tds, prior, measurement, 2000, particles=particles)
        found.append(errors(prior, measurement, x).modes)
    # weights of modes, known to 0.01: what the docstring says
    assert found == pytest.approx([0.33, 0.18, 0.01], abs=0.03)


def test_caution_keeps_particles_alive() -> None:
    prior, measurement = problem(cosine())

    def least(caution: float) -> float:
        states = tds(measurement, prior, OneStream(0), particles=1000, caution=caution)
        return min(state.effective.item() for state in states)

    assert least(1.0) > 450  # half of them, by resampling
    assert least(0.0) < 300


class Straight(OneStream):
    """Uniform numbers cost nothing, so that normal ones are those of solvers without them."""

    def uniform_like(self, x: Tensor) -> Tensor:
        return torch.full_like(x, 0.5)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
def test_one_particle_is_diffusion_posterior_sampling(
    schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior, measurement = problem(schedule)
    # DPS from noise, on all levels of the schedule, as in its paper
    module = sys.modules[dps.__module__]
    monkeypatch.setattr(module, "falling", lambda prior, steps, *_: prior.schedule.levels(steps))
    monkeypatch.setattr(
        module, "noise_at", lambda _, prior, level, seeds: start(measurement, prior, level, seeds)
    )
    gain = sensitivity(measurement, prior)
    monkeypatch.setattr(
        guidance, "descent", lambda *given: pull_scale(measurement, given[-1], gain)
    )
    single = list(tds(measurement, prior, Straight(1), steps=20, particles=1))
    plain = list(dps(measurement, prior, Straight(1), steps=20, zeta=1.0, eta=1.0))
    # a Cloud shows x_t, where a State of DPS shows what became of it
    for cloud, state in zip(single[1:-1], plain[:-2], strict=True):
        torch.testing.assert_close(cloud.x, state.x)
    # the last step of the chain has no noise to be guided by
    torch.testing.assert_close(single[-1].x, prior.denoise(plain[-2].x, schedule.levels(20)[-2]))


def test_weights_are_those_of_the_paper() -> None:
    # by the densities p, q and h written out, for particles that are never resampled
    prior, measurement = problem(cosine())
    levels = cosine().levels(5)[:4]
    states = list(tds(measurement, prior, OneStream(2), steps=5, particles=6, threshold=0.0))
    clouds = [state.particles[0] for state in states[:4]]
    gain = sensitivity(measurement, prior)

    def log_h(x: Tensor, level: Level) -> Tensor:
        unknown = gain * (level.ratio / measurement.sigma) ** 2
        likelihood = measurement.log_likelihood(prior.decode(prior.denoise(x, level)))
        return likelihood / (1 + unknown)

    log_w = log_h(clouds[0], levels[0])
    for k, (t, s) in enumerate(pairwise(levels)):
        x, moved = clouds[k : k + 2]
        with torch.enable_grad():
            free = x.clone().requires_grad_()
            (slope,) = torch.autograd.grad(log_h(free, t).sum(), free)
        x0 = prior.denoise(x, t)
        # p(x_s | x_t, x_0) by Bayes: N(x_s; alpha_s x_0, sigma_s^2) N(x_t; a x_s, left^2)
        a = t.alpha / s.alpha
        left = t.sigma**2 - (a * s.sigma) ** 2
        variance = 1 / (1 / s.sigma**2 + a**2 / left)
        plain = variance * (s.alpha * x0 / s.sigma**2 + a * x / left)
        guided = plain + variance * s.alpha / s.sigma**2 * t.sigma**2 / t.alpha * slope
        apart = (moved - guided).square().sum(1) - (moved - plain).square().sum(1)
        log_w = log_w + apart / (2 * variance) - log_h(x, t) + log_h(moved, s)
        torch.testing.assert_close(states[k + 1].weights[0], torch.softmax(log_w, 0))
