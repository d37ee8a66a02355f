"""Classical methods against closed forms, dense matrices, scikit-image, and the observation."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from operators import Gaussian, Identity, LinearOperator, Measurement, kernels
from operators.blur import Blur
from operators.mask import Mask, box_mask, random_mask
from operators.resize import Downsample
from restore.bench import linear, variational
from restore.bench.baselines import BASELINES, TUNED_SIGMAS, WEIGHTS, for_task
from restore.bench.protocol import Picture, measure, tasks
from restore.bench.tune import tuned
from restore.metrics import psnr

NAMES = ("gaussian", "motion", "x4", "box", "random")


def photo(side: int = 64) -> Tensor:
    """A picture with shading, edges and texture in [0, 1]: (1, 3, side, side)."""
    row, column = torch.meshgrid(*[torch.linspace(0, 1, side)] * 2, indexing="ij")
    shading = torch.stack([row, 1 - column, 0.5 + 0.3 * torch.sin(9 * row * column)])
    disk = ((row - 0.4) ** 2 + (column - 0.6) ** 2 < 0.06).float()
    bar = ((column - row).abs() < 0.07).float()
    texture = 0.05 * torch.sin(40 * row) * torch.cos(35 * column)
    x = 0.2 + 0.5 * shading + 0.25 * disk - 0.2 * bar + texture
    return x.clamp(0, 1)[None]


def observed(operator: LinearOperator, y: Tensor) -> Measurement[LinearOperator]:
    """A measurement whose noise the methods do not ask for."""
    return Measurement(y, operator, Gaussian(0.025))


def dense(operator: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> np.ndarray:
    """The matrix of a linear map on one-channel images of that shape."""
    size = shape[-2] * shape[-1]
    basis = torch.eye(size, dtype=torch.float64).reshape(size, *shape[1:])
    columns = [operator(one[None]).flatten() for one in basis]
    return torch.stack(columns, 1).numpy()


@pytest.mark.parametrize(
    ("task", "method"),
    [(task, name) for task in NAMES for name in for_task(task) if name != "observation"],
)
def test_baseline_beats_the_observation(task: str, method: str) -> None:
    picture = Picture("synthetic", "set", 0, photo())
    (chosen,) = tasks([task])
    # Lanczos is sharper than the cubic, at the price of passing more noise.
    measurement = measure(chosen, picture, sigma=0.005 if method == "lanczos" else 0.05)
    score, seen = (
        float(psnr(BASELINES[name](measurement, task), picture.pixels))
        for name in (method, "observation")
    )
    assert score > seen + 0.1


def test_gradient_adjoint_is_the_transpose() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 5, 7, generator=generator, dtype=torch.float64)
    p = torch.randn(2, 2, 3, 5, 7, generator=generator, dtype=torch.float64)
    left, right = (linear.gradient(x) * p).sum(), (x * linear.gradient_adjoint(p)).sum()
    assert float(left) == pytest.approx(float(right), abs=1e-12)


@pytest.mark.parametrize(
    "operator",
    [
        Blur(kernels.motion(3, 20), "reflect"),
        Downsample(2, "bicubic"),
        Mask(random_mask(8, 6, 0.5, 1)),
    ],
    ids=["blur", "downsample", "mask"],
)
def test_tikhonov_solves_the_normal_equations(operator: LinearOperator) -> None:
    x = torch.rand(1, 1, 8, 6, generator=torch.Generator().manual_seed(1)).double()
    y, weight = operator(x), 0.1
    a = dense(operator, (1, 1, 8, 6))
    d = dense(linear.gradient, (1, 1, 8, 6))
    expected = np.linalg.solve(a.T @ a + weight * d.T @ d, a.T @ y.flatten().numpy())
    solved = linear.tikhonov(observed(operator, y), weight).flatten().numpy()
    # Conjugate gradients stop at a residual of 1e-6; the system's condition is below 100.
    np.testing.assert_allclose(solved, expected, atol=1e-4)


def test_richardson_lucy_is_its_formula() -> None:
    operator = Blur(kernels.motion(3, 20), "reflect")
    x = 0.1 + torch.rand(1, 1, 8, 6, generator=torch.Generator().manual_seed(1)).double()
    y = operator(x)
    a, data = dense(operator, (1, 1, 8, 6)), y.flatten().numpy()
    expected = data.copy()
    for _ in range(3):
        expected = expected * (a.T @ (data / (a @ expected))) / a.sum(0)
    solved = linear.richardson_lucy(observed(operator, y), 3.0).flatten().numpy()
    np.testing.assert_allclose(solved, expected, rtol=1e-6)


def test_richardson_lucy_keeps_pixels_that_no_measurement_reaches() -> None:
    shift = torch.zeros(5, 5)
    shift[1, 4] = 1
    operator, x = Blur(shift, "reflect"), photo(32)
    unreached = operator.adjoint(torch.ones_like(x)) == 0
    assert bool(unreached.any())
    y = operator(x)
    solved = linear.richardson_lucy(observed(operator, y), 3.0)
    assert torch.equal(solved[unreached], y.clamp(min=1e-3)[unreached])
    assert bool(solved.isfinite().all())


def test_wiener_undoes_a_mild_symmetric_blur_to_the_border() -> None:
    operator, x = Blur(kernels.gaussian(0.8), "reflect"), photo(32)
    solved = linear.wiener(observed(operator, operator(x)), 1e-9)
    # Float32: the smallest gain of this kernel is 0.002.
    assert torch.allclose(solved, x, atol=2e-3)


def test_wiener_puts_a_shifted_picture_back() -> None:
    shift = torch.zeros(5, 5)
    shift[1, 4] = 1
    operator, x = Blur(shift, "reflect"), photo(32)
    solved = linear.wiener(observed(operator, operator(x)), 0.0)
    assert torch.allclose(solved[..., 4:-4, 4:-4], x[..., 4:-4, 4:-4], atol=1e-5)


def test_total_variation_of_a_step_shrinks_by_the_closed_form() -> None:
    """Both sides of a step, n pixels wide, in three equal channels, move by weight / (sqrt 3 n)."""
    n, weight = 8, 0.3
    y = torch.zeros(1, 3, 4, 2 * n, dtype=torch.float64)
    y[..., n:] = 1
    solved = variational.total_variation(observed(Identity(), y), weight, iterations=2000)
    shift = weight / (3**0.5 * n)
    expected = torch.where(y > 0.5, 1 - shift, shift).to(y)
    # Primal-dual iterations end within a thousandth.
    assert torch.allclose(solved, expected, atol=1e-3)


def objective(x: Tensor, y: Tensor, weight: float) -> float:
    """Half the squared distance and the coupled total variation."""
    steps = linear.gradient(x).square().sum((0, 2)).sqrt()
    return float((x - y).square().sum() / 2 + weight * steps.sum())


def test_total_variation_is_at_least_as_low_as_scikit_images() -> None:
    restoration = pytest.importorskip("skimage.restoration")
    y = photo() + 0.1 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    weight = 0.1
    solved = variational.total_variation(observed(Identity(), y), weight)
    theirs = restoration.denoise_tv_chambolle(
        y[0].numpy(), weight=weight, eps=1e-7, max_num_iter=2000, channel_axis=0
    )
    reached = objective(torch.from_numpy(theirs)[None], y, weight)
    assert objective(solved, y, weight) < 1.002 * reached


@pytest.mark.parametrize("name", ["box", "random"])
def test_biharmonic_continues_a_cubic_surface(name: str) -> None:
    row, column = torch.meshgrid(*[torch.linspace(-1, 1, 24)] * 2, indexing="ij")
    surface = (row**3 - row * column**2 + column + 0.5)[None, None].expand(1, 3, 24, 24)
    unknown = box_mask(24, 24, 10, 8) if name == "box" else random_mask(24, 24, 0.4, 3)
    # Away from the border, where a surface that is not flat has no mirror image.
    unknown[..., :2, :] = unknown[..., -2:, :] = False
    unknown[..., :2] = unknown[..., -2:] = False
    filled = variational.biharmonic(observed(Mask(unknown), Mask(unknown)(surface)), 0.0)
    assert torch.allclose(filled, surface, atol=1e-5)


@pytest.mark.parametrize("window", ["bicubic", "lanczos"])
def test_enlarging_keeps_places(window: str) -> None:
    """A straight ramp, shrunk by four, grows back to itself away from the border."""
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64).contiguous()
    operator = Downsample(4, "bicubic")
    enlarge = linear.bicubic if window == "bicubic" else linear.lanczos
    grown = enlarge(observed(operator, operator(ramp)), 0.0)
    # Lanczos reproduces constants exactly, straight lines nearly.
    assert torch.allclose(grown[..., 16:-16], ramp[..., 16:-16], atol=2e-3)


def test_observation_fills_holes_with_the_mean_of_each_channel() -> None:
    x = photo(16)
    mask = random_mask(16, 16, 0.7, 2)
    y = Mask(mask)(x) + 0.3 * mask
    seen = linear.observation(observed(Mask(mask), y), 0.0)
    known = ~mask[0, 0]
    for channel in range(3):
        expected = float(x[0, channel][known].mean())
        assert torch.allclose(seen[0, channel][~known], torch.tensor(expected), atol=1e-6)
        assert torch.equal(seen[0, channel][known], x[0, channel][known])


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_every_weighted_method_is_tuned_for_its_tasks(name: str) -> None:
    baseline = BASELINES[name]
    for task in baseline.tasks:
        assert ((name, task) in WEIGHTS) == bool(baseline.grid)
        for sigma in TUNED_SIGMAS if baseline.grid else ():
            place = TUNED_SIGMAS.index(sigma)
            assert baseline.weight(task, sigma) == pytest.approx(WEIGHTS[name, task][place])


def test_tuning_finds_the_best_weight_of_the_grid() -> None:
    (task,) = tasks(["random"])
    pictures = [Picture("a", "set", 0, photo(32))]
    baseline = BASELINES["tikhonov"]
    chosen = tuned(baseline, task, pictures, 0.05)
    measurement = measure(task, pictures[0], 0.05)
    scores = {
        weight: float(psnr(baseline.estimate(measurement, weight), pictures[0].pixels))
        for weight in baseline.grid
    }
    assert scores[chosen] == pytest.approx(max(scores.values()), abs=1e-3)
