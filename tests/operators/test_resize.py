"""Downsampling against torch's own resizing, explicit sums, and the generic composition."""

import pytest
import torch

from operators import Blur, Crop, Decimate, Downsample, Resize, kernels
from operators.base import ComposedLinear
from operators.decimate import DecimatedBlur
from operators.resize import Filter
from tests.operators.test_laws import lopsided

FILTERS: tuple[Filter, ...] = ("box", "bicubic", "lanczos")


def picture(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_bicubic_is_torchs_antialiased_resizing_inside(factor: int) -> None:
    """Torch drops the taps outside of the image, here they are mirrored: three pixels differ."""
    x = picture(1, 3, 16 * factor, 13 * factor)
    expected = torch.nn.functional.interpolate(
        x, scale_factor=1 / factor, mode="bicubic", antialias=True
    )
    inside = (..., slice(3, -3), slice(3, -3))
    found = Downsample(factor, "bicubic")(x)
    torch.testing.assert_close(found[inside], expected[inside], atol=1e-12, rtol=0)
    assert float((found - expected).abs().max()) > 1e-3


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5])
def test_box_is_the_mean_of_a_block(factor: int) -> None:
    x = picture(2, 3, 4 * factor, 7 * factor)
    expected = torch.nn.functional.avg_pool2d(x, factor)
    torch.testing.assert_close(Downsample(factor, "box")(x), expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_borders_are_mirrored_with_the_edge_repeated(factor: int, name: Filter) -> None:
    """An image that was mirrored by hand gives the same, even at the border."""
    x = picture(1, 1, 8 * factor, 8 * factor)
    mirrored = torch.cat([x.flip(-1), x, x.flip(-1)], dim=-1)
    wide = Downsample(factor, name)(torch.cat([mirrored.flip(-2), mirrored, mirrored.flip(-2)], -2))
    found = Downsample(factor, name)(x)
    torch.testing.assert_close(found, wide[..., 8:16, 8:16], atol=1e-14, rtol=0)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 7])
def test_pixels_are_centred_and_weights_sum_to_one(factor: int, name: Filter) -> None:
    """A ramp is measured at factor k + (factor - 1) / 2, away from the border."""
    ramp = torch.arange(20.0 * factor, dtype=torch.float64).expand(1, 1, factor, -1)
    small = Downsample(factor, name)(ramp)[0, 0, 0]
    centres = factor * torch.arange(20, dtype=torch.float64) + (factor - 1) / 2
    torch.testing.assert_close(small[4:-4], centres[4:-4], atol=1e-9, rtol=0)
    flat = torch.full((1, 1, 2 * factor, 3 * factor), 0.7, dtype=torch.float64)
    expected = torch.full((1, 1, 2, 3), 0.7, dtype=torch.float64)
    torch.testing.assert_close(Downsample(factor, name)(flat), expected, atol=1e-14, rtol=0)


def test_the_factor_four_bicubic_has_sixteen_taps() -> None:
    image = torch.zeros(1, 1, 64, 4, dtype=torch.float64)
    taps = [
        int(Downsample(4)(image.index_fill(2, torch.tensor([i]), 1.0))[0, 0, 8, 0] != 0)
        for i in range(64)
    ]
    assert sum(taps) == 16


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("width", [10, 11])
def test_decimated_circular_blur_has_a_closed_form(factor: int, width: int) -> None:
    """Against the same composition, solved by conjugate gradients."""
    blur = Blur(lopsided(5, 7), "circular")
    closed, generic = Decimate(factor) @ blur, ComposedLinear(Decimate(factor), blur)
    assert isinstance(closed, DecimatedBlur)
    x = picture(2, 3, 8 * factor, width * factor)
    y = closed(x.flip(-1))
    assert torch.equal(y, generic(x.flip(-1)))
    torch.testing.assert_close(closed.prox(x, y, 5.0), generic.prox(x, y, 5.0), atol=1e-3, rtol=0)
    assert isinstance(Decimate(2) @ Blur(kernels.gaussian(1)), ComposedLinear)
    assert isinstance(Decimate(2) @ Crop(0, 0, 2, 2, 4, 4), ComposedLinear)


@pytest.mark.parametrize("operator", [Downsample(4), Decimate(4)])
def test_sides_that_are_no_multiples_are_refused(operator: Downsample) -> None:
    with pytest.raises(ValueError, match="30 x 32 are no multiples of the factor 4"):
        operator(torch.rand(1, 3, 30, 32))


@pytest.mark.parametrize("factor", [0, -2, 1.5])
def test_factors_that_are_none_are_refused(factor: int) -> None:
    for kind in (Downsample, Decimate):
        with pytest.raises(ValueError, match="factor: got"):
            kind(factor)


def test_an_unknown_filter_is_refused() -> None:
    with pytest.raises(ValueError, match="filter: got 'cubic'; use one of box, bicubic, lanczos"):
        Downsample(2, "cubic")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("factor", [1, 2, 5])
def test_any_factor_may_be_whole(factor: int, name: Filter) -> None:
    x = picture(1, 3, 7 * factor, 9 * factor)
    resize, shrink = Resize((7 * factor, 9 * factor), (7, 9), name), Downsample(factor, name)
    assert torch.equal(resize(x), shrink(x))
    assert torch.equal(resize.adjoint(shrink(x)), shrink.adjoint(shrink(x)))


def test_factors_that_are_not_whole_are_torchs_inside() -> None:
    x = picture(1, 3, 37, 50)
    expected = torch.nn.functional.interpolate(x, (29, 31), mode="bicubic", antialias=True)
    found = Resize((37, 50), (29, 31))(x)
    inside = (..., slice(3, -3), slice(3, -3))
    torch.testing.assert_close(found[inside], expected[inside], atol=1e-12, rtol=0)


def test_an_offset_is_what_was_cropped() -> None:
    """The middle of a picture, seen from the place at which the whole was cut."""
    x, factors = picture(1, 1, 60, 60), (1.7, 2.3)
    whole = Resize((60, 60), (35, 26), factors=factors)(x)
    # Row 10 of the small one is centred on row 17.35 of the large one, here on 17.35 - 8.
    offsets = (10 * 1.7 - 8, 8 * 2.3 - 11)
    part = Resize((52, 49), (20, 14), factors=factors, offsets=offsets)(x[..., 8:, 11:])
    torch.testing.assert_close(part, whole[..., 10:30, 8:22], atol=1e-12, rtol=0)


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match="pass one that is smaller"):
        Resize((20, 20), (21, 10))
    with pytest.raises(ValueError, match="pass images of"):
        Resize((20, 20), (10, 10))(picture(1, 1, 20, 21))
    with pytest.raises(ValueError, match="filter: got 'area'"):
        Resize((20, 20), (10, 10), "area")  # type: ignore[arg-type]
