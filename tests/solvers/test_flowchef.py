"""FlowChef: the paper's step on a flow, the same flow in other clothes, and DDIM as a limit."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from operators.seeds import Seeds
from priors.analytic import GaussianMixturePrior, GaussianPrior
from priors.schedule import Flow, Level, Schedule
from restore.bench.posterior import needs
from restore.bench.toy import SIZE, OneStream, cosine, problem
from restore.solvers.base import reverse
from restore.solvers.conditional import left_open
from restore.solvers.flowchef import flow_time, flowchef
from restore.solvers.mpgd import uphill
from tests.solvers.toys import SCHEDULES, last


@dataclass(frozen=True)
class AsFlow(Schedule):
    """The levels of another schedule, divided by alpha + sigma."""

    inner: Schedule

    def at(self, u: float) -> Level:
        level = self.inner.at(u)
        return Level(u, 1 - flow_time(level), flow_time(level), level.time)

    def at_ratio(self, ratio: float) -> Level:
        return self.at(self.inner.at_ratio(ratio).u)


def as_flow(prior: GaussianMixturePrior) -> GaussianPrior:
    return GaussianPrior(
        prior.means[0], prior.covariances[0], AsFlow(prior.schedule), prior.decoder
    )


def noise(level: Level, seed: int) -> Tensor:
    return level.sigma * Seeds(seed).normal_like(torch.zeros(1, SIZE, dtype=torch.float64))


def test_the_time_of_a_flow_is_its_own() -> None:
    levels = Flow(3.0).levels(4)
    assert [flow_time(level) for level in levels] == pytest.approx(
        [level.sigma for level in levels], abs=1e-15
    )


def test_any_schedule_is_a_flow() -> None:
    prior, measurement = problem(cosine())
    found = last(flowchef, measurement, prior, Seeds(1)).x
    torch.testing.assert_close(last(flowchef, measurement, as_flow(prior), Seeds(1)).x, found)


def test_a_step_on_a_flow_is_the_papers() -> None:
    prior, measurement = problem(Flow())
    t, s, _ = prior.schedule.levels(2)
    x = noise(t, 4)
    x0 = prior.denoise(x, t)
    velocity = (x - t.alpha * x0) / t.sigma - x0
    d = uphill(measurement, prior.decode, x0, left_open(prior, t, 0.1))
    first = next(flowchef(measurement, prior, Seeds(4), steps=2, zeta=100.0))
    torch.testing.assert_close(first.x, x + d + (s.sigma - t.sigma) * velocity)
    torch.testing.assert_close(first.x0, x0 + d)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
def test_with_zeta_1_a_step_is_one_of_ddim_to_the_moved_estimate(schedule: Schedule) -> None:
    prior, measurement = problem(schedule)
    t, s, _ = schedule.levels(2)
    x = noise(t, 4)
    x0 = prior.denoise(x, t)
    moved = x0 + uphill(measurement, prior.decode, x0, left_open(prior, t, 0.1))
    first = next(flowchef(measurement, prior, Seeds(4), steps=2, zeta=1.0))
    torch.testing.assert_close(first.x, reverse(x, moved, t, s, 0.0, Seeds(4)))


def test_nothing_but_the_start_is_drawn_and_the_network_is_not_differentiated() -> None:
    prior, measurement = problem(cosine())
    draws = 0

    class Watched(OneStream):
        def normal_like(self, x: Tensor) -> Tensor:
            nonlocal draws
            draws += 1
            return super().normal_like(x)

    last(flowchef, measurement, prior, Watched(0), steps=5)
    assert draws == 1
    assert needs(flowchef)["through"] == "D"
