"""FlowDPS: a step worked out by hand, the mode it climbs to, the same flow in other clothes."""

import math

import pytest
import torch

from operators.base import Identity
from operators.measurement import Measurement
from operators.noise import Gaussian
from operators.seeds import Seeds
from priors.schedule import Schedule
from restore.bench.posterior import needs
from restore.bench.toy import SIGMA, SIZE, cosine, problem
from restore.solvers.conditional import left_open
from restore.solvers.flowchef import flow_time
from restore.solvers.flowdps import flowdps
from tests.solvers.test_flowchef import as_flow, noise
from tests.solvers.toys import SCHEDULES, last, picture, pixel_prior

SHAPE = (3, 5, 7)


@pytest.mark.parametrize("interpolate", [False, True])
def test_any_schedule_is_a_flow(interpolate: bool) -> None:
    prior, measurement = problem(cosine())
    found = last(flowdps, measurement, prior, Seeds(1), interpolate=interpolate).x
    again = last(flowdps, measurement, as_flow(prior), Seeds(1), interpolate=interpolate).x
    torch.testing.assert_close(again, found)


@pytest.mark.parametrize("interpolate", [False, True])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
def test_a_step_by_hand(schedule: Schedule, interpolate: bool) -> None:
    # of the identity all directions are alike: one gradient step is the minimum, the next ones stay
    prior, sigma, reach = pixel_prior(SHAPE, schedule), 0.05, 0.3
    y = picture(SHAPE, 2).double()
    measurement = Measurement(y, Identity(), Gaussian(sigma))
    t, s, _ = schedule.levels(2)
    seeds = Seeds(1, 2)
    x = t.sigma * seeds.normal_like(y)
    x0 = prior.denoise(x, t)
    x1 = (x - t.alpha * x0) / t.sigma
    spread = left_open(prior, t, reach)
    near = (x0 / spread**2 + y / sigma**2) / (1 / spread**2 + 1 / sigma**2)
    if interpolate:
        near = x0 + flow_time(t) * (near - x0)
    u = flow_time(s)
    x1 = math.sqrt(u) * x1 + math.sqrt(1 - u) * seeds.normal_like(y)
    for iterations in (1, 4):
        job = flowdps(
            measurement,
            prior,
            Seeds(1, 2),
            steps=2,
            iterations=iterations,
            reach=reach,
            interpolate=interpolate,
        )
        first = next(job)
        torch.testing.assert_close(first.x0, near)
        torch.testing.assert_close(first.x, s.alpha * near + s.sigma * x1)


def test_the_gradient_steps_climb_to_the_conditional_mode() -> None:
    prior, measurement = problem(cosine())
    assert prior.decoder is not None
    t, _ = prior.schedule.levels(1)
    x0 = prior.denoise(noise(t, 1), t)
    found = last(flowdps, measurement, prior, Seeds(1), steps=1, iterations=2000).x0
    seen = measurement.operator.matrix @ prior.decoder.matrix / SIGMA
    trust = left_open(prior, t, 0.25) ** -2 * torch.eye(SIZE, dtype=torch.float64)
    residual = measurement.residual(prior.decode(x0)).flatten() / SIGMA
    move = torch.linalg.solve(trust + seen.T @ seen, seen.T @ residual)
    torch.testing.assert_close(found - x0, move[None])


def test_the_network_is_not_differentiated() -> None:
    assert needs(flowdps)["through"] == "D"
