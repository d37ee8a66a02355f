"""Seeds, noise and measurements: distributions, gradients, and one image = the same anywhere."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, distributions

from operators import (
    Blur,
    Crop,
    Downsample,
    Gaussian,
    Identity,
    Mask,
    Measurement,
    Noise,
    PoissonGaussian,
    Seeds,
    Uneven,
    kernels,
    random_mask,
    simulate,
)

NOISES: list[Noise] = [Gaussian(0.1), PoissonGaussian(0.02, 0.05)]
UNEVEN = Uneven(0.1, torch.linspace(1, 3, 20, dtype=torch.float64).reshape(1, 1, 4, 5))


def picture(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


class TestSeeds:
    @pytest.mark.parametrize("draw", ["normal_like", "uniform_like", "poisson"])
    def test_an_image_is_the_same_alone_and_anywhere_in_a_batch(self, draw: str) -> None:
        x = picture(1, 3, 4, 5).expand(3, 3, 4, 5)
        batch = getattr(Seeds(7, 8, 9), draw)(x)
        for place, seed in enumerate((7, 8, 9)):
            assert torch.equal(getattr(Seeds(seed), draw)(x[:1]), batch[place : place + 1])
        assert not torch.equal(batch[0], batch[1])

    def test_numbers_do_not_depend_on_the_precision(self) -> None:
        x = torch.zeros(1, 3, 4, 5)
        single, double = Seeds(3).normal_like(x), Seeds(3).normal_like(x.double())
        assert double.dtype == torch.float64
        assert torch.equal(single.double(), double)

    def test_streams_advance_and_leave_the_global_one_alone(self) -> None:
        state = torch.get_rng_state()
        seeds = Seeds(3)
        first, second = (seeds.normal_like(torch.zeros(1, 9)) for _ in range(2))
        assert not torch.equal(first, second)
        assert torch.equal(torch.get_rng_state(), state)

    def test_the_distributions(self) -> None:
        """Sample moments of 40 000 draws, at five standard errors."""
        x = torch.full((2, 20_000), 2.5)
        seeds = Seeds(0, 1)
        for draw, mean, variance in (
            (seeds.normal_like(x), 0, 1),
            (seeds.uniform_like(x), 0.5, 1 / 12),
            (seeds.poisson(x), 2.5, 2.5),
        ):
            assert float(draw.mean()) == pytest.approx(mean, abs=5 * math.sqrt(variance / 40_000))
            assert float(draw.var()) == pytest.approx(variance, rel=0.06)

    def test_a_batch_of_another_size_is_refused(self) -> None:
        with pytest.raises(ValueError, match="seeds: 2 for a batch of 3 images"):
            Seeds(0, 1).normal_like(torch.zeros(3, 2))
        with pytest.raises(ValueError, match="seeds: none given"):
            Seeds()

    def test_they_say_what_they_are(self) -> None:
        assert repr(Seeds(4, 5)) == "Seeds(4, 5)"
        assert len(Seeds(4, 5)) == 2


class TestNoise:
    def test_the_likelihood_is_torchs_normal_density(self) -> None:
        y, clean = picture(2, 3, 4, 5), picture(2, 3, 4, 5).flip(0)
        for noise, deviation in (
            (Gaussian(0.1), torch.full_like(clean, 0.1)),
            (PoissonGaussian(0.02, 0.05), (0.02 * clean + 0.05**2).sqrt()),
            (UNEVEN, 0.1 * UNEVEN.factors.expand_as(clean)),
        ):
            normal = distributions.Normal(clean, deviation)
            density = normal.log_prob(y).sum((1, 2, 3))
            torch.testing.assert_close(noise.log_likelihood(y, clean), density)

    @pytest.mark.parametrize("noise", [*NOISES, UNEVEN], ids=repr)
    def test_the_score_is_the_gradient_of_the_likelihood(self, noise: Noise) -> None:
        y, clean = picture(2, 3, 4, 5), (picture(2, 3, 4, 5) - 0.2).requires_grad_()
        (expected,) = torch.autograd.grad(noise.log_likelihood(y, clean).sum(), clean)
        torch.testing.assert_close(noise.score(y, clean.detach()), expected)

    @pytest.mark.parametrize("noise", NOISES, ids=repr)
    def test_samples_have_the_variance_and_are_not_clipped(self, noise: Noise) -> None:
        """40 000 draws a level: the sample variance errs by 0.7 %, the mean by 0.5 % of sigma."""
        clean = torch.tensor([0.01, 0.5, 1.0])[:, None].expand(3, 40_000)
        y = noise.sample(clean, Seeds(0, 1, 2))
        torch.testing.assert_close(y.var(1), noise.variance(clean)[:, 0], rtol=0.05, atol=0)
        torch.testing.assert_close(y.mean(1), clean[:, 0], atol=3e-3, rtol=0)
        assert float(y.min()) < 0
        assert float(y.max()) > 1

    def test_uneven_noise_is_as_strong_as_its_place_says(self) -> None:
        """20 000 draws a column of pixels: the middles of places have their factor."""
        noise = Uneven(0.1, torch.tensor([[[[1.0, 2.0, 4.0]]]]))
        y = noise.sample(torch.full((1, 1, 20_000, 9), 0.5), Seeds(0)) - 0.5
        spread = y[0, 0].std(0)
        torch.testing.assert_close(
            spread[[0, 4, 8]], torch.tensor([0.1, 0.2, 0.4]), rtol=0.03, atol=0
        )
        assert bool((spread.diff() > -0.002).all())
        assert repr(noise) == "Uneven(sigma=0.1, factors=1 to 4)"

    def test_no_read_noise_leaves_whole_photons(self) -> None:
        y = PoissonGaussian(0.25, 0).sample(picture(1, 3, 4, 5), Seeds(0))
        assert torch.equal((y / 0.25).round() * 0.25, y)

    @pytest.mark.parametrize(
        ("build", "message"),
        [
            (lambda: Gaussian(-0.1), "Gaussian.sigma: got -0.1"),
            (lambda: Gaussian(float("nan")), "Gaussian.sigma: got nan"),
            (lambda: PoissonGaussian(0, 0.1), "PoissonGaussian.gain: got 0"),
            (lambda: PoissonGaussian(0.1, -1), "PoissonGaussian.sigma: got -1"),
            (lambda: Uneven(0, torch.ones(1, 1, 2, 2)), "Uneven.sigma: got 0"),
            (lambda: Uneven(0.1, torch.zeros(1, 1, 2, 2)), "factors: .* least 0;"),
            (lambda: Uneven(0.1, torch.ones(2, 2)), r"Uneven.factors: got shape \(2, 2\)"),
            (lambda: Gaussian(0).log_likelihood(picture(1, 2), picture(1, 2)), "sigma: got 0"),
            (lambda: PoissonGaussian(1, 0).score(picture(1, 2), picture(1, 2)), "sigma: got 0"),
        ],
    )
    def test_errors_name_the_argument(self, build: Callable[[], object], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            build()


class TestMeasurement:
    def test_it_knows_its_residual_misfit_and_likelihood(self) -> None:
        x = picture(2, 3, 8, 8)
        measurement = simulate(Downsample(2), Gaussian(0.1), x, Seeds(0, 1))
        residual = measurement.y - Downsample(2)(x)
        torch.testing.assert_close(measurement.residual(x), residual)
        torch.testing.assert_close(measurement.misfit(x), residual.square().sum((1, 2, 3)).sqrt())
        expected = -residual.square().sum((1, 2, 3)) / 0.02 - 24 * math.log(2 * math.pi * 0.01)
        torch.testing.assert_close(measurement.log_likelihood(x), expected)
        assert measurement.image_shape == (2, 3, 8, 8)
        assert measurement.y.shape == (2, 3, 4, 4)

    def test_the_noise_is_that_of_the_seeds_on_the_measured_side(self) -> None:
        x = picture(2, 3, 8, 8)
        measurement = simulate(Downsample(2), Gaussian(0.1), x, Seeds(0, 1))
        noise = Seeds(0, 1).normal_like(measurement.y)
        torch.testing.assert_close(measurement.y, Downsample(2)(x) + 0.1 * noise)

    def test_the_gradient_of_a_perfect_fit_is_zero(self) -> None:
        x = picture(1, 3, 4, 4).requires_grad_()
        misfit = Measurement(x.detach(), Identity(), Gaussian(0.1)).misfit(x)
        (gradient,) = torch.autograd.grad(misfit.sum(), x)
        assert torch.equal(gradient, torch.zeros_like(x))

    def test_sigma_is_the_root_mean_variance(self) -> None:
        y = torch.full((1, 3, 4, 4), 0.5)
        assert Measurement(y, Identity(), Gaussian(0.025)).sigma == pytest.approx(0.025, abs=1e-12)
        mixed = Measurement(y, Identity(), PoissonGaussian(0.02, 0.05)).sigma
        assert mixed == pytest.approx(math.sqrt(0.02 * 0.5 + 0.05**2))

    def test_it_moves_with_its_operator(self) -> None:
        operator = Blur(kernels.gaussian(1)) @ Mask(random_mask(8, 8, 0.5, seed=0))
        measurement = simulate(operator, Gaussian(0.1), torch.rand(1, 3, 8, 8), Seeds(0))
        moved = measurement.to(torch.float64)
        assert moved.y.dtype == torch.float64
        assert moved.noise == measurement.noise
        assert "7 x 7" not in repr(moved.operator)
        assert "float64" in repr(moved.operator)
        assert measurement.to("meta").y.device.type == "meta"
        uneven = replace(measurement, noise=UNEVEN).to("meta").noise
        assert isinstance(uneven, Uneven)
        assert uneven.factors.is_meta

    def test_padding_is_an_operator(self) -> None:
        """A @ Crop sees a larger image and measures the same window."""
        x = picture(1, 3, 12, 12)
        window = Crop(2, 3, 8, 8, 12, 12)
        measurement = simulate(Downsample(2) @ window, Gaussian(0), x, Seeds(0))
        assert measurement.image_shape == (1, 3, 12, 12)
        torch.testing.assert_close(measurement.y, Downsample(2)(x[..., 2:10, 3:11]))
