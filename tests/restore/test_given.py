"""Given kernels against kernels like them: turned, stretched and of other sizes."""

import math

import pytest
import torch
from torch import Tensor

from operators import (
    Blur,
    Camera,
    Downsample,
    Exposure,
    Gaussian,
    Jpeg,
    Measurement,
    Operator,
    PoissonGaussian,
    Seeds,
    kernels,
    simulate,
)
from restore import Restorer
from restore.blind import given
from restore.blind.given import Likelier, likelier, matrix, warped
from restore.blind.spectrum import Spectrum
from restore.certificate import CONSISTENT, STRUCTURED, UNEXPLAINED, UNLIKELY, certify
from restore.pictured import pictured_by
from tests.drawings import scene

SIGMA = 0.01
SIDE = 224


def colours(side: int = SIDE) -> Tensor:
    return scene(side) * torch.tensor([1.0, 0.8, 0.6]).reshape(1, 3, 1, 1)


def judged(true: Operator, supposed: Operator, x: Tensor | None = None) -> Likelier | None:
    x = colours() if x is None else x
    y = simulate(true, Gaussian(SIGMA), x, Seeds(*range(len(x)))).y
    found, *_ = likelier(Measurement(y, supposed, Gaussian(SIGMA)))
    return found


def moments(kernel: Tensor) -> Tensor:
    """Second moments (2, 2) of x and y."""
    rows, columns = (torch.arange(n) - n // 2 for n in kernel.shape)
    y, x = torch.meshgrid(rows.double(), columns.double(), indexing="ij")
    place = torch.stack([x, y])
    weight = kernel.double() / kernel.double().sum()
    mean = (weight * place).sum((1, 2), keepdim=True)
    return torch.einsum("hw,ihw,jhw->ij", weight, place - mean, place - mean)


@pytest.mark.parametrize(
    "point", [(0.0, 0.0, 0.0, 0.0), (0.2, 0.0, 0.0, 0.0), (-0.2, 0.4, 0.0, 0.1), (0, -1, 0.15, 0)]
)
def test_a_warped_kernel_has_the_moments_of_the_map(
    point: tuple[float, float, float, float],
) -> None:
    kernel = kernels.random_walk(31, 0.5, 3)
    by = matrix(*point)
    assert float(torch.linalg.det(by)) == pytest.approx(math.exp(2 * point[0]), rel=1e-5)
    found = warped(kernel, by)
    assert float(found.sum()) == pytest.approx(1, abs=1e-5)
    wanted = by.double() @ moments(kernel) @ by.double().T
    # interpolation spreads each weight by some tenths of a pixel, squared
    assert torch.allclose(moments(found), wanted, atol=0.25, rtol=0.03)


@pytest.mark.parametrize(
    "kernel",
    [
        kernels.disk(4),
        kernels.motion(13, 30),
        kernels.random_walk(21, 0.5, 3),
        kernels.gaussian(1.5),
    ],
)
def test_the_right_kernel_is_left_alone(kernel: Tensor) -> None:
    found = judged(Blur(kernel, "valid"), Blur(kernel, "valid"))
    assert found is not None and not found.far


@pytest.mark.parametrize("ratio", [0.8, 1.2])
def test_a_kernel_of_the_wrong_size_is_far_from_likely_and_the_size_is_told(ratio: float) -> None:
    found = judged(Blur(kernels.disk(4), "valid"), Blur(kernels.disk(4 / ratio), "valid"))
    assert found is not None and found.far
    assert found.scale == pytest.approx(ratio, rel=0.05)
    assert f"one {found.scale:.2f} times as large" in found.cure()


def test_a_turned_kernel_is_far_from_likely_and_the_angle_is_told() -> None:
    found = judged(Blur(kernels.motion(15, 30), "valid"), Blur(kernels.motion(15, 40), "valid"))
    assert found is not None and found.far
    # angles of kernels are counter-clockwise, of the picture's rows clockwise
    assert found.degrees == pytest.approx(10, abs=3)


def test_another_path_is_far_from_likely_and_no_size_of_it_is_named() -> None:
    true, other = (kernels.random_walk(31, 0.5, seed) for seed in (3, 8))
    found = judged(Blur(true, "valid"), Blur(other, "valid"))
    assert found is not None and found.far and found.cure() == ""


def test_a_photo_that_was_soft_is_no_reason() -> None:
    kernel = kernels.disk(4)
    x = Blur(kernels.gaussian(0.8), "reflect")(colours())
    found = judged(Blur(kernel, "valid"), Blur(kernel, "valid"), x)
    assert found is not None and not found.far


def test_a_camera_is_judged_by_the_light_and_its_file() -> None:
    camera = Camera(jpeg=Jpeg(90))
    right, wrong = (Exposure(Blur(kernels.disk(r), "valid"), camera) for r in (4.0, 3.2))
    found = judged(right, right)
    assert found is not None and not found.far
    found = judged(right, wrong)
    assert found is not None and found.far
    assert found.scale == pytest.approx(1.25, rel=0.08)


def test_nothing_is_said_where_a_photo_does_not_tell() -> None:
    blur = Blur(kernels.disk(2), "valid")
    x = colours()
    assert judged(Downsample(2), Downsample(2)) is None
    assert judged(blur, blur, x[..., :120, :]) is None
    assert judged(blur, blur, torch.full_like(x, 0.5)) is None
    bright = judged(blur, blur, torch.where(torch.arange(SIDE) < SIDE // 3, 1.0, x))
    assert bright is None
    assert judged(blur, Blur(kernels.motion(90, 10), "reflect")) is None
    noise = PoissonGaussian(1000.0, SIGMA)
    y = simulate(blur, noise, x, Seeds(0)).y
    assert likelier(Measurement(y, blur, noise)) == [None]


def test_each_picture_of_a_batch_is_judged_alone() -> None:
    x = torch.cat([colours(), colours().flip(3)])
    right, wrong = (Blur(kernels.disk(r), "reflect") for r in (4.0, 3.2))
    y = simulate(right, Gaussian(SIGMA), x, Seeds(0, 1)).y
    both = likelier(Measurement(y, wrong, Gaussian(SIGMA)))
    alone = [likelier(Measurement(one, wrong, Gaussian(SIGMA)))[0] for one in y.split(1)]
    assert both == alone and all(one is not None and one.far for one in both)


def test_the_certificate_refuses_a_picture_that_fits_an_unlikely_kernel() -> None:
    x = colours()
    right, wrong = (Blur(kernels.disk(r), "reflect") for r in (4.0, 3.2))
    y = simulate(right, Gaussian(SIGMA), x, Seeds(0)).y
    measured = Measurement(y, wrong, Gaussian(SIGMA))
    # as near to the photo as a picture can come through a kernel that is too narrow
    fitted = wrong.prox(x, y, 1000.0)
    found = certify(measured, fitted)
    assert found.verdict[0].startswith((UNLIKELY, STRUCTURED)) and found.accepted == [False]
    assert "times as large" in found.verdict[0]
    assert certify(measured, fitted, by_size=True).verdict == [CONSISTENT]
    assert certify(measured, x).verdict[0].startswith(UNEXPLAINED)
    assert certify(Measurement(y, right, Gaussian(SIGMA)), x).verdict == [CONSISTENT]


def test_a_kernel_that_is_less_likely_than_none_needs_to_be_less_unlikely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def climbed(observed: Spectrum, kernel: Tensor) -> tuple[tuple[float, ...], float]:
        return (0.1, 0.0, 0.0, 0.0), float(given._evidence(observed, [kernel]).max()) + 12

    monkeypatch.setattr(given, "_climbed", climbed)
    blur, sharp = Blur(kernels.disk(4), "valid"), Blur(torch.ones(1, 1), "valid")
    found = judged(blur, blur)
    assert found is not None and found.evidence > found.nats == pytest.approx(12, abs=1)
    assert not found.far
    found = judged(sharp, blur)
    assert found is not None and found.evidence < found.nats == pytest.approx(12, abs=1)
    assert found.far


def test_pictures_are_asked_where_the_spectrum_leaves_it_open() -> None:
    right, near, far = (Blur(kernels.gaussian(s), "valid") for s in (2.0, 2.3, 3.0))
    y = simulate(right, Gaussian(SIGMA), colours(), Seeds(0)).y
    asked: list[Tensor] = []
    for blur, answer in ((right, True), (far, False), (near, False), (near, True)):
        asked.clear()

        def pictured(place: int, kernel: Tensor, answer: bool = answer) -> bool:
            asked.append(kernel)
            return answer and place == 0

        (found,) = likelier(Measurement(y, blur, Gaussian(SIGMA)), pictured)
        assert found is not None
        assert found.far == (blur is far or (blur is near and answer))
        assert [float(one.sum()) for one in asked] == pytest.approx([1] * (blur is near))


def test_pictures_tell_a_kernel_from_one_that_is_nearly_right() -> None:
    right, near = (Blur(kernels.gaussian(s), "valid") for s in (2.0, 2.3))
    y = simulate(right, Gaussian(SIGMA), colours(), Seeds(0)).y
    noise, restorer = Gaussian(SIGMA), Restorer(device="cpu")
    assert not pictured_by(restorer, Measurement(y, right, noise))(0, near.kernel)
    measured = Measurement(y, near, noise)
    (alone,) = likelier(measured)
    (found,) = likelier(measured, pictured_by(restorer, measured))
    assert alone is not None and not alone.far
    assert found is not None and found.far


@pytest.mark.slow
def test_a_part_of_a_photo_that_was_turned_has_its_blocks() -> None:
    right, near = (kernels.motion(13, angle) for angle in (30, 40))
    camera = Camera(jpeg=Jpeg(85, orientation=6))
    taken = Exposure(Blur(right, "valid"), camera)
    y = simulate(taken, Gaussian(0.005), colours(240), Seeds(0)).y
    asked = pictured_by(Restorer(device="cpu"), Measurement(y, taken, Gaussian(0.005)))
    assert not asked(0, near)


def test_what_lies_around_a_part_does_not_count() -> None:
    kernel = kernels.random_walk(21, 0.5, 3)
    blur, noise = Blur(kernel, "valid"), Gaussian(SIGMA)
    y = simulate(blur, noise, colours(), Seeds(0)).y
    asked = pictured_by(Restorer(device="cpu"), Measurement(y, blur, noise))
    assert not asked(0, torch.nn.functional.pad(kernel, (25, 25, 25, 25)))  # the same, wider
