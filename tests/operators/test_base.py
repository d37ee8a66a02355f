"""Composition, conjugate gradients, and what follows from them, against dense matrices."""

import numpy
import pytest
import torch
from torch import Tensor

from operators import (
    Blur,
    Clip,
    Crop,
    Decimate,
    Downsample,
    Grayscale,
    Identity,
    LinearOperator,
    Mask,
    Mosaic,
    Shape,
    conjugate_gradients,
    kernels,
    random_mask,
)
from operators.convolution import Boundary
from tests.operators.dense import matrix
from tests.operators.test_laws import LINEAR, NONLINEAR, ROUNDING, lopsided, name

GOOD = kernels.normalised(torch.tensor([[0.0, 0.1, 0.0], [0.2, 1.0, 0.1], [0.0, 0.05, 0.0]]))
"""A kernel whose smallest transfer is far from 0, so that pseudo-inverses are well conditioned."""

CLOSED: list[tuple[LinearOperator, Shape]] = [
    (Blur(GOOD, "circular"), (1, 1, 7, 8)),
    (Blur(kernels.normalised(torch.ones(1, 5)), "circular"), (1, 1, 6, 10)),
    (Decimate(2) @ Blur(GOOD, "circular"), (1, 1, 6, 10)),
    (Decimate(2) @ Crop(1, 0, 4, 6, 7, 8), (1, 1, 7, 8)),
    (Downsample(2) @ Grayscale(), (1, 3, 6, 8)),
    (Downsample(3, "lanczos") @ Crop(1, 0, 6, 9, 8, 9), (1, 1, 8, 9)),
    (Mask(random_mask(5, 7, 0.5, seed=0)), (1, 1, 5, 7)),
    (Grayscale() @ Crop(1, 1, 3, 4, 6, 7), (1, 3, 6, 7)),
    (Mosaic(), (1, 3, 5, 4)),
]
ITERATED: list[tuple[LinearOperator, Shape]] = [
    (Blur(GOOD, "reflect"), (1, 1, 7, 8)),
    (Blur(GOOD, "replicate"), (1, 1, 7, 8)),
    (Blur(GOOD, "valid"), (1, 1, 7, 8)),
    (Blur(GOOD, "reflect") @ Mask(random_mask(7, 8, 0.3, seed=0)), (1, 1, 7, 8)),
]


def random(shape: Shape, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("operator", "shape"), CLOSED, ids=name)
def test_a_closed_form_is_the_pseudo_inverse_of_the_matrix(
    operator: LinearOperator, shape: Shape
) -> None:
    a = matrix(operator, shape).numpy()
    y = random(tuple(operator(random(shape)).shape), seed=1)
    expected = numpy.linalg.pinv(a, rcond=1e-7) @ y.flatten().numpy()
    found = operator.pinv(y).flatten().numpy()
    numpy.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize(("operator", "shape"), ITERATED, ids=name)
def test_conjugate_gradients_reach_the_pseudo_inverse(
    operator: LinearOperator, shape: Shape
) -> None:
    """They stop at 1.5e-8 of the right-hand side; the condition number multiplies that."""
    a = matrix(operator, shape).numpy()
    y = random(tuple(operator(random(shape)).shape), seed=1)
    expected = numpy.linalg.pinv(a, rcond=1e-7) @ y.flatten().numpy()
    numpy.testing.assert_allclose(operator.pinv(y).flatten().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("operator", "shape", "tolerance"),
    [(*case, 1e-11) for case in CLOSED] + [(*case, 1e-3) for case in ITERATED],
    ids=name,
)
def test_the_prox_solves_the_dense_system(
    operator: LinearOperator, shape: Shape, tolerance: float
) -> None:
    a = matrix(operator, shape).numpy()
    x = random(shape, seed=2)
    y = random(tuple(operator(x).shape), seed=1)
    weight = 3.5
    system = weight * a.T @ a + numpy.eye(x.numel())
    target = weight * a.T @ y.flatten().numpy() + x.flatten().numpy()
    found = operator.prox(x, y, weight).flatten().numpy()
    numpy.testing.assert_allclose(found, numpy.linalg.solve(system, target), atol=tolerance)


@pytest.mark.parametrize(("operator", "shape"), CLOSED, ids=name)
def test_an_infinite_weight_projects(operator: LinearOperator, shape: Shape) -> None:
    x, y = random(shape), operator(random(shape, seed=1))
    z = operator.prox(x, y, float("inf"))
    expected = x + operator.pinv(y - operator(x))
    torch.testing.assert_close(z, expected, atol=1e-11, rtol=0)
    torch.testing.assert_close(operator(z), y, atol=1e-7, rtol=0)


@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_a_weight_that_is_no_weight_is_refused(weight: float) -> None:
    x = random((1, 1, 2, 2))
    with pytest.raises(ValueError, match="weight: got"):
        Identity().prox(x, x, weight)


@pytest.mark.parametrize(("operator", "shape"), LINEAR + NONLINEAR + ROUNDING, ids=name)
def test_the_result_is_on_the_device_of_the_image(operator: LinearOperator, shape: Shape) -> None:
    """The meta device stands for any device that is not the operator's own."""
    x = torch.empty(shape, device="meta")
    y = operator(x)
    assert y.device.type == "meta"
    if isinstance(operator, LinearOperator):
        assert operator.adjoint(y).device.type == "meta"


def test_composition_applies_the_right_operator_first() -> None:
    x = torch.tensor([[[[0.25, -2.0], [3.0, 0.5]]]])
    assert torch.equal((Clip() @ Downsample(2, "box"))(x), torch.tensor([[[[0.4375]]]]))
    assert torch.equal((Downsample(2, "box") @ Clip())(x), torch.tensor([[[[0.4375]]]]))
    a, b = Crop(0, 1, 1, 1, 2, 2), Clip()
    assert torch.equal((b @ a)(x), torch.tensor([[[[0.0]]]]))
    assert not isinstance(b @ a, LinearOperator)
    assert isinstance(a @ Identity(), LinearOperator)
    assert (b @ a).image_shape((1, 3, 1, 1)) == (1, 3, 2, 2)


def test_the_scale_of_the_gram_matrix_goes_through_composition() -> None:
    crop, grey = Crop(0, 0, 2, 2, 3, 3), Grayscale()
    scale = 0.299**2 + 0.587**2 + 0.114**2
    assert (grey @ crop).gram_scale == pytest.approx(scale)
    a = matrix(grey @ crop, (1, 3, 3, 3))
    torch.testing.assert_close(a @ a.T, scale * torch.eye(4, dtype=torch.float64))
    assert (Downsample(2) @ crop).gram_scale is None


def test_moving_changes_dtypes_of_numbers_and_devices_of_everything() -> None:
    operator = Mask(random_mask(4, 4, 0.5, seed=0)).to(torch.float64)
    assert operator.unknown.dtype == torch.bool
    assert operator.to("meta").unknown.device.type == "meta"
    blur = (Crop(0, 0, 2, 2, 4, 4) @ Blur(GOOD)).to(torch.float64)
    assert "3 x 3 float64" in repr(blur)


def spd(seed: int, n: int = 12, spread: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64)).Q
    values = torch.logspace(0, spread, n, dtype=torch.float64)
    matrix: Tensor = (basis * values) @ basis.mT
    return matrix


class TestConjugateGradients:
    def test_it_solves_the_system(self) -> None:
        a, b = spd(0), random((3, 12))
        found = conjugate_gradients(lambda x: x @ a, b, tolerance=1e-12)
        torch.testing.assert_close(found, torch.linalg.solve(a, b.T).T, atol=1e-9, rtol=0)

    def test_an_image_that_is_done_stays_frozen(self) -> None:
        """An eigenvector is solved in one step; the rest of the batch needs many."""
        a = spd(0)
        easy = torch.linalg.eigh(a).eigenvectors[:, 3][None]
        batch = torch.cat([easy, random((2, 12))])
        alone = conjugate_gradients(lambda x: x @ a, easy)
        together = conjugate_gradients(lambda x: x @ a, batch)
        torch.testing.assert_close(together[:1], alone, atol=1e-15, rtol=1e-13)

    def test_it_stops_at_the_tolerance(self) -> None:
        a, b = spd(0), random((2, 12))
        coarse = conjugate_gradients(lambda x: x @ a, b, tolerance=0.1)
        ratio = (b - coarse @ a).norm(dim=1) / b.norm(dim=1)
        assert bool((ratio <= 0.1).all())
        assert bool((ratio > 1e-4).any())

    def test_it_stops_at_the_iterations(self) -> None:
        calls: list[int] = []

        def matvec(x: Tensor) -> Tensor:
            calls.append(1)
            return x @ spd(0)

        conjugate_gradients(matvec, random((2, 12)), iterations=3)
        assert len(calls) == 3

    def test_a_solution_as_the_start_is_kept(self) -> None:
        a, x = spd(0), random((2, 12))
        found = conjugate_gradients(lambda z: z @ a, x @ a, x0=x)
        assert torch.equal(found, x)

    def test_zero_gives_zero(self) -> None:
        zero = torch.zeros(2, 12)
        assert torch.equal(conjugate_gradients(lambda x: 0 * x, zero), zero)

    def test_the_exact_inverse_as_preconditioner_needs_one_step(self) -> None:
        a, b = spd(0), random((2, 12))
        inverse = torch.linalg.inv(a)
        found = conjugate_gradients(
            lambda x: x @ a, b, preconditioner=lambda r: r @ inverse, iterations=1
        )
        torch.testing.assert_close(found @ a, b, atol=1e-9, rtol=0)

    def test_gradients_flow_through_it(self) -> None:
        a, b = spd(0, n=4, spread=1.0), random((1, 4)).requires_grad_()
        assert torch.autograd.gradcheck(
            lambda b: conjugate_gradients(lambda x: x @ a, b, tolerance=1e-13), (b,)
        )


@pytest.mark.parametrize("kernel", [kernels.disk(3), lopsided(9, 5)])
def test_the_preconditioner_of_a_reflected_blur_pays(kernel: Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    r = torch.randn(1, 1, 32, 29, generator=generator, dtype=torch.float64)
    damping = torch.full((1, 1, 1, 1), 1e-2, dtype=torch.float64)
    blur, calls = Blur(kernel), []

    def matvec(s: Tensor) -> Tensor:
        calls.append(1)
        return blur(blur.adjoint(s)) + damping * s

    conjugate_gradients(matvec, r, tolerance=1e-4)
    without = len(calls)
    conjugate_gradients(matvec, r, preconditioner=blur.preconditioner(r, damping), tolerance=1e-4)
    assert len(calls) - without < 0.75 * without


@pytest.mark.parametrize("boundary", ["reflect", "replicate", "valid"])
def test_a_separable_blur_agrees_with_conjugate_gradients(boundary: Boundary) -> None:
    kernel = torch.outer(lopsided(1, 5)[0], lopsided(1, 7)[0])
    closed, iterated = Blur(kernel, boundary), Blur(kernel.clone().requires_grad_(), boundary)
    x = random((2, 3, 11, 13))
    y = closed(x.flip(-1)) + 0.1
    with torch.no_grad():
        torch.testing.assert_close(
            closed.prox(x, y, 5.0), iterated.prox(x, y, 5.0), atol=1e-3, rtol=0
        )
    a, z = matrix(closed, (1, 1, 11, 13)).numpy(), closed.prox(x, y, 5.0)[1, 2]
    system = 5 * a.T @ a + numpy.eye(143)
    target = 5 * a.T @ y[1, 2].flatten().numpy() + x[1, 2].flatten().numpy()
    numpy.testing.assert_allclose(z.flatten(), numpy.linalg.solve(system, target), atol=1e-6)
