"""Replaced states: which are known, how noisy they are, and what is drawn beside them."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from operators.base import Identity, LinearOperator
from operators.blur import Blur
from operators.mask import Crop, Mask, box_mask, random_mask
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian, PoissonGaussian
from operators.seeds import Seeds
from priors.base import Prior, Shape
from priors.schedule import Level, Schedule
from restore import solvers
from restore.bench.exact import Errors, errors
from restore.bench.toy import OneStream, draw, sample
from restore.solvers.blended import blended
from restore.solvers.known import Known
from tests.solvers.toys import (
    KERNEL,
    SCHEDULES,
    Counting,
    Curve,
    last,
    latent_prior,
    picture,
    pixel_prior,
)

SHAPE = (3, 4, 6)
TINY = (1, 2, 3)
HALF = torch.tensor([[False, True, False], [True, False, True]])


class Halved(Prior):
    """States (B, 3, H / 2, W / 2) are the means of 2 x 2 pixels."""

    unit = 2.0

    def __init__(self, shape: Shape, schedule: Schedule) -> None:
        channels, height, width = shape
        self.schedule = schedule
        self.inner = pixel_prior((channels, height // 2, width // 2), schedule)

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        return self.inner.denoise(x, level)

    def encode(self, image: Tensor) -> Tensor:
        return avg_pool2d(image, 2)

    def decode(self, x: Tensor) -> Tensor:
        return interpolate(x, scale_factor=2, mode="nearest")

    def state_shape(self, image_shape: Shape) -> Shape:
        return (*image_shape[:2], image_shape[2] // 2, image_shape[3] // 2)


def observed(hidden: Tensor, sigma: float = 0.05, shape: Shape = SHAPE) -> Measurement[Mask]:
    return simulate(Mask(hidden), Gaussian(sigma), picture(shape, 2), Seeds(0, 1))


def test_a_state_is_known_where_its_whole_patch_is() -> None:
    hidden = random_mask(4, 6, 0.2, seed=3)
    known = Known.of(observed(hidden), Halved(SHAPE, SCHEDULES["vp"]))
    patches = hidden[0, 0].numpy().reshape(2, 2, 3, 2)
    expected = ~patches.any(axis=(1, 3))
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(known.whole[0, 0].numpy(), expected)


def test_a_pixel_that_lacks_a_colour_is_unknown() -> None:
    hidden = torch.zeros(1, 3, 4, 6, dtype=torch.bool)
    hidden[:, 1, 2, 3] = True
    known = Known.of(observed(hidden), pixel_prior(SHAPE, SCHEDULES["vp"]))
    assert (~known.whole[0, 0]).nonzero().tolist() == [[2, 3]]


def test_what_is_known_does_not_depend_on_how_holes_are_filled() -> None:
    hidden = box_mask(4, 6, 2, 3)
    measurement, prior = observed(hidden), Halved(SHAPE, SCHEDULES["vp"])
    known = Known.of(measurement, prior)
    plain = prior.encode(measurement.y)
    torch.testing.assert_close(known.z * known.whole, plain * known.whole)


@pytest.mark.parametrize("noise", [Gaussian(0.1), PoissonGaussian(0.02, 0.05)])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
def test_known_states_have_the_noise_of_their_level(
    schedule: Schedule, noise: Gaussian | PoissonGaussian
) -> None:
    count = 20_000
    truth = picture(SHAPE, 1).clamp(0.1, 0.9).expand(count, -1, -1, -1)
    measurement = simulate(Mask(box_mask(4, 6, 2, 2)), noise, truth, OneStream(1, count))
    prior = Halved(SHAPE, schedule)
    known, level = Known.of(measurement, prior), schedule.at(0.3)
    x = known.replace(torch.zeros_like(known.z), level, OneStream(2, count))
    apart = (x - level.alpha * prior.encode(truth))[..., known.whole[0, 0]]
    # the noise of 4 pixels in their mean is sigma / 2, which a unit of 2 says
    torch.testing.assert_close(apart.mean((0, 1)), torch.zeros(4), rtol=0, atol=0.01)
    torch.testing.assert_close(apart.std((0, 1)), torch.full((4,), level.sigma), rtol=0.01, atol=0)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
def test_where_nothing_is_hidden_it_samples_the_posterior(schedule: Schedule) -> None:
    # y is a noised picture, from whose level on the prior goes on alone
    found = drawn(schedule, torch.zeros(2, 3, dtype=torch.bool), 0.2, steps=600, repeats=1)
    assert found.worst < 4.5
    assert found.shape < 0.1
    assert abs(found.fit - 1) < 0.1


def drawn(schedule: Schedule, hidden: Tensor, sigma: float = 0.1, **options: int) -> Errors:
    prior = pixel_prior(TINY, schedule)
    truth = draw(prior, 1, seed=5).view(1, *TINY)
    measurement: Measurement[Any] = simulate(Mask(hidden), Gaussian(sigma), truth, Seeds(3))
    return errors(prior, measurement, sample(blended, prior, measurement, 4000, **options))


def test_repeats_bring_what_is_hidden_to_the_posterior() -> None:
    once = drawn(SCHEDULES["flow"], HALF, steps=100, repeats=1)
    often = drawn(SCHEDULES["flow"], HALF, steps=100, repeats=10)
    assert often.bias < 0.1 < 0.12 < once.bias
    assert often.shape < 0.12 < 0.2 < once.shape


def test_pixels_without_noise_are_kept() -> None:
    hidden = box_mask(4, 6, 2, 2)
    measurement = observed(hidden, 0.0)
    found = last(blended, measurement, pixel_prior(SHAPE, SCHEDULES["vp"]), Seeds(0, 1), steps=5)
    assert torch.equal(measurement.operator(found.x), measurement.y)
    assert bool((found.x[hidden.expand_as(found.x)] != 0).all())


def test_a_cropped_picture_is_a_picture_of_which_less_is_known() -> None:
    inner = box_mask(4, 6, 1, 1, top=2, left=3)
    whole = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    whole[..., 1:5, 2:8] = inner
    y = observed(inner, 0.05).y
    cropped = Mask(inner) @ Crop(1, 2, 4, 6, 8, 8)
    padded = Measurement(torch.nn.functional.pad(y, (2, 0, 1, 3)), Mask(whole), Gaussian(0.05))
    prior = pixel_prior((3, 8, 8), SCHEDULES["vp"])
    found = last(blended, Measurement(y, cropped, Gaussian(0.05)), prior, Seeds(0, 1), steps=4)
    torch.testing.assert_close(found.x, last(blended, padded, prior, Seeds(0, 1), steps=4).x)


@pytest.mark.parametrize("operator", [Blur(KERNEL), Identity() @ Blur(KERNEL)], ids=repr)
def test_operators_that_mix_pixels_are_refused(operator: LinearOperator) -> None:
    measurement = simulate(operator, Gaussian(0.05), picture(SHAPE, 2), Seeds(0, 1))
    job = blended(measurement, pixel_prior(SHAPE, SCHEDULES["vp"]), Seeds(0, 1))  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match=r"operator: .* mixes or scales pixels; .* such as diffpir"
    ):
        next(job)
    with pytest.raises(TypeError, match="blended needs a Mask"):
        solvers.check(blended, Curve(), {})


def test_masks_that_leave_no_patch_whole_are_refused() -> None:
    checks = (torch.arange(4)[:, None] + torch.arange(6)) % 2 == 0
    measurement = observed(checks)
    pixels = last(blended, measurement, pixel_prior(SHAPE, SCHEDULES["vp"]), Seeds(0, 1), steps=2)
    assert bool(pixels.x.isfinite().all())
    with pytest.raises(ValueError, match="no patch of 2 x 2 pixels is known as a whole"):
        next(blended(measurement, Halved(SHAPE, SCHEDULES["vp"]), Seeds(0, 1)))
    # nothing known at all is a sample of the prior
    nothing = observed(torch.ones(4, 6, dtype=torch.bool))
    last(blended, nothing, Halved(SHAPE, SCHEDULES["vp"]), Seeds(0, 1), steps=2)


def test_states_that_are_no_grid_are_refused() -> None:
    prior = latent_prior(SHAPE, SCHEDULES["vp"])
    with pytest.raises(ValueError, match=r"prior: .* no grid of patches"):
        next(blended(observed(box_mask(4, 6, 2, 2)), prior, Seeds(0, 1)))


@pytest.mark.parametrize("repeats", [0, -1])
def test_no_repeats_are_refused(repeats: int) -> None:
    prior = pixel_prior(SHAPE, SCHEDULES["vp"])
    with pytest.raises(ValueError, match="repeats must be at least 1"):
        next(blended(observed(box_mask(4, 6, 2, 2)), prior, Seeds(0, 1), repeats=repeats))


def test_levels_below_the_noise_are_not_repeated() -> None:
    prior = Counting(pixel_prior(SHAPE, SCHEDULES["flow"]))
    measurement = observed(box_mask(4, 6, 2, 2), 0.3)
    last(blended, measurement, prior, Seeds(0, 1), steps=10, repeats=3)
    # sigma / alpha >= 0.3 at the ends of steps 1 to 7, of the levels 0.9 to 0.3
    assert prior.evaluations == 3 * 7 + 3
