"""Kernels against scipy and kornia, their moments, and what comes out of files."""

import math
from collections.abc import Callable
from pathlib import Path

import kornia
import numpy
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import io, ndimage
from torch import Tensor

from operators import kernels


def moments(kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the kernel's (row, column), relative to its middle."""
    weights = kernel.double()
    places = torch.stack(
        torch.meshgrid(*(torch.arange(n) - n // 2 for n in kernel.shape), indexing="ij")
    ).double()
    mean = (weights * places).sum((1, 2))
    offset = places - mean[:, None, None]
    return mean, torch.einsum("ihw,jhw,hw->ij", offset, offset, weights)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0])
def test_gaussian_is_what_scipy_does_to_a_point(sigma: float) -> None:
    kernel = kernels.gaussian(sigma)
    point = numpy.zeros(kernel.shape)
    point[kernel.shape[0] // 2, kernel.shape[1] // 2] = 1
    expected = ndimage.gaussian_filter(point, sigma)
    numpy.testing.assert_allclose(kernel.numpy(), expected, atol=1e-7)


def test_the_papers_gaussian_is_25_by_25() -> None:
    assert kernels.gaussian(3.0).shape == (25, 25)


def test_gaussian_of_a_size_is_kornias() -> None:
    expected = kornia.filters.get_gaussian_kernel2d((61, 61), (3.0, 3.0))[0]
    torch.testing.assert_close(kernels.gaussian(3.0, size=61), expected, atol=1e-7, rtol=0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(
        st.builds(kernels.gaussian, st.floats(0.05, 6)),
        st.builds(kernels.motion, st.floats(0.01, 40), st.floats(-400, 400)),
        st.builds(kernels.disk, st.floats(0.01, 15)),
        st.builds(
            kernels.random_walk,
            st.sampled_from([5, 7, 31, 61]),
            st.floats(0, 3),
            st.integers(0, 99),
        ),
    )
)
def test_every_kernel_is_normalised_centred_and_odd(kernel: Tensor) -> None:
    assert kernel.dtype == torch.float32
    assert kernel.shape[0] % 2 == kernel.shape[1] % 2 == 1
    assert float(kernel.min()) >= 0
    assert float(kernel.double().sum()) == pytest.approx(1, abs=1e-6)
    mean, _ = moments(kernel)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-4, rtol=0)


@pytest.mark.parametrize("length", [1, 5, 9, 17])
def test_a_level_motion_is_equal_pixels(length: int) -> None:
    for angle, line in ((0.0, (1, length)), (90.0, (length, 1)), (180.0, (1, length))):
        kernel = kernels.motion(length, angle)
        rows, columns = ((kernel.shape[i] - line[i]) // 2 for i in (0, 1))
        inner = kernel[rows : rows + line[0], columns : columns + line[1]]
        torch.testing.assert_close(inner, torch.full(line, 1 / length), atol=1e-6, rtol=0)


@pytest.mark.parametrize("angle", [0, 20, 45, 77, 120, -30])
def test_motion_lies_along_its_angle(angle: float) -> None:
    """The principal axis, with rows downwards; variance (length^2 - 1) / 12 of equal pixels."""
    _, covariance = moments(kernels.motion(21, angle))
    values, vectors = torch.linalg.eigh(covariance)
    row, column = vectors[:, 1].tolist()
    found = math.degrees(math.atan2(-row, column))
    assert (found - angle + 90) % 180 - 90 == pytest.approx(0, abs=1)
    assert float(values[1]) == pytest.approx((21**2 - 1) / 12, rel=0.06)
    assert float(values[0]) < 0.4


def test_motion_is_anti_aliased() -> None:
    """A small turn changes the kernel a little, and never by whole pixels."""
    a, b = kernels.motion(15, 30), kernels.motion(15, 31)
    assert 0 < float((a - b).abs().max()) < 0.4 * float(a.max())


@pytest.mark.parametrize("radius", [0.3, 2.0, 4.3, 10.0])
def test_a_disk_covers_its_area(radius: float) -> None:
    """Its density is 1 / (pi r^2); the trace of its covariance about r^2 / 2 + 1/6 in pixels."""
    kernel = kernels.disk(radius)
    density = max(1, math.pi * radius**2)
    assert 1 / float(kernel.max()) == pytest.approx(density, rel=0.01)
    if radius > 1:
        _, covariance = moments(kernel)
        assert float(covariance.trace()) == pytest.approx(radius**2 / 2 + 1 / 6, rel=0.04)
        assert len(set(kernel.flatten().tolist())) > 4
    torch.testing.assert_close(kernel, kernel.T)


def test_a_random_walk_follows_its_seed_and_leaves_the_global_stream_alone() -> None:
    state = torch.get_rng_state()
    kernel = kernels.random_walk(61, 0.5, seed=7)
    assert kernel.shape == (61, 61)
    assert torch.equal(kernel, kernels.random_walk(61, 0.5, seed=7))
    assert not torch.equal(kernel, kernels.random_walk(61, 0.5, seed=8))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_intensity_bends_a_random_walk() -> None:
    """0 is a straight line of length 58 (rms radius 58 / sqrt 12); a bent path is more compact."""

    def radius(intensity: float) -> float:
        seeds = range(8)
        walks = [moments(kernels.random_walk(61, intensity, s))[1] for s in seeds]
        return sum(math.sqrt(float(c.trace())) for c in walks) / len(seeds)

    straight, bent, wild = radius(0), radius(0.5), radius(2)
    assert straight == pytest.approx(58 / math.sqrt(12), rel=0.02)
    assert wild < bent < straight


WEIGHTS = numpy.array([[0, 2, 0], [1, 4, 1], [0, 0, 8]], dtype=numpy.uint8)


@pytest.mark.parametrize("suffix", [".png", ".npy", ".npz", ".mat"])
def test_a_kernel_comes_from_a_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"kernel{suffix}"
    writers: dict[str, Callable[[], object]] = {
        ".png": lambda: Image.fromarray(WEIGHTS).save(path),
        ".npy": lambda: numpy.save(path, WEIGHTS),
        ".npz": lambda: numpy.savez(path, name=numpy.array("three"), kernel=WEIGHTS),
        ".mat": lambda: io.savemat(path, {"kernel": WEIGHTS}),
    }
    writers[suffix]()
    expected = torch.from_numpy(WEIGHTS / WEIGHTS.sum()).float()
    torch.testing.assert_close(kernels.load(path), expected)
    torch.testing.assert_close(kernels.parse(str(path)), expected)


def test_a_cell_array_gives_its_first_kernel(tmp_path: Path) -> None:
    cell = numpy.empty((1, 2), dtype=object)
    cell[0, 0], cell[0, 1] = WEIGHTS, WEIGHTS.T
    io.savemat(tmp_path / "cell.mat", {"kernels": cell})
    expected = torch.from_numpy(WEIGHTS / WEIGHTS.sum()).float()
    torch.testing.assert_close(kernels.load(tmp_path / "cell.mat"), expected)


def test_a_sixteen_bit_picture_keeps_its_depth(tmp_path: Path) -> None:
    weights = numpy.array([[1, 1000, 1], [1, 60000, 1], [1, 1, 1]], dtype=numpy.uint16)
    Image.fromarray(weights).save(tmp_path / "deep.png")
    expected = torch.from_numpy(weights / weights.sum()).float()
    torch.testing.assert_close(kernels.load(tmp_path / "deep.png"), expected)


def test_even_sides_become_odd_without_moving_the_weights() -> None:
    kernel = kernels.normalised(torch.ones(2, 4))
    assert kernel.shape == (3, 5)
    torch.testing.assert_close(kernel[:2, :4], torch.full((2, 4), 1 / 8))
    assert float(kernel[2].abs().sum() + kernel[:, 4].abs().sum()) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gaussian:2", kernels.gaussian(2)),
        ("gaussian:2,31", kernels.gaussian(2, 31)),
        ("motion:17,32", kernels.motion(17, 32)),
        ("motion:17", kernels.motion(17)),
        ("disk:4", kernels.disk(4)),
        ("walk:61,0.5,7", kernels.random_walk(61, 0.5, 7)),
    ],
)
def test_parse_reads_a_kernel(text: str, expected: Tensor) -> None:
    assert torch.equal(kernels.parse(text), expected)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: kernels.gaussian(0), "sigma: got 0"),
        (lambda: kernels.gaussian(1, size=4), "size: got 4; pass an odd number"),
        (lambda: kernels.motion(-3), "length: got -3"),
        (lambda: kernels.motion(float("inf")), "length: got inf"),
        (lambda: kernels.disk(float("nan")), "radius: got nan"),
        (lambda: kernels.random_walk(60), "size: got 60"),
        (lambda: kernels.random_walk(61, -1), "intensity: got -1"),
        (lambda: kernels.normalised(torch.zeros(3, 3)), "its sum is 0.0"),
        (lambda: kernels.normalised(torch.full((3, 3), float("nan"))), "its sum is nan"),
        (lambda: kernels.normalised(torch.ones(3)), r"got shape \(3,\)"),
        (lambda: kernels.parse("gausian:2"), "did you mean gaussian"),
        (lambda: kernels.parse("qqq"), "did you mean gaussian or motion or disk or walk"),
        (lambda: kernels.parse("disk"), "'disk' needs numbers after the colon"),
        (lambda: kernels.parse("disk:big"), "'disk:big' needs numbers"),
        (lambda: kernels.parse("disk:1,2,3"), "wrong count of numbers"),
        (lambda: kernels.parse("disk:-1"), "radius: got -1.0"),
        (lambda: kernels.load("missing.png"), "no file 'missing.png'"),
        (lambda: kernels.load("kernel.jpeg"), "'kernel.jpeg' is none of .png, .npy, .npz, .mat"),
    ],
)
def test_errors_name_the_argument(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_files_without_a_kernel_are_refused(tmp_path: Path) -> None:
    numpy.save(tmp_path / "cube.npy", numpy.ones((3, 3, 3)))
    with pytest.raises(ValueError, match=r"'cube.npy' holds no matrix"):
        kernels.load(tmp_path / "cube.npy")
    for name in ("broken.png", "broken.npy", "broken.npz", "broken.mat"):
        (tmp_path / name).write_bytes(b"not a kernel at all")
        with pytest.raises(ValueError, match=f"{name}' cannot be read") as caught:
            kernels.load(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_matlab_7_3_file_is_refused_with_a_cure(data_folder: Path) -> None:
    with pytest.raises(ValueError, match="save it with '-v7'"):
        kernels.load(data_folder / "eval" / "kernels" / "Levin09.mat")


@pytest.mark.parametrize(
    "text", ["disk:100000", "motion:99999,3", "gaussian:1e9", "walk:100001", "gaussian:2,99999"]
)
def test_absurd_kernels_are_refused_before_they_are_drawn(text: str) -> None:
    with pytest.raises(ValueError, match="pass a"):
        kernels.parse(text)


def test_a_file_that_promises_too_much_is_not_read(tmp_path: Path) -> None:
    Image.new("1", (5000, 4000)).save(tmp_path / "wide.png")
    Image.new("1", (14_000, 14_000)).save(tmp_path / "bomb.png")
    numpy.save(tmp_path / "short.npy", numpy.zeros((2, 2)))
    promised = (tmp_path / "short.npy").read_bytes().replace(b"(2, 2), ", b"(99999, 99999), ")
    (tmp_path / "short.npy").write_bytes(promised.replace(b" " * 12, b"", 1))
    for name in ("wide.png", "bomb.png", "short.npy"):
        with pytest.raises(ValueError, match=rf"kernel: '{name}' cannot be read \(.+\)$"):
            kernels.load(tmp_path / name)
