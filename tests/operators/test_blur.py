"""Blur against scipy, numpy and dense matrices, at every border."""

from collections.abc import Callable

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from operators import Blur, GridBlur, VaryingBlur, kernels
from operators.convolution import Boundary, embedded, fold, pad
from tests.operators.dense import matrix
from tests.operators.test_laws import lopsided

SCIPY_MODES: dict[Boundary, str] = {"circular": "wrap", "reflect": "mirror", "replicate": "nearest"}
KERNELS = [lopsided(3, 3), lopsided(3, 7), lopsided(9, 11), lopsided(1, 13), kernels.disk(3.3)]


def picture(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: f"{k.shape[0]}x{k.shape[1]}")
@pytest.mark.parametrize("boundary", SCIPY_MODES)
def test_blur_is_scipys_convolution(kernel: torch.Tensor, boundary: Boundary) -> None:
    x = picture(2, 3, 17, 19)
    weights = kernel.double().numpy()[None, None]
    expected = ndimage.convolve(x.numpy(), weights, mode=SCIPY_MODES[boundary])
    numpy.testing.assert_allclose(Blur(kernel, boundary)(x).numpy(), expected, atol=1e-14)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: f"{k.shape[0]}x{k.shape[1]}")
def test_the_valid_part_is_inside_of_every_other(kernel: torch.Tensor) -> None:
    x = picture(1, 3, 17, 19)
    inner = Blur(kernel, "valid")(x)
    down, right = kernel.shape[0] // 2, kernel.shape[1] // 2
    whole = Blur(kernel, "reflect")(x)[..., down : 17 - down, right : 19 - right]
    torch.testing.assert_close(inner, whole, atol=1e-14, rtol=0)


def test_the_papers_cross_correlation_is_the_flipped_kernel() -> None:
    """Reflection padding without the edge, then conv2d, as in the papers' code."""
    kernel, x = lopsided(11, 11), picture(1, 3, 20, 23)
    padded = torch.nn.functional.pad(x, (5, 5, 5, 5), mode="reflect")
    weight = kernel.double().expand(3, 1, 11, 11)
    expected = torch.nn.functional.conv2d(padded, weight, groups=3)
    torch.testing.assert_close(Blur(kernel.flip(0, 1))(x), expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("boundary", ["circular", "reflect", "replicate"])
def test_a_flat_picture_stays_flat(boundary: Boundary) -> None:
    x = torch.full((1, 3, 30, 40), 0.37)
    torch.testing.assert_close(Blur(lopsided(21, 9), boundary)(x), x, atol=1e-6, rtol=0)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(5, 13),
    st.integers(5, 13),
    st.sampled_from(["circular", "reflect", "replicate", "valid"]),
)
def test_the_adjoint_is_the_transpose_at_every_size(
    half_height: int, half_width: int, height: int, width: int, boundary: Boundary
) -> None:
    kernel = lopsided(2 * half_height + 1, 2 * half_width + 1)
    if boundary == "valid":
        height, width = height + 2 * half_height, width + 2 * half_width
    blur, x = Blur(kernel, boundary), picture(1, 1, height, width)
    y = picture(*blur(x).shape)
    assert blur.image_shape(tuple(y.shape)) == tuple(x.shape)
    assert float((blur(x) * y).sum()) == pytest.approx(float((x * blur.adjoint(y)).sum()), 1e-12)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(0, 6), st.integers(0, 6)),
    st.tuples(st.integers(0, 6), st.integers(0, 6)),
    st.sampled_from(["reflect", "replicate"]),
)
def test_fold_is_the_transpose_that_torch_finds(
    before: tuple[int, int], after: tuple[int, int], boundary: Boundary
) -> None:
    x = picture(1, 2, 7, 8).requires_grad_()
    (top, left), (below, right) = before, after
    wide = torch.nn.functional.pad(x, (left, right, top, below), mode=boundary)
    assert torch.equal(pad(x.detach(), before, after, boundary), wide)
    ours = pad(x, before, after, boundary)  # one that gradients go through
    assert torch.equal(ours, wide)
    z = picture(*wide.shape)
    (expected,) = torch.autograd.grad(wide, x, z)
    torch.testing.assert_close(fold(z, before, after, boundary), expected, atol=1e-13, rtol=0)
    (found,) = torch.autograd.grad(ours, x, z)
    torch.testing.assert_close(found, expected, atol=1e-13, rtol=0)


def test_a_kernel_larger_than_a_circular_image_wraps() -> None:
    kernel, x = lopsided(15, 13), picture(1, 1, 5, 7)
    expected = ndimage.convolve(x.numpy(), kernel.double().numpy()[None, None], mode="wrap")
    numpy.testing.assert_allclose(Blur(kernel, "circular")(x).numpy(), expected, atol=1e-14)
    assert float(embedded(kernel, (5, 7)).sum()) == pytest.approx(1, abs=1e-6)


def test_varying_blur_mixes_blurs_by_output_pixel() -> None:
    stack = torch.stack([lopsided(5, 5), kernels.normalised(torch.eye(5))])
    x, share = picture(2, 3, 12, 11), picture(12, 11)
    varying = VaryingBlur(stack, torch.stack([share, 1 - share]))
    expected = share * Blur(stack[0])(x) + (1 - share) * Blur(stack[1])(x)
    torch.testing.assert_close(varying(x), expected, atol=1e-14, rtol=0)
    flat = torch.full_like(x, 0.4)
    torch.testing.assert_close(varying(flat), flat, atol=1e-6, rtol=0)


def test_a_blur_estimates_its_kernel_by_gradients() -> None:
    """Between two calls an optimiser changes the kernel: nothing may be remembered."""
    x = picture(1, 1, 16, 15)
    kernel = lopsided(9, 9).double().requires_grad_()
    blur = Blur(kernel)
    (gradient,) = torch.autograd.grad(blur(x).square().sum(), kernel)
    step = torch.zeros_like(kernel)
    step[2, 3] = 1e-6
    change = Blur(kernel.detach() + step)(x).square().sum() - blur(x).square().sum()
    assert float(change.detach()) / 1e-6 == pytest.approx(float(gradient[2, 3]), rel=1e-4)
    before = blur(x)
    with torch.no_grad():
        kernel += step * 1e5
    assert not torch.equal(blur(x), before)


def test_a_first_call_in_inference_mode_does_not_spoil_later_gradients() -> None:
    blur, x = Blur(lopsided(9, 9)), picture(1, 1, 16, 15)
    with torch.inference_mode():
        blur(x)
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(blur(leaf).sum(), leaf)
    torch.testing.assert_close(gradient, blur.adjoint(torch.ones_like(x)))


def test_half_precision_comes_back_in_half_precision() -> None:
    x = picture(1, 3, 16, 16)
    for boundary in ("circular", "reflect"):
        y = Blur(lopsided(9, 9), boundary)(x.bfloat16())
        assert y.dtype == torch.bfloat16
        torch.testing.assert_close(y.double(), Blur(lopsided(9, 9), boundary)(x), atol=1e-2, rtol=0)


def test_circular_blur_is_the_circulant_matrix() -> None:
    kernel = lopsided(3, 5)
    a = matrix(Blur(kernel, "circular"), (1, 1, 6, 7))
    image = torch.zeros(1, 1, 6, 7, dtype=torch.float64)
    image[0, 0, 0, 0] = 1
    spectrum = numpy.fft.fft2(Blur(kernel, "circular")(image)[0, 0].numpy())
    values = numpy.sort(numpy.abs(spectrum).ravel())
    numpy.testing.assert_allclose(numpy.linalg.svd(a.numpy())[1][::-1], values, atol=1e-12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Blur(torch.ones(4, 3)), r"kernel: got shape \(4, 3\)"),
        (lambda: Blur(torch.ones(3)), r"kernel: got shape \(3,\)"),
        (lambda: Blur(lopsided(3, 3), "mirror"), "boundary: got 'mirror'"),  # type: ignore[arg-type]
        (lambda: Blur(lopsided(9, 9))(torch.rand(1, 3, 4, 30)), "'reflect' reaches 4 x 4"),
        (lambda: Blur(lopsided(9, 9), "valid")(torch.rand(1, 3, 8, 30)), "smaller than the kernel"),
        (lambda: VaryingBlur(torch.ones(2, 3, 3), torch.ones(3, 8, 8)), "weights: got"),
    ],
)
def test_errors_name_the_argument(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_a_grid_of_kernels_blurs_each_middle_by_its_own() -> None:
    x, grid = picture(1, 2, 44, 54), torch.stack([lopsided(5, 5), kernels.disk(2)])[None]
    varying = GridBlur(grid, 40, 50)
    left, right = (Blur(kernel, "valid")(x) for kernel in grid[0])
    torch.testing.assert_close(varying(x)[..., :12], left[..., :12])
    torch.testing.assert_close(varying(x)[..., -12:], right[..., -12:])
    between = (left + right)[..., 24:26] / 2
    torch.testing.assert_close(varying(x)[..., 24:26], between, atol=0.05, rtol=0)
    same = GridBlur(lopsided(3, 5).expand(3, 4, 3, 5), 44, 54, "reflect")
    torch.testing.assert_close(same(x), Blur(lopsided(3, 5))(x), atol=1e-7, rtol=0)
    with pytest.raises(ValueError, match="kernels: got"):
        GridBlur(grid[0], 40, 50)
