"""The first picture against the dense solution of its normal equations."""

import math

import numpy as np
import pytest
import torch

from operators.base import Identity, LinearOperator
from operators.mask import Mask, box_mask
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from restore.solvers.smooth import (
    REACH,
    coarsened,
    coarsened_in_order,
    laplacian,
    refined,
    smooth_estimate,
)
from tests.solvers.toys import OPERATORS, picture


@pytest.mark.parametrize("kind", ["blur", "downsample", "mask"])
def test_it_solves_the_normal_equations(kind: str) -> None:
    operator, shape = OPERATORS[kind]
    assert isinstance(operator, LinearOperator)
    noise, (channels, height, width) = Gaussian(0.05), shape
    truth = picture(shape, 2).double()
    measurement = simulate(operator, noise, truth, Seeds(0, 1))
    eye = torch.eye(channels * height * width, dtype=torch.float64)
    dense = operator(eye.view(-1, *shape)).flatten(1).T.numpy()
    # differences between neighbours, from one-dimensional difference matrices
    down = np.kron(np.kron(np.eye(channels), np.diff(np.eye(height), axis=0)), np.eye(width))
    right = np.kron(np.kron(np.eye(channels), np.eye(height)), np.diff(np.eye(width), axis=0))
    stiffness = down.T @ down + right.T @ right + np.eye(dense.shape[1]) / REACH**2
    energy = dense.T @ dense + (0.05 / 0.1) ** 2 * stiffness
    seen, y = dense.sum(1), measurement.y.flatten(1).numpy().T
    flat = (seen @ y) / (seen @ seen)
    expected = (flat + np.linalg.solve(energy, dense.T @ (y - np.outer(seen, flat)))).T
    found = smooth_estimate(measurement, slope=0.1, iterations=200)
    np.testing.assert_allclose(found.flatten(1).numpy(), expected, rtol=0, atol=1e-6)
    # the default number of iterations comes close
    close = smooth_estimate(measurement, slope=0.1).flatten(1).numpy()
    assert np.abs(close - expected).max() < 0.05


@pytest.mark.parametrize("sides", [(41, 67), (64, 48)])
def test_a_large_hole_in_a_ramp_is_filled_with_the_ramp(sides: tuple[int, int]) -> None:
    # a linear ramp is harmonic, so it is the smoothest fill of a hole away from the borders
    height, width = sides
    ramp = torch.linspace(0.2, 0.8, width).expand(2, 3, height, width)
    operator = Mask(box_mask(height, width, height - 12, width - 12))
    found = smooth_estimate(Measurement(operator(ramp), operator, Gaussian(0.002)))
    torch.testing.assert_close(found, ramp, rtol=0, atol=0.02)


def test_a_measurement_of_nothing_is_black() -> None:
    operator = Mask(torch.ones(5, 7, dtype=torch.bool))
    found = smooth_estimate(Measurement(torch.zeros(1, 3, 5, 7), operator, Gaussian(0.1)))
    assert torch.equal(found, torch.zeros(1, 3, 5, 7))


def test_flat_pictures_stay() -> None:
    y = torch.full((1, 3, 6, 5), 0.3)
    found = smooth_estimate(Measurement(y, Identity(), Gaussian(0.1)))
    torch.testing.assert_close(found, y)


def test_the_laplacian_is_the_gradient_of_its_energy() -> None:
    x = picture((3, 5, 7), 1).double().requires_grad_()
    energy = (x.diff(dim=-1).square().sum() + x.diff(dim=-2).square().sum()) / 2
    (expected,) = torch.autograd.grad(energy, x)
    torch.testing.assert_close(laplacian(x.detach()), expected)


@pytest.mark.parametrize("factor", [1, 2, 4, 16])
def test_coarsening_is_the_transpose_of_refining(factor: int) -> None:
    fine = picture((3, 9, 11), 2).double()
    grid = (math.ceil(9 / factor), math.ceil(11 / factor))
    coarse = picture((3, *grid), 2, seed=1).double()
    left = (refined(coarse, fine) * fine).flatten(1).sum(1)
    right = (coarse * coarsened(fine, grid)).flatten(1).sum(1)
    torch.testing.assert_close(left, right)
    torch.testing.assert_close(coarsened_in_order(fine, grid), coarsened(fine, grid))
