"""The mix of a mean and a draw: its ends, what lies between, its draw from the conditional law."""

from typing import Any

import pytest
import torch
from torch import Tensor

from operators.base import Identity
from operators.measurement import Measurement
from operators.noise import Gaussian
from operators.seeds import Seeds
from restore import solvers
from restore.bench.toy import OneStream, last, problem
from restore.preparation import CountedPrior
from restore.solvers.dpir import dpir
from restore.solvers.tradeoff import tradeoff
from tests.solvers.toys import SCHEDULES, pixel_prior

VP = SCHEDULES["vp"]


def mixed(fidelity: float) -> Tensor:
    prior, measurement = problem(VP)
    return last(tradeoff, measurement, prior, Seeds(3), fidelity=fidelity).x0


def test_the_picture_of_full_fidelity_is_the_one_of_dpir() -> None:
    prior, measurement = problem(VP)
    alone = last(dpir, measurement, prior, Seeds(3), steps=16).x0
    assert torch.equal(mixed(1.0), alone)


@pytest.mark.parametrize(("options", "steps"), [({"fidelity": 1.0}, 16), ({"steps": 4}, 4)])
def test_nothing_is_drawn_where_nothing_of_it_is_seen(options: dict[str, Any], steps: int) -> None:
    prior, measurement = problem(VP)
    counted = CountedPrior(prior)
    states = list(tradeoff(measurement, counted, Seeds(3), **options))
    assert len(states) == steps
    assert counted.evaluations == 2 * steps
    assert [state.steps for state in states] == [steps] * steps


def test_what_lies_between_is_on_the_line_between_mean_and_draw() -> None:
    torch.testing.assert_close(mixed(0.3), 0.3 * mixed(1.0) + 0.7 * mixed(0.0))
    assert not torch.allclose(mixed(0.0), mixed(1.0), atol=1e-3)


def test_the_states_are_those_of_dpir_and_then_the_mix() -> None:
    prior, measurement = problem(VP)
    states = list(tradeoff(measurement, prior, Seeds(3), steps=10))
    assert [state.step for state in states] == list(range(1, 11))
    assert {state.steps for state in states} == {10}
    for state, alone in zip(states, dpir(measurement, prior, Seeds(3), steps=8), strict=False):
        assert torch.equal(state.x0, alone.x0)
    assert torch.equal(states[-1].x, states[-1].x0)


def test_a_draw_at_one_level_is_one_round_of_gibbs_sampling() -> None:
    # pixels x ~ N(m, C) seen in noise s: from the mean v of dpir on, z ~ N(v, rho^2 I) given y,
    # and x is drawn given z. Their mean and covariance are those of two Gaussian updates.
    shape, rho, sigma = (1, 2, 2), 0.2, 0.1
    prior = pixel_prior(shape, VP)
    y = torch.rand(1, *shape, generator=torch.Generator().manual_seed(2)).expand(6000, -1, -1, -1)
    measurement = Measurement(y, Identity(), Gaussian(sigma))
    noiseless: dict[str, Any] = {
        "steps": 5,
        "inner": 40,
        "reach": 0.25,
        "start_sigma": rho,
        "end_sigma": rho,
    }
    states = list(tradeoff(measurement, prior, OneStream(1, 6000), fidelity=0.0, **noiseless))
    v = states[-2].x0.flatten(1)
    gain = rho**2 / (rho**2 + sigma**2)
    z = v + gain * (y.flatten(1) - v)
    open_z = (1 - gain) * rho**2
    m, cov = prior.means[0].float(), prior.covariances[0].float()
    update = cov @ torch.linalg.inv(cov + rho**2 * torch.eye(4))
    expected = m + (z - m) @ update.T
    spread = open_z * update @ update.T + cov - update @ cov
    found = states[-1].x0.flatten(1) - expected
    whitened = torch.linalg.solve(torch.linalg.cholesky(spread), found.T)
    # a mean of 6000 draws, and their covariance, to four standard deviations
    assert float(whitened.mean(1).abs().max()) < 4 / 6000**0.5
    assert float((torch.cov(whitened) - torch.eye(4)).abs().max()) < 0.1


@pytest.mark.parametrize("fidelity", [-0.1, 1.1, float("nan")])
def test_a_fidelity_outside_its_range_is_refused(fidelity: float) -> None:
    prior, measurement = problem(VP)
    with pytest.raises(ValueError, match="fidelity"):
        next(iter(solvers.get("tradeoff")(measurement, prior, Seeds(0), fidelity=fidelity)))
