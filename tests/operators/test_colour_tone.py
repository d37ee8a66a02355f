"""Grey, Bayer, sRGB, saturation and rounding, against explicit values and kornia."""

import kornia
import numpy
import pytest
import torch

from operators import Clip, Gamma, Grayscale, Mosaic, Operator, Quantize


def picture(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def test_grey_is_kornias_luma() -> None:
    x = picture(2, 3, 5, 7)
    expected = kornia.color.rgb_to_grayscale(x)
    torch.testing.assert_close(Grayscale()(x), expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("pattern", ["RGGB", "BGGR", "GRBG", "GBRG"])
def test_the_mosaic_follows_its_pattern(pattern: str) -> None:
    x = picture(1, 3, 5, 7)
    y = Mosaic(pattern)(x)
    for row, column in numpy.ndindex(5, 7):
        channel = "RGB".index(pattern[2 * (row % 2) + column % 2])
        assert y[0, 0, row, column] == x[0, channel, row, column]


def test_gamma_is_kornias_srgb_and_has_an_inverse() -> None:
    x = torch.cat([picture(1, 3, 8, 8), 0.01 * picture(1, 3, 8, 8)])
    torch.testing.assert_close(Gamma()(x), kornia.color.linear_rgb_to_rgb(x), atol=1e-12, rtol=0)
    torch.testing.assert_close(Gamma().inverse(Gamma()(x)), x, atol=1e-6, rtol=0)


def test_the_gradient_of_gamma_is_finite_everywhere() -> None:
    x = torch.tensor([-1.0, 0.0, 1e-8, 0.0031308, 0.5, 2.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(Gamma()(x).sum(), x)
    assert bool(gradient.isfinite().all())
    torch.testing.assert_close(gradient[:3], torch.full((3,), 12.92))


def test_clip_saturates_and_its_gradient_vanishes_there() -> None:
    x = torch.tensor([-0.5, 0.25, 1.5], requires_grad=True)
    y = Clip()(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(y.detach(), torch.tensor([0.0, 0.25, 1.0]))
    assert torch.equal(gradient, torch.tensor([0.0, 1.0, 0.0]))


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_quantize_keeps_the_levels_and_passes_gradients_through(bits: int) -> None:
    levels = torch.linspace(0, 1, 2**bits, dtype=torch.float64)
    torch.testing.assert_close(Quantize(bits)(levels), levels, atol=1e-15, rtol=0)
    x = picture(1000).requires_grad_()
    y = Quantize(bits)(x)
    assert float((y - x).detach().abs().max()) <= 0.5 / (2**bits - 1) + 1e-12
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient, torch.ones_like(x))


@pytest.mark.parametrize("operator", [Grayscale(), Mosaic()])
def test_images_without_three_channels_are_refused(operator: Operator) -> None:
    with pytest.raises(ValueError, match=r"x: got shape \(1, 4, 2, 2\); pass RGB images"):
        operator(torch.rand(1, 4, 2, 2))


def test_other_patterns_and_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="pattern: got 'RGBG'"):
        Mosaic("RGBG")
    for bits in (0, 17):
        with pytest.raises(ValueError, match=f"bits: got {bits}"):
            Quantize(bits)
