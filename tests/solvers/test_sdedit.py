"""SDEdit by its law on a Gaussian: noise a picture, and draw from p(x_0 | x_t)."""

import pytest
import torch
from torch import Tensor

from operators import Gaussian, Identity, Measurement, Seeds
from operators.resize import Downsample
from priors.base import Prior
from priors.schedule import Level, Schedule
from restore.solvers import sdedit
from restore.solvers.sdedit import edit
from restore.solvers.smooth import smooth_estimate
from tests.solvers.toys import PRIORS, SCHEDULES, last, picture


class Independent(Prior):
    """Values N(mean, variance), each on its own."""

    def __init__(self, mean: float, variance: float, schedule: Schedule) -> None:
        self.mean, self.variance, self.schedule = mean, variance, schedule

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        gain = level.alpha * self.variance / (level.alpha**2 * self.variance + level.sigma**2)
        return self.mean + gain * (x - level.alpha * self.mean)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_the_law_of_an_edited_picture(schedule: Schedule, eta: float) -> None:
    """With g = v / (v + r^2): mean m + g (x^ - m), variance g r^2 + (g r)^2.

    That is p(x_0 | x_t) with x_t / alpha ~ N(x^, r^2); the ODE, eta = 0, carries x_t by the ratio
    of the spreads instead, so that its mean is m + sqrt(g) (x^ - m), its variance g r^2.
    """
    m, v, r, value = 0.5, 0.04, 0.3, 0.9
    image = torch.full((1, 3, 80, 80), value, dtype=torch.float64)
    prior = Independent(m, v, schedule)
    *_, state = edit(image, prior, Seeds(0), steps=400, start_sigma=r, eta=eta)
    g = v / (v + r**2)
    pull, variance = (g, g * r**2 + (g * r) ** 2) if eta else (g**0.5, g * r**2)
    # Four standard errors, and what 400 steps of first order leave.
    assert state.x.mean().item() == pytest.approx(m + pull * (value - m), abs=0.01)
    assert state.x.var().item() == pytest.approx(variance, rel=0.06)


def test_little_noise_changes_little() -> None:
    prior = PRIORS["pixel"]((3, 5, 7), SCHEDULES["flow"])
    image = picture((3, 5, 7), 1)
    far, near = (
        (list(edit(image, prior, Seeds(0), steps=20, start_sigma=s))[-1].x - image).abs().mean()
        for s in (0.3, 0.003)
    )
    assert near < 0.01 < far


def test_the_solver_edits_the_enlarged_measurement() -> None:
    prior = PRIORS["pixel"]((3, 9, 9), SCHEDULES["vp"])
    y = Downsample(3, "bicubic")(picture((3, 9, 9), 2))
    measurement = Measurement(y, Downsample(3, "bicubic"), Gaussian(0.01))
    solved = last(sdedit, measurement, prior, Seeds(1, 2), steps=5, start_sigma=0.1)
    enlarged = smooth_estimate(measurement)
    assert enlarged.shape == (2, 3, 9, 9)
    *_, edited = edit(enlarged, prior, Seeds(1, 2), steps=5, start_sigma=0.1)
    torch.testing.assert_close(solved.x, edited.x)
    # of a picture that is given as its own measurement, the estimate is the picture, but for
    # the smoothness that noise of 8 bits allows
    whole = Measurement(enlarged, Identity(), Gaussian(0.0))
    torch.testing.assert_close(smooth_estimate(whole), enlarged, rtol=0, atol=2e-3)
