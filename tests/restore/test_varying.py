"""Kernels of parts: of a camera that turned, of one that did not, and what is made of them."""

from pathlib import Path

import pytest
import torch
from skimage import data
from torch import Tensor

from operators import Blur, GridBlur, Seeds, kernels
from restore import api
from restore.bench.shake import kernel_at, moved, simulated
from restore.blind import Blind, correlation
from restore.blind.free import free_kernels
from restore.blind.varying import varied
from restore.images import read, write
from tests.drawings import scene

HEIGHT, WIDTH = 224, 480
LEFT, RIGHT = kernels.motion(13, 0), kernels.motion(13, 90)


def photo(left: Tensor, right: Tensor) -> Tensor:
    """A drawing (1, 3, 224, 480) whose halves are blurred differently, in noise of 0.01."""
    grid = torch.stack([place(left), place(right)])[None]
    drawn = scene(WIDTH + 12)[..., : HEIGHT + 12, :].expand(1, 3, -1, -1)
    clean = GridBlur(grid, HEIGHT, WIDTH)(drawn)
    return clean + 0.01 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))


def place(kernel: Tensor) -> Tensor:
    """In the middle of 13 x 13."""
    down, right = ((13 - side) // 2 for side in kernel.shape)
    return torch.nn.functional.pad(kernel, (right, right, down, down))


def estimate(kernel: Tensor) -> Blind:
    return Blind(kernel, "free", {}, 0.01, 0.5, {"evidence": {}, "reduction": 1})


def test_halves_that_are_blurred_differently_get_kernels_of_their_own() -> None:
    found = varied(estimate(LEFT), photo(LEFT, RIGHT))
    assert found.family == "varying" and found.parameters == {}
    rows, columns, height, width = found.kernel.shape
    assert found.report["varying"]["parts"] == [rows, columns] == [1, 3]
    assert height == width and height % 2 == 1
    assert float(found.kernel.min()) >= 0
    torch.testing.assert_close(found.kernel.sum((2, 3)), torch.ones(rows, columns))
    for row in found.kernel:
        assert correlation(row[0], LEFT) > 0.7 > 0.6 > correlation(row[0], RIGHT)
        assert correlation(row[2], RIGHT) > 0.7 > 0.6 > correlation(row[2], LEFT)
    assert 0.5 < found.confidence <= 1


def test_one_blur_for_all_stays_one() -> None:
    found = estimate(LEFT)
    assert varied(found, photo(LEFT, LEFT)) is found


def test_what_is_small_flat_or_from_half_the_size_stays() -> None:
    found = estimate(kernels.disk(3))
    assert varied(found, torch.rand(1, 3, 300, 310)) is found
    assert varied(found, torch.full((1, 3, 340, 340), 0.5)) is found
    half = Blind(found.kernel, "free", {}, 0.01, 0.5, {"evidence": {}, "reduction": 2})
    assert varied(half, torch.rand(1, 3, 340, 340)) is half


def test_a_part_without_edges_follows_its_neighbour() -> None:
    grey = torch.from_numpy(data.astronaut()[:180, 130:310]).float().mean(2)[None, None] / 255
    kernel = kernels.motion(9, 30)
    plane = Blur(kernel, "valid")(grey)[0, 0]
    planes = torch.stack([plane, torch.full_like(plane, 0.5)])
    tied = free_kernels(planes, 15, 1 - torch.eye(2))
    assert correlation(tied[1], tied[0]) > 0.9 < correlation(tied[0], kernel) + 0.1
    alone = free_kernels(planes, 15, torch.zeros(2, 2))
    assert correlation(alone[1], kernel) < 0.6


def test_the_true_kernels_are_those_of_the_moved_picture() -> None:
    """Two ways to the same blur: pictures moved, and kernels where a point of light goes."""
    path = simulated("any", torch.rand(1, 3, 80, 80), 0.01, Seeds(0, 0)).path
    points = torch.zeros(1, 1, 201, 201)
    points[0, 0, 30, 50] = points[0, 0, 100, 100] = 1
    seen = moved(points, path)
    for row, column in ((30, 50), (100, 100)):
        near = seen[0, 0, row - 20 : row + 21, column - 20 : column + 21]
        assert correlation(near.clamp(min=0), kernel_at(path, row - 100, column - 100)) > 0.98
        assert abs(float(near.sum()) - 1) < 0.02


def test_given_kernels_of_parts_are_a_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = torch.stack([kernels.motion(5, 0), kernels.motion(5, 90)])[None]
    clean = torch.rand(1, 3, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
    y = GridBlur(grid, 28, 28)(clean)
    given = api.deblur(y, kernel=grid.numpy(), noise=0.02, steps=2)
    known = api.restore(y, GridBlur(grid, 28, 28), noise=0.02, steps=2)
    assert torch.equal(given.pixels, known.pixels[..., 2:-2, 2:-2])
    laid, note = kernels.sheet(grid)
    assert laid.shape == (5, 10)
    deep = read((laid / laid.max() * 65535).round().numpy().astype("uint16"))
    write(deep, tmp_path / "kernels.png", report=note)
    torch.testing.assert_close(kernels.as_kernel(tmp_path / "kernels.png"), grid, atol=1e-4, rtol=0)
    write(deep, tmp_path / "one.png")
    assert kernels.as_kernel(tmp_path / "one.png").shape == (5, 11)
    write(deep, tmp_path / "broken.png", report={"kernels": [0, "two"]})
    with pytest.raises(ValueError, match=r"kernel: 'broken.png' cannot be read"):
        kernels.as_kernel(tmp_path / "broken.png")
