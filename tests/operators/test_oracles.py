"""Blur and downsampling of odd and even sides against kornia and scipy, border by border.

deepinv, where it is installed: tests/interop.
"""

from collections.abc import Callable
from math import ceil

import kornia
import numpy as np
import pytest
import torch
from scipy import ndimage

from operators import Blur, Downsample, kernels
from operators.convolution import Boundary
from operators.resize import Filter
from tests.operators.test_laws import lopsided

SIDES = [(16, 20), (17, 19), (16, 21)]
KERNELS = [lopsided(3, 5), lopsided(9, 11), kernels.motion(7, 30)]
EACH = pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: f"{k.shape[0]}x{k.shape[1]}")


def picture(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(5))


@EACH
@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("boundary", ["circular", "reflect", "replicate", "valid"])
def test_blur_is_kornias(kernel: torch.Tensor, sides: tuple[int, int], boundary: Boundary) -> None:
    """Its reflect does not repeat the edge either; valid is its padding."""
    x = picture(2, 3, *sides)
    border, padding = ("reflect", "valid") if boundary == "valid" else (boundary, "same")
    expected = kornia.filters.filter2d(x, kernel[None], border, padding=padding, behaviour="conv")
    torch.testing.assert_close(Blur(kernel, boundary)(x), expected, atol=1e-5, rtol=0)


@EACH
@pytest.mark.parametrize(
    ("boundary", "mode"), [("circular", "wrap"), ("reflect", "mirror"), ("replicate", "nearest")]
)
def test_blur_of_even_sides_is_scipys(kernel: torch.Tensor, boundary: Boundary, mode: str) -> None:
    """Odd ones are in test_blur.py."""
    x = picture(1, 3, *SIDES[0])
    expected = ndimage.convolve(x.numpy(), kernel.numpy()[None, None], mode=mode)
    np.testing.assert_allclose(Blur(kernel, boundary)(x).numpy(), expected, atol=1e-5)


def cubic(t: np.ndarray) -> np.ndarray:
    """Keys' cubic with a = -1/2, on |t| <= 2."""
    t = np.abs(t)
    near, far = (1.5 * t - 2.5) * t * t + 1, ((-0.5 * t + 2.5) * t - 4) * t + 2
    return np.where(t < 1, near, np.where(t < 2, far, 0))


def lanczos(t: np.ndarray) -> np.ndarray:
    """Three lobes."""
    return np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0)


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
@pytest.mark.parametrize("count", [(6, 8), (7, 9), (6, 9)])
@pytest.mark.parametrize(
    ("name", "window", "support"), [("bicubic", cubic, 2), ("lanczos", lanczos, 3)]
)
def test_downsampling_is_scipys_filter_and_a_slice(
    factor: int,
    count: tuple[int, int],
    name: Filter,
    window: Callable[[np.ndarray], np.ndarray],
    support: int,
) -> None:
    """With scipy's border `reflect`, which repeats the edge; counts of y are even, odd, mixed."""
    x = picture(1, 3, *(factor * side for side in count))
    reach = ceil(support * factor)
    # An even factor puts the centre between two pixels.
    places = np.arange(-reach, reach) + 0.5 if factor % 2 == 0 else np.arange(-reach, reach + 1.0)
    weights = window(places / factor)
    expected = x.double().numpy()
    for axis in (2, 3):
        smooth = ndimage.correlate1d(expected, weights / weights.sum(), axis, mode="reflect")
        expected = smooth.take(range(factor // 2, smooth.shape[axis], factor), axis)
    np.testing.assert_allclose(Downsample(factor, name)(x).numpy(), expected, atol=1e-5)
