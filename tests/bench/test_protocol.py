"""The tasks are the papers': kernels, boundaries, grids, masks and noise, checked numerically."""

from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional as vision  # type: ignore[import-untyped]

from operators import kernels
from operators.blur import Blur
from operators.mask import Mask
from restore.bench.protocol import (
    BenchError,
    Picture,
    Task,
    centre_crop,
    correlation,
    default_folder,
    find_pictures,
    levin_kernels,
    load_picture,
    measure,
    tasks,
)

NAMES = ("gaussian", "motion", "x4", "box", "random")


def photo(height: int = 96, width: int = 96, seed: int = 0) -> Tensor:
    """Smooth random colours in [0, 1]."""
    noise = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    smooth = F.avg_pool2d(noise, 5, 1, 2)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


def task(name: str) -> Task:
    """The task of that name."""
    return tasks([name])[0]


def kernel_of(name: str, index: int) -> Tensor:
    """The kernel that a blurring task correlates with."""
    operator = task(name).operator(index, 256)
    assert isinstance(operator, Blur)
    return operator.kernel.flip(-2, -1)


def mask_of(name: str, index: int) -> Tensor:
    """The unknown pixels of an inpainting task."""
    operator = task(name).operator(index, 256)
    assert isinstance(operator, Mask)
    return operator.unknown


def test_gaussian_kernel_is_scipys_and_25_pixels_wide() -> None:
    delta = np.zeros((61, 61))
    delta[30, 30] = 1
    expected = scipy.ndimage.gaussian_filter(delta, 3.0)
    rows = np.flatnonzero(expected.any(1))
    assert (rows[0], rows[-1]) == (18, 42)
    kernel = kernel_of("gaussian", 0)
    assert kernel.shape == (25, 25)
    assert bool((kernel > 0).all())
    # The kernel is float32 and its largest weight 0.018.
    np.testing.assert_allclose(kernel.numpy(), expected[18:43, 18:43], atol=2e-9)


def test_motion_kernel_is_the_walk_of_seed_1000_plus_index() -> None:
    for index in (0, 7):
        expected = kernels.random_walk(61, 0.5, 1000 + index)
        assert torch.equal(kernel_of("motion", index), expected)
    assert kernel_of("motion", 0).shape == (61, 61)
    assert not torch.equal(kernel_of("motion", 0), kernel_of("motion", 1))


def test_blur_is_a_cross_correlation_reflected_without_the_edge() -> None:
    kernel = kernels.random_walk(61, 0.5, 1000)
    assert not torch.allclose(kernel, kernel.flip(0, 1))
    x = photo()
    expected = scipy.ndimage.correlate(
        x[0].double().numpy(), kernel.double().numpy()[None], mode="mirror"
    )
    # Float32 FFTs.
    np.testing.assert_allclose(correlation(kernel)(x)[0].numpy(), expected, atol=2e-6)


def cubic_weights(k: int, side: int) -> np.ndarray:
    """Row k of the x4 matrix: Keys' cubic, a = -0.5, stretched four times, mirrored borders."""
    row = np.zeros(side)
    centre = 4 * k + 1.5
    taps = np.arange(4 * k - 6, 4 * k + 10)
    t = np.abs(taps - centre) / 4
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    weights = np.where(t <= 1, near, np.where(t < 2, far, 0))
    mirrored = np.where(taps < 0, -1 - taps, np.where(taps >= side, 2 * side - 1 - taps, taps))
    np.add.at(row, mirrored, weights / weights.sum())
    return row


def test_x4_is_the_antialiased_cubic_with_mirrored_borders() -> None:
    x = photo(64, 48)
    y = task("x4").operator(0, 64)(x)
    rows = np.stack([cubic_weights(k, 64) for k in range(16)])
    columns = np.stack([cubic_weights(k, 48) for k in range(12)])
    expected = rows @ x[0].double().numpy() @ columns.T
    np.testing.assert_allclose(y[0].numpy(), expected, atol=1e-6)
    inside = F.interpolate(x, scale_factor=0.25, mode="bicubic", antialias=True)
    assert torch.allclose(y[..., 2:-2, 2:-2], inside[..., 2:-2, 2:-2], atol=1e-6)


def test_box_is_128_pixels_in_the_centre() -> None:
    expected = torch.zeros(256, 256, dtype=torch.bool)
    expected[64:192, 64:192] = True
    assert torch.equal(mask_of("box", 3)[0, 0], expected)


def test_random_mask_hides_70_percent_the_same_in_every_channel() -> None:
    unknown = mask_of("random", 3)
    assert unknown.shape == (1, 1, 256, 256)
    assert int(unknown.sum()) == round(0.7 * 256 * 256)
    assert torch.equal(unknown, mask_of("random", 3))
    assert not torch.equal(unknown, mask_of("random", 4))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sigma", [0.025, 0.05])
def test_noise_is_white_of_the_stated_sigma_and_not_clipped(name: str, sigma: float) -> None:
    black = Picture("black", "set", 5, torch.zeros(1, 3, 96, 96))
    y = measure(task(name), black, sigma).y
    assert y.shape[-1] == (24 if name == "x4" else 96)
    # Four standard errors of a deviation estimated from n numbers.
    assert abs(float(y.std()) / sigma - 1) < 4 / (2 * y.numel()) ** 0.5
    assert abs(float(y.mean())) < 4 * sigma / y.numel() ** 0.5
    assert bool((y < 0).any())


def test_measurement_depends_on_index_and_seed_only() -> None:
    first = measure(task("motion"), Picture("a", "set", 2, photo()), 0.05, seed=1)
    again = measure(task("motion"), Picture("b", "other", 2, photo()), 0.05, seed=1)
    assert torch.equal(first.y, again.y)
    for index, seed in ((3, 1), (2, 0)):
        other = measure(task("box"), Picture("a", "set", index, photo()), 0.05, seed)
        same = measure(task("box"), Picture("a", "set", 2, photo()), 0.05, seed=1)
        assert not torch.allclose(other.y, same.y, atol=0.01)


@pytest.mark.parametrize(("height", "width"), [(300, 401), (401, 300), (256, 256), (100, 90)])
def test_crop_is_torchvisions(height: int, width: int) -> None:
    x = photo(height, width)
    bilinear = vision.InterpolationMode.BILINEAR
    expected = vision.center_crop(vision.resize(x, [64], bilinear, antialias=True), [64])
    assert torch.allclose(centre_crop(x, 64), expected, atol=1e-6)


def write_photos(folder: Path, count: int) -> None:
    from PIL import Image

    folder.mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (20, 30), (i, 50, 100)).save(folder / f"{i:02}.png")


def test_standard_sets_come_in_order_and_limit_keeps_indices(tmp_path: Path) -> None:
    for name, count in (("imagenet10", 3), ("ffhq10", 4), ("set14", 2), ("bsd100", 2)):
        write_photos(tmp_path / "eval" / name, count)
    found = [(group, index) for group, index, _ in find_pictures(tmp_path, limit=2)]
    assert found == [
        ("ffhq10", 0),
        ("ffhq10", 1),
        ("imagenet10", 4),
        ("imagenet10", 5),
        ("bsd100", 7),
        ("bsd100", 8),
    ]
    assert find_pictures(tmp_path / "eval", limit=2) == find_pictures(tmp_path, limit=2)


def test_any_folder_of_photos_is_a_set(tmp_path: Path) -> None:
    write_photos(tmp_path / "holiday", 2)
    (tmp_path / "holiday" / "notes.txt").write_text("no photo")
    found = find_pictures(tmp_path / "holiday")
    picture = load_picture(*found[1], size=16)
    assert (picture.name, picture.group, picture.index) == ("01", "holiday", 1)
    assert picture.pixels.shape == (1, 3, 16, 16)
    colour = torch.tensor([1, 50, 100]).reshape(1, 3, 1, 1) / 255
    assert torch.allclose(picture.pixels, colour.expand(1, 3, 16, 16), atol=1e-6)


def test_errors_name_what_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BenchError, match="no photo"):
        find_pictures(tmp_path)
    with pytest.raises(BenchError, match="not a folder"):
        find_pictures(tmp_path / "absent")
    with pytest.raises(BenchError, match="no task 'blurr'"):
        tasks(["blurr"])
    with pytest.raises(BenchError, match=r"Levin09\.mat"):
        tasks(["levin"], tmp_path)
    monkeypatch.delenv("PHOTOMEND_DATA", raising=False)
    with pytest.raises(BenchError, match="PHOTOMEND_DATA"):
        default_folder()


def test_levin_kernels_blur_as_levins_cameras_did(data_folder: Path) -> None:
    """A kernel of Levin et al., correlated with their sharp photo, gives their blurred one."""
    pytest.importorskip("h5py")
    from restore.images import read

    eight = levin_kernels(data_folder / "eval" / "kernels" / "Levin09.mat")
    assert [kernel.shape[0] for kernel in eight] == [19, 17, 15, 27, 13, 21, 23, 23]
    scenes = data_folder / "eval" / "levin09"
    sharp = read(scenes / "gt" / "im1.png").pixels
    blurred = read(scenes / "im1_kernel4_img.png").pixels
    # The fourth kernel is the least symmetric; the real photo is shifted by a few pixels.
    errors = {}
    for name, kernel in (("as used", eight[3]), ("flipped", eight[3].flip(0, 1))):
        y = correlation(kernel)(sharp)
        shifts = [y.roll((i, j), (2, 3)) - blurred for i in range(-4, 5) for j in range(-4, 5)]
        errors[name] = min(float(d[..., 40:-40, 40:-40].std()) for d in shifts)
    assert errors["as used"] < 0.012
    assert errors["flipped"] > 3 * errors["as used"]


def test_levin_task_takes_the_kernels_in_turn(data_folder: Path) -> None:
    pytest.importorskip("h5py")
    (levin,) = tasks(["levin"], data_folder)
    kernels = levin_kernels(data_folder / "eval" / "kernels" / "Levin09.mat")
    for index in (0, 3, 11):
        operator = levin.operator(index, 256)
        assert isinstance(operator, Blur)
        assert torch.equal(operator.kernel, kernels[index % 8].flip(0, 1))
        assert float(operator.kernel.sum()) == pytest.approx(1, abs=1e-6)
