"""Masks and crops, and the ways to draw a mask."""

from collections.abc import Callable

import pytest
import torch

from operators import Crop, Mask, box_mask, brush_mask, random_mask


def test_a_mask_loses_what_is_unknown_and_keeps_the_rest_bit_for_bit() -> None:
    x = torch.rand(2, 3, 5, 6)
    unknown = random_mask(5, 6, 0.4, seed=0)
    y = Mask(unknown)(x)
    assert torch.equal(y[..., ~unknown[0, 0]], x[..., ~unknown[0, 0]])
    assert bool((y[..., unknown[0, 0]] == 0).all())


def test_a_mask_may_differ_between_images() -> None:
    unknown = torch.cat([random_mask(4, 4, 0.5, seed=s) for s in (0, 1)])
    x = torch.rand(2, 3, 4, 4)
    expected = torch.cat([Mask(m[None])(i[None]) for m, i in zip(unknown, x, strict=True)])
    assert torch.equal(Mask(unknown)(x), expected)


def test_the_prox_of_a_mask_averages_what_is_known() -> None:
    x, y = torch.rand(1, 1, 3, 4), torch.rand(1, 1, 3, 4)
    unknown = random_mask(3, 4, 0.5, seed=0)
    expected = torch.where(unknown, x, (x + 3 * y) / 4)
    torch.testing.assert_close(Mask(unknown).prox(x, y, 3.0), expected)


def test_a_crop_is_a_slice() -> None:
    x = torch.rand(2, 3, 7, 9)
    assert torch.equal(Crop(1, 2, 4, 5, 7, 9)(x), x[..., 1:5, 2:7])
    assert float(Crop(1, 2, 4, 5, 7, 9).adjoint(torch.ones(1, 1, 4, 5)).sum()) == 20


def test_a_box_is_centred_unless_told() -> None:
    assert torch.equal(box_mask(5, 6, 1, 2)[0, 0].nonzero(), torch.tensor([[2, 2], [2, 3]]))
    assert torch.equal(box_mask(5, 6, 1, 1, top=4, left=0)[0, 0].nonzero(), torch.tensor([[4, 0]]))
    assert int(box_mask(256, 256, 128, 128).sum()) == 128**2


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.7, 1.0])
def test_a_random_mask_hides_exactly_its_fraction(fraction: float) -> None:
    mask = random_mask(13, 11, fraction, seed=3)
    assert mask.shape == (1, 1, 13, 11)
    assert mask.dtype == torch.bool
    assert int(mask.sum()) == round(fraction * 143)
    assert torch.equal(mask, random_mask(13, 11, fraction, seed=3))


def test_the_seed_makes_the_mask_and_leaves_the_global_stream_alone() -> None:
    state = torch.get_rng_state()
    assert not torch.equal(random_mask(9, 9, 0.5, seed=0), random_mask(9, 9, 0.5, seed=1))
    assert not torch.equal(brush_mask(40, 40, 2, 3.0, seed=0), brush_mask(40, 40, 2, 3.0, seed=1))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_brush_stroke_is_as_thick_as_told() -> None:
    """Its area is its length times its thickness, and a round end of at most one diameter."""
    thin, thick = (brush_mask(200, 200, 1, t, seed=4).sum() for t in (6.0, 18.0))
    assert 2.5 < float(thick / thin) < 3.6
    assert int(brush_mask(20, 20, 0, 3.0, seed=4).sum()) == 0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Mask(torch.zeros(4, 4)), r"unknown: got torch.float32 \(4, 4\)"),
        (lambda: Mask(torch.zeros(1, 4, 4, dtype=torch.bool)), "unknown: got"),
        (lambda: Mask(random_mask(4, 4, 0.5, 0))(torch.rand(1, 3, 4, 5)), "x: sides"),
        (lambda: Crop(0, 0, 3, 3, 4, 4)(torch.rand(1, 3, 5, 4)), "make a Crop for this size"),
        (lambda: Crop(2, 0, 3, 3, 4, 4), r"window: 3 x 3 at \(2, 0\) is not inside 4 x 4"),
        (lambda: Crop(0, 0, 0, 3, 4, 4), "window: 0 x 3"),
        (lambda: box_mask(4, 4, 5, 5), "window: 5 x 5"),
        (lambda: random_mask(4, 4, 70, 0), "fraction: got 70"),
        (lambda: brush_mask(4, 4, -1, 2.0, 0), "brush: got -1 strokes"),
    ],
)
def test_errors_name_the_argument(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)
