"""Schedules against their definitions and against diffusers' own schedulers."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from priors.schedule import CLEAN, VE, VP, Flow, Schedule, from_config

LINEAR = VP(tuple(torch.linspace(1 - 1e-4, 0.98, 1000, dtype=torch.float64).cumprod(0).tolist()))
SCHEDULES: dict[str, Schedule] = {
    "vp": LINEAR,
    "ve": VE(0.002, 80.0),
    "flow": Flow(),
    "flow shifted": Flow(3.0),
}


@pytest.fixture(params=SCHEDULES.values(), ids=list(SCHEDULES))
def schedule(request: pytest.FixtureRequest) -> Schedule:
    chosen: Schedule = request.param
    return chosen


def test_noise_grows_with_u(schedule: Schedule) -> None:
    levels = [schedule.at(u) for u in np.linspace(0, 1, 57)]
    for low, high in pairwise(levels):
        assert low.sigma < high.sigma
        assert low.ratio < high.ratio
        assert low.time <= high.time


def test_levels_fall_to_exactly_clean(schedule: Schedule) -> None:
    levels = schedule.levels(7, start=0.8)
    assert len(levels) == 8
    assert levels[0] == schedule.at(0.8)
    assert levels[-1] == CLEAN == (0.0, 1.0, 0.0, 0.0)
    assert all(high.ratio > low.ratio for high, low in pairwise(levels))


def test_at_ratio_is_the_inverse_of_the_ratio(schedule: Schedule) -> None:
    for u in (0.1, 0.25, 0.613, 0.9):
        level = schedule.at(u)
        assert schedule.at_ratio(level.ratio) == pytest.approx(level, rel=1e-9)


def test_at_ratio_stays_within_what_the_network_has_seen(schedule: Schedule) -> None:
    assert schedule.at_ratio(math.inf) == pytest.approx(schedule.at(1.0), rel=1e-9)
    least = schedule.at_ratio(0.0)
    assert 0 < least.ratio < 0.02
    assert schedule.at_ratio(least.ratio / 2) == least


def test_vp_holds_the_chain_at_its_times() -> None:
    for time in (0, 1, 500, 999):
        level = LINEAR.at((time + 1) / 1000)
        assert level.alpha**2 == pytest.approx(LINEAR.alphas_cumprod[time], rel=1e-10)
        assert level.alpha**2 + level.sigma**2 == pytest.approx(1, rel=1e-12)
        assert level.time == pytest.approx(time, abs=1e-9)


def test_ve_is_geometric() -> None:
    schedule = VE(0.01, 100.0)
    assert [schedule.at(u).sigma for u in (0, 0.5, 1)] == pytest.approx([0.01, 1.0, 100.0])
    assert schedule.at(0.3).alpha == 1
    assert schedule.at(0.5).time == pytest.approx(0)


@pytest.mark.parametrize("u", [-0.01, 1.01, math.nan])
def test_u_outside_the_unit_interval_is_refused(schedule: Schedule, u: float) -> None:
    with pytest.raises(ValueError, match="u must lie in"):
        schedule.at(u)


def test_levels_refuse_what_they_cannot_do(schedule: Schedule) -> None:
    with pytest.raises(ValueError, match="steps"):
        schedule.levels(0)
    with pytest.raises(ValueError, match="start"):
        schedule.levels(3, start=0.0)


@pytest.mark.parametrize("chain", [(), (0.9,), (0.5, 0.6), (1.0, 0.5), (0.5, -0.1)])
def test_vp_refuses_what_is_no_falling_chain(chain: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="falling"):
        VP(chain)


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="sigma_min"):
        VE(1.0, 0.5)
    with pytest.raises(ValueError, match="shift"):
        Flow(0.0)


@pytest.mark.parametrize(
    "options",
    [
        {"beta_schedule": "linear"},
        {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
        {"beta_schedule": "squaredcos_cap_v2", "rescale_betas_zero_snr": True},
    ],
)
def test_from_config_equals_the_diffusers_chain(options: dict[str, Any]) -> None:
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDIMScheduler(num_train_timesteps=400, **options)
    schedule = from_config({**scheduler.config, "_class_name": "DDIMScheduler"})
    for time in (0, 17, 399):
        level = schedule.at((time + 1) / 400)
        # the chain is float32 on their side, and its last value may be exactly 0
        assert level.alpha**2 == pytest.approx(scheduler.alphas_cumprod[time].item(), abs=1e-7)


def test_levels_have_the_trailing_timesteps_of_diffusers() -> None:
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDIMScheduler(timestep_spacing="trailing")
    scheduler.set_timesteps(50)
    times = [level.time for level in from_config(scheduler.config).levels(50)[:-1]]
    assert times == pytest.approx(scheduler.timesteps.tolist(), abs=1e-6)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_levels_equal_those_of_diffusers(shift: float) -> None:
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / 28, 28).tolist())
    levels = from_config({**scheduler.config, "_class_name": type(scheduler).__name__}).levels(28)
    assert [level.sigma for level in levels] == pytest.approx(scheduler.sigmas.tolist(), abs=1e-6)
    times = [level.time for level in levels[:-1]]
    assert times == pytest.approx(scheduler.timesteps.tolist(), abs=1e-3)


def test_from_config_of_edm_and_of_nonsense() -> None:
    edm = {"_class_name": "EDMEulerScheduler", "sigma_min": 0.01, "sigma_max": 10}
    assert from_config(edm) == VE(0.01, 10.0)
    pytest.importorskip("diffusers")
    with pytest.raises(ValueError, match="no schedule"):
        from_config({"_class_name": "DDIMScheduler", "beta_schedule": "unheard of"})
