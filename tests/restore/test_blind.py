"""Kernels found in blurred drawings, and refusals where there is nothing to find."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from operators import Blur, kernels
from operators.convolution import embedded
from restore.blind import Blind, NotBlurred, Unknowable, correlation, estimate, estimate_kernel
from restore.blind.families import FAMILIES, Candidate
from restore.blind.seen import View
from restore.blind.spectrum import _SPREADS, _WEIGHT, EPSILON, EXACT, SLOPE, _leaked, _welch
from restore.guessed import NATS
from tests.drawings import NOISE, blurred, scene


def check(found: Blind, kernel: Tensor, least: float) -> None:
    weights = found.kernel
    assert weights.ndim == 2 and all(side % 2 for side in weights.shape)
    assert float(weights.min()) >= 0
    assert float(weights.sum()) == pytest.approx(1, abs=1e-5)
    places = [torch.arange(side) - side // 2 for side in weights.shape]
    assert abs(float((weights.sum(1) * places[0]).sum())) <= 0.6
    assert abs(float((weights.sum(0) * places[1]).sum())) <= 0.6
    assert correlation(weights, kernel) >= least
    assert 0 <= found.confidence <= 1


def test_straight_motion() -> None:
    kernel = kernels.motion(12, 30)
    found = estimate_kernel(blurred(kernel))
    check(found, kernel, 0.98)
    assert found.family == "motion"
    assert found.parameters == {
        "length": pytest.approx(12, rel=0.05),
        "angle": pytest.approx(30, abs=2),
    }
    assert found.noise == pytest.approx(NOISE, rel=0.1)


def test_defocus_in_colour() -> None:
    kernel = kernels.disk(4)
    found = estimate_kernel(blurred(kernel, channels=3), family="disk")
    check(found, kernel, 0.98)
    assert found.parameters == {"radius": pytest.approx(4, rel=0.05)}
    assert found.kernel.dtype == torch.float32


def test_gaussian() -> None:
    kernel = kernels.gaussian(2)
    found = estimate_kernel(blurred(kernel), family="gaussian", sigma=NOISE)
    check(found, kernel, 0.98)
    # A Gaussian has no zeros: how soft the scene is by itself, the slope's prior has to tell.
    assert found.parameters == {"sigma": pytest.approx(2, rel=0.15)}
    assert found.noise == NOISE


@pytest.mark.parametrize("family", ["gaussian", "disk", "motion"])
def test_what_a_program_blurred_without_noise_tells_exactly(family: str) -> None:
    """A Gaussian, of which nearly all is weaker than what photos else keep, is no disk."""
    drawn = {"gaussian": (2,), "disk": (4,), "motion": (15, 30)}
    kernel = FAMILIES[family].draw(*drawn[family])
    seen = (Blur(kernel, "valid")(scene()) * 255).round() / 255
    found = estimate_kernel(seen)
    assert found.family == family and not found.changed
    assert correlation(found.kernel, kernel) > 0.9995
    assert found.report["exact"] > NATS


@pytest.mark.parametrize("kernel", [kernels.motion(15, 30), kernels.disk(4)])
def test_what_leaks_into_the_zeros_of_a_kernel_is_known(kernel: Tensor) -> None:
    """Of noise, whose spectrum is flat, a kernel leaves its own."""
    noise = torch.randn(1, 1, 1400, 1400, generator=torch.Generator().manual_seed(0))
    powers = _welch(Blur(kernel, "valid")(noise.double())[0, 0], 128)
    sharp = torch.fft.rfft2(embedded(kernel.double(), (128, 128))).abs().square()
    usable = (slice(2, -2), slice(2, 63))
    zeros = sharp[usable] <= sharp[usable].quantile(0.03)
    seen, told = (one[usable][zeros] for one in (powers, _leaked(sharp[None])[0]))
    assert float(sharp[usable][zeros].mean()) < 0.2 * float(seen.mean())
    assert float(told.mean()) == pytest.approx(float(seen.mean()), rel=0.1)
    assert float((told / seen).log().std()) < 0.4


@pytest.mark.parametrize("epsilon", [EPSILON, EXACT])
def test_the_evidence_is_the_most_that_any_spectrum_has(epsilon: float) -> None:
    """By scipy's own search."""
    view = View.of(blurred(kernels.motion(12, 30)), NOISE, None, light=False)
    seen = replace(view.spectrum(), epsilon=epsilon)
    drawn = [kernels.disk(3), kernels.gaussian(2), kernels.motion(12, 30), torch.ones(1, 1)]
    mean, weight = np.array([0, SLOPE, 0, 0, 0, 0]), seen.pieces * _WEIGHT
    basis, powers, variance = (part.numpy() for part in (seen.basis, seen.powers, seen.variance))
    for given, found in zip(seen._gains(drawn), seen.evidence(drawn), strict=True):
        gains = given.numpy()

        def cost(c: Any, gains: Any = gains) -> float:
            mu = gains * np.exp(np.minimum(basis @ c, 40)) + variance
            far = (c - mean)[1:] / _SPREADS
            return float(weight * (np.log(mu) + powers / mu).sum() + (far**2).sum() / 2)

        start = mean.copy()
        start[0] = np.log(powers.sum() / (gains * np.exp(basis @ mean)).sum())
        least = minimize(cost, start, method="BFGS")
        nats = -least.fun - float(seen._excess(torch.from_numpy(least.x)[None]))
        assert float(found) == pytest.approx(nats, abs=0.05)


def test_a_free_kernel_wins_where_no_family_fits() -> None:
    kernel = kernels.random_walk(15, 0.5, 3)
    found = estimate_kernel(blurred(kernel))
    check(found, kernel, 0.8)
    assert found.family == "free" and found.parameters == {}
    evidence = found.report["evidence"]
    free = max(value for name, value in evidence.items() if name.startswith("free"))
    assert free == max(evidence.values()) > 0


def test_the_families_tell_each_other_apart() -> None:
    for family, kernel in {"disk": kernels.disk(4), "gaussian": kernels.gaussian(2)}.items():
        found = estimate_kernel(blurred(kernel), size=15)
        assert found.family == family


def test_the_answer_repeats_and_the_photo_stays() -> None:
    y = blurred(kernels.random_walk(9, 0.5, 3))
    before = y.clone()
    one, two = (estimate_kernel(y, family="free", size=11) for _ in range(2))
    assert torch.equal(one.kernel, two.kernel) and torch.equal(y, before)
    assert one.kernel.shape == (11, 11)
    wide = estimate_kernel(y.double(), family="free", size=11).kernel
    assert wide.dtype == torch.float64
    torch.testing.assert_close(wide.float(), one.kernel, atol=0.01, rtol=0)


def test_what_is_sharp_is_refused() -> None:
    with pytest.raises(NotBlurred, match="no blur"):
        estimate_kernel(blurred(torch.ones(1, 1)))


def test_free_kernels_of_all_sizes_have_to_tell_of_a_blur() -> None:
    kernel = kernels.disk(2)
    sure = [Candidate(5.0 + n, "free", (n,), kernel) for n in (15.0, 21.0)]
    assert estimate._least([Candidate(20.0, "disk", (2.0,), kernel), *sure]) == 0
    assert estimate._least([*sure, Candidate(-1.0, "free", (31.0,), kernel)]) == 100


@pytest.mark.parametrize("family", ["motion", "free"])
def test_what_full_size_refuses_is_looked_at_in_half(
    monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    kernel = kernels.motion(18, 30)
    y = blurred(kernel, side=410)
    whole = estimate._blind

    def reluctant(view: View, *rest: Any) -> Blind:
        if view.plane.shape == y.shape[2:]:
            raise NotBlurred("image: no blur")
        return whole(view, *rest)

    monkeypatch.setattr(estimate, "_blind", reluctant)
    found = estimate_kernel(y, family=family)
    # A line of one pixel, found at half the size, is two or three pixels wide: 1 / sqrt(2.5).
    check(found, kernel, 0.98 if family == "motion" else 0.62)
    assert found.report["reduction"] == 2
    if family == "motion":
        assert found.parameters["length"] == pytest.approx(18, rel=0.1)
        assert found.parameters["angle"] == pytest.approx(30, abs=3)


def test_where_nothing_can_be_known() -> None:
    noise = 0.1 * torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    with pytest.raises(Unknowable, match="nothing but noise"):
        estimate_kernel(torch.full((1, 3, 128, 128), 0.4))
    with pytest.raises(Unknowable, match="nothing but noise"):
        estimate_kernel(0.5 + noise)
    ramp = torch.linspace(0.1, 0.9, 128).expand(1, 1, 128, 128)
    with pytest.raises(Unknowable, match="no detail"):
        estimate_kernel(ramp + noise / 5)
    squares = torch.arange(128) // 32 % 2
    with pytest.raises(Unknowable, match="nothing but white on one other shade"):
        estimate_kernel((squares[:, None] ^ squares).float().expand(1, 3, 128, 128))
    with pytest.raises(Unknowable, match="too few"):
        estimate_kernel(torch.rand(1, 3, 63, 200, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(("options", "words"), [
    ({"family": "walk"}, "family: got 'walk'"),
    ({"size": 10}, "size: got 10"),
    ({"size": 97}, "size: got 97"),
    ({"sigma": 0.0}, "sigma: got 0"),
])  # fmt: skip
def test_arguments_are_checked(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        estimate_kernel(scene(), **options)  # type: ignore[arg-type]


def test_one_photo_at_a_time() -> None:
    with pytest.raises(ValueError, match="one photo"):
        estimate_kernel(torch.zeros(2, 1, 128, 128))
