"""Regularization by texts: a step by hand, its noise, its limits, and the text that it hears."""

import math

import pytest
import torch

from operators.mask import Mask, box_mask
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from priors.schedule import Schedule
from restore.solvers.base import noise_at, to_clean
from restore.solvers.smooth import smooth_estimate
from restore.solvers.treg import treg
from tests.solvers.toys import SCHEDULES, last, picture, pixel_prior

SHAPE = (3, 4, 6)
schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))


def observed(sigma: float = 0.05) -> Measurement[Mask]:
    return simulate(Mask(box_mask(4, 6, 2, 2)), Gaussian(sigma), picture(SHAPE, 2), Seeds(0, 1))


@schedules
def test_a_step_by_hand(schedule: Schedule) -> None:
    # pixels of their own unit: the argmin is a weighted mean where the pixel is known
    prior, measurement = pixel_prior(SHAPE, schedule), observed()
    t, s, *_ = schedule.levels(4, schedule.at_ratio(0.7).u)
    seeds = Seeds(4, 5)
    x = t.alpha * smooth_estimate(measurement) + t.sigma * seeds.normal_like(measurement.y)
    x0 = prior.denoise(x, t)
    eps = (x - t.alpha * x0) / t.sigma
    precision = (t.alpha / t.sigma) ** 2 + 1 / 0.3**2
    known = measurement.operator.gram(x0)
    fitted = (measurement.y / 0.05**2 + precision * x0) / (known / 0.05**2 + precision)
    fitted = torch.where(known > 0, fitted, x0)
    share = s.alpha**2 / (s.alpha**2 + s.sigma**2)
    z = share * fitted + (1 - share) * x0
    noise = math.sqrt(1 - share) * eps + math.sqrt(share) * seeds.normal_like(x)
    first = next(treg(measurement, prior, Seeds(4, 5), steps=4, reach=0.3, start_sigma=0.7))
    torch.testing.assert_close(first.x0, z)
    torch.testing.assert_close(first.x, s.alpha * z + s.sigma * noise)


@schedules
def test_without_a_fit_it_is_ddim(schedule: Schedule) -> None:
    prior, measurement = pixel_prior(SHAPE, schedule), observed()
    top = schedule.at_ratio(0.4)
    x = noise_at(smooth_estimate(measurement), prior, top, Seeds(4, 5))
    expected = to_clean(x, prior, top, 5, Seeds(4, 5))
    found = last(treg, measurement, prior, Seeds(4, 5), steps=5, every=6)
    torch.testing.assert_close(found.x, expected)


def test_the_last_estimate_is_not_fitted() -> None:
    prior, measurement = pixel_prior(SHAPE, SCHEDULES["vp"]), observed(0.2)
    *_, before, end = treg(measurement, prior, Seeds(4, 5), steps=5)
    schedule = SCHEDULES["vp"]
    final = schedule.levels(5, schedule.at_ratio(0.4).u)[-2]
    torch.testing.assert_close(end.x0, prior.denoise(before.x, final))


@pytest.mark.parametrize("every", [0, -2])
def test_no_fit_at_all_is_refused(every: int) -> None:
    with pytest.raises(ValueError, match="every must be at least 1"):
        next(treg(observed(), pixel_prior(SHAPE, SCHEDULES["vp"]), Seeds(0, 1), every=every))
