"""The certificate on cases whose chi-square is known in closed form."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from operators import (
    Blur,
    Camera,
    Downsample,
    Exposure,
    Gaussian,
    Grayscale,
    Identity,
    Jpeg,
    LinearOperator,
    Mask,
    Measurement,
    Mosaic,
    Operator,
    PoissonGaussian,
    Seeds,
    kernels,
    random_mask,
    simulate,
)
from operators.noise import Noise
from restore import Restorer
from restore.bench import protocol
from restore.certificate import (
    CONSISTENT,
    OVERFITTED,
    STRUCTURED,
    UNEXPLAINED,
    certify,
)
from tests.drawings import scene

SIGMA = 0.05
BLUR = Blur(kernels.parse("motion:9,20"), "circular")


def images(batch: int = 2, side: int = 48) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(batch, 3, side, side, generator=generator)


def observed(operator: Operator, noise: Noise, x: Tensor) -> Measurement[Operator]:
    return simulate(operator, noise, x, Seeds(*range(len(x))))


OPERATORS: list[tuple[Operator, int]] = [
    (Identity(), 3 * 48 * 48),
    (BLUR, 3 * 48 * 48),
    (Downsample(4), 3 * 12 * 12),
    (Grayscale(), 48 * 48),
    (Mosaic(), 48 * 48),
    (Mask(random_mask(48, 48, 0.7, seed=0)), 3 * (48 * 48 - round(0.7 * 48 * 48))),
]


@pytest.mark.parametrize(("operator", "count"), OPERATORS)
@pytest.mark.parametrize("noise", [Gaussian(SIGMA), PoissonGaussian(0.001, 0.02)])
def test_the_truth_has_chi_square_one(operator: Operator, count: int, noise: Noise) -> None:
    x = images()
    certificate = certify(observed(operator, noise, x), x)
    # four standard deviations of a chi-square with `count` degrees of freedom, fixed seeds
    assert all(abs(one - 1) < 4 * math.sqrt(2 / count) for one in certificate.chi_square)
    assert certificate.verdict == [CONSISTENT] * 2 and certificate.accepted == [True] * 2
    assert certificate.band[1] == pytest.approx((1 + 4 * math.sqrt(2 / count)) * 1.21)


def test_chi_square_is_the_mean_squared_residual() -> None:
    x = torch.full((1, 1, 2, 2), 0.5)
    y = x + 0.1 * torch.tensor([1.0, 2.0, 3.0, 0.0]).reshape(1, 1, 2, 2)
    certificate = certify(Measurement(y, Identity(), Gaussian(0.1)), x)
    assert certificate.chi_square == pytest.approx([14 / 4])  # (1 + 4 + 9 + 0) / 4


def test_a_posterior_draw_is_accepted_and_the_posterior_mean_has_less() -> None:
    # x ~ N(0.5, s^2), y = x + n: the mean leaves residual variance sigma^4 / (s^2 + sigma^2),
    # a draw sigma^2.
    s = 0.1
    generator = torch.Generator().manual_seed(77)  # not that of the noise
    x = 0.5 + s * torch.randn(1, 3, 64, 64, generator=generator)
    measurement = observed(Identity(), Gaussian(SIGMA), x)
    gain = s**2 / (s**2 + SIGMA**2)
    mean = 0.5 + gain * (measurement.y - 0.5)
    draw = mean + math.sqrt(gain) * SIGMA * torch.randn(mean.shape, generator=generator)
    spread = 4 * math.sqrt(2 / x.numel())
    assert certify(measurement, draw).chi_square == pytest.approx([1.0], abs=spread)
    assert certify(measurement, mean).chi_square == pytest.approx([1 - gain], rel=spread)
    assert certify(measurement, mean).accepted == certify(measurement, draw).accepted == [True]


def test_a_picture_that_repeats_the_noise_is_named() -> None:
    measurement = observed(BLUR, Gaussian(SIGMA), images())
    certificate = certify(measurement, BLUR.pinv(measurement.y))
    assert certificate.verdict == [OVERFITTED] * 2 and certificate.accepted == [False] * 2


def test_each_image_has_its_own_verdict() -> None:
    x = images()
    wrong = torch.stack([x[0], x[1].flip(1)])
    certificate = certify(observed(BLUR, Gaussian(SIGMA), x), wrong)
    assert certificate.verdict == [CONSISTENT, UNEXPLAINED]


def test_another_kernel_or_too_small_a_sigma_is_not_believed() -> None:
    x = images()
    measurement = observed(BLUR, Gaussian(SIGMA), x)
    other = Blur(kernels.parse("motion:9,-70"), "circular")
    assert certify(Measurement(measurement.y, other, Gaussian(SIGMA)), x).accepted == [False] * 2
    for claimed, accepted in [(0.92 * SIGMA, True), (0.8 * SIGMA, False)]:
        found = certify(Measurement(measurement.y, BLUR, Gaussian(claimed)), x)
        assert found.accepted == [accepted] * 2


def test_without_noise_rounding_is_the_noise() -> None:
    x = images()
    rounded = (x * 255).round() / 255
    certificate = certify(Measurement(rounded, Identity(), Gaussian(0.0)), x)
    # the square of a uniform rounding error has mean 1 and variance 4/5 in units of its variance
    assert certificate.chi_square == pytest.approx([1.0] * 2, abs=4 * math.sqrt(0.8 / 6912))
    assert certify(Measurement(x, Identity(), Gaussian(0.0)), x).accepted == [True] * 2


@pytest.mark.parametrize("outer", [Identity(), Downsample(4, "box"), Blur(kernels.parse("disk:2"))])
def test_what_lies_wholly_in_a_hole_does_not_count(outer: LinearOperator) -> None:
    unknown = torch.zeros(2, 1, 48, 48, dtype=torch.bool)
    unknown[:, :, 8:40, 8:40] = True
    unknown[1, :, :24] = True
    operator = outer @ Mask(unknown)
    x = images()
    # outer is positive: a value was measured where the known pixels have a share in it
    share = outer((~unknown).expand(-1, 3, -1, -1).float())
    count = (share > 1e-5).flatten(1).sum(1)
    certificate = certify(observed(operator, Gaussian(SIGMA), x), x)
    assert certificate.band[1] == pytest.approx((1 + 4 * math.sqrt(2 / int(count.min()))) * 1.21)
    for one, m in zip(certificate.chi_square, count.tolist(), strict=True):
        assert abs(one - 1) < 4 * math.sqrt(2 / m)


@dataclass(frozen=True, eq=False)
class Square(Operator):
    """An operator that is not linear."""

    def __call__(self, x: Tensor) -> Tensor:
        """Square."""
        return x * x

    def image_shape(self, y_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Keep the shape."""
        return y_shape


def test_any_operator_will_do_and_the_result_is_json() -> None:
    x = images()
    certificate = certify(observed(Square(), Gaussian(SIGMA), x), x)
    again = json.loads(json.dumps(certificate.to_dict()))
    assert again["accepted"] == [True, True] and len(again["band"]) == 2
    parts = {"map", "unexplained", "structure", "likelier", "sigma"}
    assert again["sigma"] == pytest.approx(SIGMA)
    assert set(again) == {"chi_square", "band", "accepted", "verdict", *parts}


def test_a_picture_that_is_not_a_number_is_not_accepted() -> None:
    x = images()
    certificate = certify(observed(Identity(), Gaussian(SIGMA), x), x * math.nan)
    assert certificate.verdict == [UNEXPLAINED] * 2


def test_another_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"x: shape \(2, 3, 4, 4\); the measurement is one of"):
        certify(observed(Identity(), Gaussian(SIGMA), images()), torch.zeros(2, 3, 4, 4))


def test_a_part_that_moved_by_itself_is_found_on_the_map() -> None:
    x = images(1, 128)
    measurement = observed(BLUR, Gaussian(SIGMA), x)
    other = measurement.y.clone()
    # an error of 1.5 sigma: chi-square 3.25 there, and 1 + 2.25 / 64 of the whole
    generator = torch.Generator().manual_seed(8)
    other[..., 64:80, 96:112] += 1.5 * SIGMA * torch.randn(1, 3, 16, 16, generator=generator)
    certificate = certify(Measurement(other, BLUR, Gaussian(SIGMA)), x)
    (parts,) = certificate.map
    assert len(parts) == len(parts[0]) == 8
    failed = [
        (row, column)
        for row, line in enumerate(parts)
        for column, one in enumerate(line)
        if one is not None and one > 2
    ]
    assert failed == [(4, 6)]
    assert certificate.unexplained == [pytest.approx(1 / 64)]
    assert certificate.accepted == [True] and certificate.verdict == [
        f"{CONSISTENT}, but for 1.6% of it"
    ]


@pytest.mark.parametrize("corner", [(0, 0), (3, 10)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_map_of_a_turned_file_is_upright(orientation: int, corner: tuple[int, int]) -> None:
    jpeg = Jpeg(92, orientation=orientation, corner=corner)
    x = 0.1 + 0.8 * scene(144)[..., :100, :].expand(1, 3, -1, -1)
    y = x.clone()
    y[..., :20, -40:] += 0.2 * Seeds(0).normal_like(y[..., :20, -40:])
    operator = Exposure(Identity(), Camera(jpeg=jpeg))
    found = certify(Measurement(jpeg(y.clamp(0, 1)), operator, Gaussian(0.01)), x).map[0]
    parts = torch.tensor([[part or 0.0 for part in row] for row in found])
    assert parts.shape == (6, 9)
    assert float(parts[0, -1]) > 20
    parts[:2, -4:] = 0  # a block of chroma is as wide as a part
    assert float(parts.max()) < 3


def test_parts_without_a_measurement_are_empty_and_the_whole_is_the_mean_of_the_rest() -> None:
    x = images(1, 64)
    unknown = torch.zeros(64, 64, dtype=torch.bool)
    unknown[16:48, 16:48] = True
    certificate = certify(observed(Mask(unknown), Gaussian(SIGMA), x), x)
    (parts,) = certificate.map
    known = [one for line in parts for one in line if one is not None]
    assert len(known) == 12 and all(
        parts[row][column] is None for row in (1, 2) for column in (1, 2)
    )
    assert sum(known) / 12 == pytest.approx(certificate.chi_square[0], abs=1e-3)
    assert certificate.unexplained == [0.0]


@pytest.mark.parametrize(
    ("right", "wrong", "contrast"),
    [
        *(
            (kernels.random_walk(61, 0.5, n), kernels.random_walk(51, 0.5, n), 0.1)
            for n in range(3)
        ),
        (kernels.disk(4.0), kernels.disk(4.5), 0.4),
        (kernels.motion(15, 30), kernels.motion(17, 30), 0.4),
    ],
)
def test_a_kernel_that_is_nearly_right_leaves_the_size_of_noise_but_no_noise(
    right: Tensor, wrong: Tensor, contrast: float
) -> None:
    x = 0.5 + contrast * (scene(160).expand(1, 3, -1, -1) - 0.5)
    measurement = simulate(Blur(right, "circular"), Gaussian(0.025), x, Seeds(0))
    assert certify(measurement, x).verdict == [CONSISTENT]
    blur = Blur(wrong, "circular")
    other = Measurement(measurement.y, blur, measurement.noise)
    nearest = blur.prox(x, measurement.y, 0.05)
    found = certify(other, nearest)
    assert found.chi_square[0] < found.band[1]
    assert found.verdict[0].startswith(STRUCTURED) and found.accepted == [False]
    judged = certify(other, nearest, by_size=True)
    assert judged.accepted == [True] and judged.verdict[0].startswith(CONSISTENT)


@pytest.mark.parametrize(("size", "accepted"), [(0.002, True), (0.018, True), (0.03, False)])
def test_smooth_errors_as_large_as_what_was_removed_are_accepted(
    size: float, accepted: bool
) -> None:
    x = 0.3 + 0.4 * scene(160).expand(1, 3, -1, -1)
    measurement = simulate(Identity(), Gaussian(0.005), x, Seeds(0))
    rows = torch.arange(160)[:, None] / 160
    error = size * math.sqrt(2) * torch.sin(2 * torch.pi * 5 * rows).expand_as(x)
    found = certify(measurement, x + error, removed=0.02)
    assert found.accepted == [accepted] and found.structure == [None]
    assert found.chi_square[0] == pytest.approx((size**2 + 0.005**2) / found.sigma**2, rel=0.02)
    assert certify(measurement, x + error).accepted == [False]


@pytest.mark.parametrize(("rows", "accepted"), [(16, True), (48, False)])
def test_errors_of_an_estimate_may_not_lie_in_a_fifth_of_the_photo(
    rows: int, accepted: bool
) -> None:
    """They were counted as noise, and are large there and small elsewhere."""
    x = scene(192).expand(1, 3, -1, -1)
    measurement = simulate(Identity(), Gaussian(0.025), x, Seeds(0))
    error = torch.zeros_like(x)
    error[..., :rows, :] = 0.85 * 0.025
    found = certify(measurement, x + error, by_size=True)
    assert found.chi_square[0] < found.band[1]
    assert found.unexplained[0] == pytest.approx(rows / 192, abs=0.03)
    assert found.accepted == [accepted]
    if not accepted:
        assert found.verdict[0].startswith("does not explain 25.0% of the photo")


@pytest.mark.parametrize(
    "operator", [Identity(), BLUR, Downsample(4), Mosaic(), Mask(random_mask(48, 64, 0.5, 0))]
)
def test_noise_alone_is_no_structure(operator: Operator) -> None:
    x = torch.full((200, 3, 48, 64), 0.5)
    found = certify(observed(operator, Gaussian(SIGMA), x), x)
    assert sum(verdict == STRUCTURED for verdict in found.verdict) == 0


def test_structure_is_the_chi_square_of_the_frequencies_that_exceed_their_chance_most() -> None:
    # a cosine of amplitude a has a^2 h w / 2, at two frequencies of a ring that begins where there
    # are 64 x 64 within and ends where there are twice as many
    side, a = 256, 0.3
    x = torch.full((1, 1, side, side), 0.5)
    wave = a * torch.cos(2 * math.pi * 37 * torch.arange(side) / side)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(5))
    found = certify(Measurement(x + SIGMA * (noise + wave), Identity(), Gaussian(SIGMA)), x)
    assert found.structure[0] is not None
    value, most = found.structure[0]
    count, power = 64**2, a**2 * side**2 / 2
    # four deviations of the noise's own, and of its product with the cosine
    chance = 4 * math.sqrt(2 * count + 4 * power) / count
    assert value == pytest.approx(1 + power / count, abs=chance)
    assert most == pytest.approx((1 + 4 * math.sqrt(2 / count)) * 1.21, rel=1e-2)
    assert found.chi_square[0] < 1.1 and found.verdict == [STRUCTURED]


def test_power_where_the_kernel_passes_nothing_is_seen_beside_much_that_it_passes() -> None:
    # over the 2048 frequencies of the ring it would be within their chance, over an eighth not
    side = 256
    x = scene(side)
    blur = Blur(kernels.motion(8), "circular")
    wave = 0.12 * SIGMA * torch.cos(2 * math.pi * (side // 8) * torch.arange(side) / side)
    measurement = observed(blur, Gaussian(SIGMA), x)
    assert certify(measurement, x).verdict == [CONSISTENT]
    found = certify(Measurement(measurement.y + wave, blur, measurement.noise), x)
    assert found.chi_square[0] < 1.1 and found.verdict == [STRUCTURED]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong", "sigma", "share"),
    [
        (
            partial(kernels.random_walk, 61, 0.5),
            partial(kernels.random_walk, 51, 0.5),
            0.025,
            1 / 6,
        ),
        (lambda _: kernels.disk(4.0), lambda _: kernels.disk(4.5), 0.01, 1 / 12),
    ],
)
def test_the_verdict_on_photographs(
    data_folder: Path,
    right: Callable[[int], Tensor],
    wrong: Callable[[int], Tensor],
    sigma: float,
    share: float,
) -> None:
    """The default solver with the right kernel, and with one nearly right in its place."""
    accepted: dict[bool, list[bool]] = {True: [], False: []}
    for found in protocol.find_pictures(data_folder, 4):
        picture = protocol.load_picture(*found)
        seed = 1000 + picture.index
        blurs = {True: Blur(right(seed), "valid"), False: Blur(wrong(seed), "valid")}
        y = simulate(blurs[True], Gaussian(sigma), picture.pixels, Seeds(seed)).y
        for n, blur in blurs.items():
            result = Restorer()(y, blur, noise=sigma)
            accepted[n] += result.report["certificate"]["accepted"]
    assert sum(accepted[True]) >= 0.95 * len(accepted[True])
    # by the size of what is left alone all but two or so of twelve would be
    assert sum(accepted[False]) <= share * len(accepted[False])
