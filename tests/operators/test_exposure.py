"""A camera's chain near a picture: slopes, censoring, and the errors of a JPEG's coefficients."""

import io
import math
from dataclasses import replace

import numpy
import pytest
import torch
from PIL import Image
from scipy.optimize import lsq_linear
from torch import Tensor

from operators import (
    Blur,
    Crop,
    Gamma,
    Gaussian,
    Jpeg,
    Measurement,
    Noise,
    Seeds,
    Uneven,
    kernels,
    simulate,
)
from operators.base import Identity
from operators.coefficients import Coefficients
from operators.exposure import AIM, Camera, Exposure
from operators.jpeg import Subsampling
from operators.linearised import Linearisable, expected, linearised, projected
from tests.drawings import scene

BLUR = Blur(kernels.motion(7, 30), "valid")


def picture(side: int = 48, seed: int = 0) -> Tensor:
    tint = torch.tensor([1.0, 0.8, 0.6]).reshape(1, 3, 1, 1)
    return (scene(side, seed) * tint).double()


def residual(seen: Measurement[Linearisable], x: Tensor) -> Tensor:
    near = linearised(seen, x)
    return near.residual(x)


@pytest.mark.parametrize("jpeg", [None, Jpeg(75), Jpeg(60, "4:2:2", 6)])
def test_the_slope_is_that_of_automatic_differentiation(jpeg: Jpeg | None) -> None:
    crop = Crop(2, 3, 31, 29, 36, 34)
    operator = Exposure(BLUR, Camera(jpeg=jpeg)) @ crop
    x, direction = picture(36)[..., :34], picture(36, 1)[..., :34] - 0.5
    y = 0.5 + 0 * operator(x)
    near = linearised(Measurement(y, operator, Gaussian(0.01)), x)

    def coded(z: Tensor) -> Tensor:
        values = Gamma()(BLUR(Gamma().inverse(crop(z))))
        return values if jpeg is None else Coefficients(jpeg, *y.shape[-2:])(values)

    _, expected = torch.autograd.functional.jvp(coded, x, direction)
    found = near.operator(direction)
    weights = found / torch.where(expected.abs() < 1e-9, 1, expected)
    if jpeg is None:
        torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    else:  # one weight a coefficient of a block, the same in all blocks
        torch.testing.assert_close(weights[:, 0, 8:16, 8:16], weights[:, 0, :8, :8])
    gap = residual(Measurement(y, operator, Gaussian(0.01)), x + 1e-6 * direction)
    gap = (near.residual(x) - gap) / 1e-6
    torch.testing.assert_close(gap, found, atol=1e-4 * float(found.abs().max()), rtol=0)


def test_a_file_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x, jpeg = picture(), Jpeg(75)
    operator = Exposure(BLUR, Camera(jpeg=jpeg))
    seen = Measurement(operator(x), operator, Gaussian(0.01))
    reads, whole = [], Jpeg.read

    def read(self: Jpeg, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        reads.append(y)
        return whole(self, y)

    monkeypatch.setattr(Jpeg, "read", read)
    near = [linearised(seen, z) for z in (x, 0.9 * x, x)]
    assert len(reads) == 1
    torch.testing.assert_close(near[2].y, near[0].y)
    other = Measurement(0.9 * seen.y, operator, seen.noise)
    fresh = Measurement(other.y, Exposure(BLUR, Camera(jpeg=jpeg)), seen.noise)
    torch.testing.assert_close(linearised(other, x).y, linearised(fresh, x).y)


def test_a_linear_operator_is_its_own_linear_part() -> None:
    x = picture()
    measurement = simulate(BLUR, Gaussian(0.01), x, Seeds(0))
    assert linearised(measurement, x) is measurement
    assert linearised(measurement) is measurement
    assert expected(measurement, x) == 1


def test_what_is_white_is_only_known_to_be_no_less() -> None:
    x = 0.6 * picture()
    x[..., 15:30, 15:30] = 1.6
    operator = Exposure(BLUR)
    y = operator(x)
    white = y == 1
    assert 50 < int(white.sum()) < y.numel() / 2
    measurement = Measurement(y, operator, Gaussian(0.005))
    ones = torch.ones_like(x)
    brighter, dim = linearised(measurement, 1.5 * x), linearised(measurement, 0.5 * x)
    assert not bool(brighter.operator(ones)[white].any())
    assert not bool(brighter.residual(1.5 * x)[white].any())
    # what is not white has to come down, though it is predicted to be brighter than that
    wrong = linearised(measurement, 2 + 0 * x)
    assert bool((wrong.operator(ones)[y < 0.9] > 0.1).all())
    assert bool((dim.operator(ones)[white] > 0.1).all())
    assert bool((dim.residual(0.5 * x)[white] > 0).all())
    without = linearised(Measurement(y, Exposure(BLUR, Camera(clip=False)), Gaussian(0.005)), x)
    assert bool((without.operator(ones) > 0.1).all())


def compressed(x: Tensor, **options: int) -> tuple[Image.Image, Tensor]:
    levels = (255 * x[0]).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", **options)
    image = Image.open(file)
    values = torch.from_numpy(numpy.array(image, dtype=numpy.float64) / 255)
    return image, values.permute(2, 0, 1)[None]


@pytest.mark.parametrize("quality", [30, 75, 92])
@pytest.mark.parametrize(("code", "subsampling"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_a_files_own_tables_are_libjpegs(quality: int, code: int, subsampling: Subsampling) -> None:
    x = 0.1 + 0.8 * picture()
    image, y = compressed(x, quality=quality, subsampling=code)
    tables = tuple(tuple(table) for table in image.quantization.values())  # type: ignore[attr-defined]
    own = Jpeg(tables, subsampling)
    assert torch.equal(own(x), Jpeg(quality, subsampling)(x))
    loss = float((y - x).abs().mean())
    assert float((own(x) - y).abs().mean()) < 0.35 * loss
    inside = [
        ((c > low - 1.5) & (c < high + 1.5)).double().mean()
        for c, low, high in zip(own.coefficients(x), *own.interval(y), strict=True)
    ]
    assert min(map(float, inside)) > 0.995
    for c, table in zip(own.read(y), own.tables(y), strict=True):
        steps = (c / table)[:, :, :-1, :-1]
        torch.testing.assert_close(steps, steps.round(), atol=1e-9, rtol=0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_file_is_read_as_it_lies(orientation: int) -> None:
    x = 0.1 + 0.8 * picture(40)[..., :34]
    turned, plain = Jpeg(50, "4:2:2", orientation), Jpeg(50, "4:2:2")
    stored = plain(turned.stored(x))
    assert torch.equal(turned.stored(turned.upright(stored)), stored)
    assert torch.equal(turned(x), turned.upright(stored))
    for one, other in zip(turned.read(turned.upright(stored)), plain.read(stored), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("corner", [(3, 10), (8, 0), (15, 9)])
def test_a_cropped_file_is_read_in_its_own_blocks(
    corner: tuple[int, int], orientation: int
) -> None:
    """Of blocks that the crop has cut nothing is supposed, as of those that the border cuts."""
    x = 0.1 + 0.8 * picture(80)
    whole = Jpeg(50, "4:2:0", orientation)
    cropped = replace(whole, corner=corner)
    y = whole(x)
    seen = cropped.upright(whole.stored(y))
    assert seen.numel() < y.numel() - 80
    assert torch.equal(
        cropped.stored(seen)[..., corner[0] :, corner[1] :],
        whole.stored(y)[..., corner[0] :, corner[1] :],
    )
    planes = zip(cropped.read(seen), whole.read(y), *cropped.interval(seen), strict=True)
    for block, (found, truth, low, high) in zip((8, 16, 16), planes, strict=True):
        above, left = (-(-missing // block) for missing in corner)
        known = torch.zeros_like(truth, dtype=torch.bool)
        known[:, :, above:, left:] = True
        assert torch.equal(found[known], truth[known])
        assert torch.equal(low.isfinite(), known) and torch.equal(high.isfinite(), known)
    moved = seen + 0.05 * Seeds(0).normal_like(seen)
    for _ in range(40):
        moved = cropped.project(moved, seen)
    inside = zip(cropped.coefficients(moved), *cropped.interval(seen), strict=True)
    assert max(float(torch.maximum(low - c, c - high).max()) for c, low, high in inside) < 0.5


@pytest.mark.parametrize("quality", [40, 75, 95])
@pytest.mark.parametrize("sigma", [0.003, 0.015])
def test_residuals_at_the_truth_are_as_large_as_expected(quality: int, sigma: float) -> None:
    rows, columns = BLUR.image_shape((1, 3, 96, 96))[2:]
    x = 0.1 + 0.8 * picture(112)[..., :rows, :columns]
    clean = simulate(Exposure(BLUR, Camera(bits=16)), Gaussian(sigma), x, Seeds(0)).y
    _, y = compressed(clean.clamp(0, 1), quality=quality)
    operator = Exposure(BLUR, Camera(jpeg=Jpeg(quality)))
    # The 8 bits before the compression are noise, too.
    measurement = Measurement(y, operator, Gaussian(math.hypot(sigma, 1 / (255 * 12**0.5))))
    near = linearised(measurement, x)
    squares = near.residual(x).square() / near.sigma**2
    ratio = float(squares.sum() / (expected(measurement, x) * torch.ones_like(squares)).sum())
    assert 0.85 < ratio < 1.25


UNEVEN = Uneven(0.01, torch.tensor([[[[1.0, 1.0, 4.0], [1.0, 1.0, 4.0]]]]))


@pytest.mark.parametrize("jpeg", [None, Jpeg(92), Jpeg(92, orientation=6)])
def test_uneven_noise_is_weighed_where_it_lies(jpeg: Jpeg | None) -> None:
    """At the truth the noisier side is as far off, in units of the noise, as the other one."""
    rows, columns = BLUR.image_shape((1, 3, 96, 144))[2:]
    x = 0.1 + 0.8 * picture(160)[..., :rows, :columns]
    y = simulate(Exposure(BLUR, Camera(bits=16)), UNEVEN, x, Seeds(0)).y
    places = torch.arange(144.0).expand(1, 1, 96, 144)  # whole blocks: coefficients lie there
    if jpeg is not None:
        y, places = jpeg(y), jpeg.stored(places)
    operator = Exposure(BLUR, Camera(bits=16 if jpeg is None else 8, jpeg=jpeg))

    def far(noise: Noise) -> float:
        """How much farther off the right side is than the left one."""
        measurement = Measurement(y, operator, noise)
        near = linearised(measurement, x)
        squares = (near.residual(x) / near.sigma).square()
        wanted = expected(measurement, x) * torch.ones_like(squares)
        sides = [where.expand_as(squares) for where in (places < 48, places >= 120)]
        left, right = (float(squares[side].sum() / wanted[side].sum()) for side in sides)
        return right / left

    assert 0.8 < far(UNEVEN) < 1.25
    assert far(Gaussian(0.01)) > 4


def test_a_linear_operator_is_weighed_where_noise_is_uneven() -> None:
    x, seeds = picture(48).float(), Seeds(0)
    given = simulate(BLUR, UNEVEN, x, seeds)
    seen = linearised(given)
    assert seen.noise == Gaussian(0.01)
    torch.testing.assert_close(
        seen.log_likelihood(x) - given.log_likelihood(x),
        3 * UNEVEN.relative(given.y).log().sum()[None],
        rtol=1e-4,
        atol=0,
    )


def test_the_projection_into_the_bins_is_the_nearest_picture_there() -> None:
    """With 4:4:4 and nothing but JPEG that is a least-squares problem with bounds, for SciPy."""
    x = 0.1 + 0.7 * picture(8)
    jpeg = Jpeg(30, "4:4:4")
    operator = Exposure(Identity(), Camera(curve=False, clip=False, jpeg=jpeg))
    measurement = Measurement(jpeg(x), operator, Gaussian(0.004))
    start = x + 0.06 * Seeds(3).normal_like(x)
    file = Coefficients(jpeg, 8, 8)
    margin = AIM * torch.sqrt(file.deviations(0.004, x).square() + 1 / (12 * 255**2))
    low, high = file.interval(measurement.y)
    unit = torch.eye(x.numel(), dtype=x.dtype).reshape(-1, *x.shape)
    back = torch.linalg.inv(torch.stack([file(one).flatten() for one in unit], 1))
    bounds = [bound.flatten().numpy() for bound in (low - margin, high + margin)]
    goal = start.flatten().numpy()
    nearest = lsq_linear(back.numpy(), goal, bounds=tuple(bounds), tol=1e-12)
    found = operator.projected(measurement, start)
    moved = float((found - start).norm())
    assert moved > 0.03
    expected = back @ torch.from_numpy(nearest.x)
    torch.testing.assert_close(found.flatten(), expected, atol=1e-4 * moved, rtol=0)
    inside = [
        operator.told(measurement, z)["camera"]["jpeg"]["inside_bins"] for z in (start, found)
    ]
    assert inside[0][0] < 0.98 and inside[1] == [1.0]


def test_a_picture_in_the_bins_stays_and_so_does_one_without_a_file() -> None:
    x = 0.1 + 0.8 * picture()
    for jpeg in (Jpeg(60, "4:2:2", 6), None):
        operator = Exposure(BLUR, Camera(jpeg=jpeg))
        measurement = Measurement(operator(x), operator, Gaussian(0.01))
        assert torch.equal(projected(measurement, x), x)
    linear = simulate(BLUR, Gaussian(0.01), x, Seeds(0))
    assert projected(linear, x) is x


def test_a_blurred_picture_is_brought_into_the_bins() -> None:
    x = 0.1 + 0.8 * picture(60)
    operator = Exposure(BLUR, Camera(jpeg=Jpeg(75)))
    measurement = Measurement(operator(x), operator, Gaussian(0.002))
    start = (x + 0.04 * Seeds(3).normal_like(x)).clamp(0, 1)
    found = operator.projected(measurement, start)
    inside = [
        operator.told(measurement, z)["camera"]["jpeg"]["inside_bins"][0] for z in (start, found)
    ]
    assert inside[0] < 0.99 and inside[1] > 0.999
    assert float((found - x).norm()) < float((start - x).norm())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((((1,) * 63,),), "tables"),
        ((((0,) * 64,),), "steps"),
        ((50, "4:2:0", 9), "orientation"),
        ((50, "4:2:0", 1, (3, 16)), "corner"),
        ((50, "4:2:0", 1, (-1, 0)), "corner"),
        ((50, "4:1:1"), "subsampling"),
    ],
)
def test_wrong_files_are_refused(arguments: tuple[object, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Jpeg(*arguments)  # type: ignore[arg-type]


def test_the_spread_of_coefficients_is_that_of_noise() -> None:
    file = Coefficients(Jpeg(50), 160, 160)
    noise = 0.02 * Seeds(0).normal_like(torch.zeros(1, 3, 160, 160, dtype=torch.float64))
    found = file(noise)
    known = file.steps(noise) > 0
    for plane, spread in enumerate(file.deviations(0.02, noise).flatten().tolist()):
        values = found[0, plane][known[0, plane]]
        tolerance = 5 / math.sqrt(2 * len(values))
        assert float(values.std()) == pytest.approx(spread, rel=tolerance)
