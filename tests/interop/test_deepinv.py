"""deepinv's own tests on these operators, and its operators beside them; needs deepinv.

pip install 'photomend[deepinv]'; without it this file is skipped.
"""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from operators import (
    Blur,
    Crop,
    Decimate,
    Downsample,
    Grayscale,
    LinearOperator,
    Mask,
    Mosaic,
    VaryingBlur,
    kernels,
    random_mask,
)
from operators.convolution import Boundary

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what it brings along
    deepinv: Any = pytest.importorskip("deepinv")

pytestmark = pytest.mark.filterwarnings("ignore")

SIDES = [(16, 16), (17, 19), (16, 21)]
"""Even, odd, and one of each."""


def lopsided(height: int, width: int) -> Tensor:
    """A kernel without any symmetry."""
    weights = torch.rand(height, width, generator=torch.Generator().manual_seed(height))
    return kernels.normalised(weights)


def picture(*shape: int) -> Tensor:
    """Random numbers in float64."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def operators(height: int, width: int) -> dict[str, LinearOperator]:
    """Every linear operator, for pictures (B, 3, height, width)."""
    mixed = torch.rand(2, height, width, generator=torch.Generator().manual_seed(1))
    found: dict[str, LinearOperator] = {
        "mask": Mask(random_mask(height, width, 0.6, seed=0)),
        "crop": Crop(1, 2, 9, 10, height, width),
        "grey": Grayscale(),
        "mosaic": Mosaic(),
        "varying": VaryingBlur(torch.stack([lopsided(3, 5), lopsided(3, 5).flip(0)]), mixed),
    }
    for boundary in ("circular", "reflect", "replicate", "valid"):
        found[f"blur, {boundary}"] = Blur(lopsided(3, 5), boundary)
        found[f"FFT blur, {boundary}"] = Blur(lopsided(7, 9), boundary)
    if height % 4 == 0 and width % 4 == 0:
        found |= {f"x4, {name}": Downsample(4, name) for name in ("box", "bicubic", "lanczos")}
        found["blurred and decimated"] = Decimate(4) @ Blur(lopsided(5, 5), "circular")
        found["cropped and shrunk"] = Downsample(2) @ Crop(0, 1, 8, 10, height, width)
    return found


def names(sides: tuple[int, int]) -> list[Any]:
    return [
        pytest.param(sides, name, id=f"{name}-{sides[0]}x{sides[1]}") for name in operators(*sides)
    ]


CASES = [case for sides in SIDES for case in names(sides)]


def physics_of(operator: LinearOperator, **options: Any) -> Any:
    """The operator as deepinv's LinearPhysics."""
    return deepinv.physics.LinearPhysics(A=operator, A_adjoint=operator.adjoint, **options)


@pytest.mark.parametrize(("sides", "name"), CASES)
def test_their_adjointness_test(sides: tuple[int, int], name: str) -> None:
    physics = physics_of(operators(*sides)[name])
    torch.manual_seed(0)  # theirs is drawn from the global generator
    error = physics.adjointness_test(picture(2, 3, *sides), num_samples=8)
    assert float(error) < 1e-12


@pytest.mark.parametrize(("sides", "name"), CASES)
def test_their_pseudo_inverse_and_prox(sides: tuple[int, int], name: str) -> None:
    """A A^+ A = A and the prox, by their least squares; the largest errors are those of blurs.

    Theirs leaves 2.3e-3 of y, ours 4.2e-4; the prox agrees to 6e-5.
    """
    operator = operators(*sides)[name]
    physics = physics_of(operator, max_iter=500, tol=1e-10)
    x = picture(1, 3, *sides)
    y, z = operator(x), x.flip(-1)
    torch.testing.assert_close(operator(physics.A_dagger(y)), y, atol=5e-3, rtol=0)
    torch.testing.assert_close(operator(operator.pinv(y)), y, atol=1e-3, rtol=0)
    expected = physics.prox_l2(z, y, gamma=3.0)
    torch.testing.assert_close(operator.prox(z, y, 3.0), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("size", [(3, 3), (3, 5), (9, 7)])
@pytest.mark.parametrize("boundary", ["circular", "reflect", "replicate", "valid"])
def test_blur_is_theirs(sides: tuple[int, int], size: tuple[int, int], boundary: Boundary) -> None:
    kernel, x = lopsided(*size), picture(2, 3, *sides).float()
    ours = Blur(kernel, boundary)
    theirs = deepinv.physics.Blur(filter=kernel[None, None], padding=boundary)
    y = ours(x)
    torch.testing.assert_close(y, theirs.A(x), atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.adjoint(y), theirs.A_adjoint(y), atol=1e-5, rtol=0)


@pytest.mark.parametrize("sides", SIDES)
def test_circular_blur_is_their_fft_with_its_closed_forms(sides: tuple[int, int]) -> None:
    kernel, x = lopsided(5, 7), picture(1, 3, *sides).float()
    ours = Blur(kernel, "circular")
    theirs = deepinv.physics.BlurFFT(img_size=(3, *sides), filter=kernel[None, None])
    y, z = ours(x), x.flip(-1)
    torch.testing.assert_close(y, theirs.A(x), atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.adjoint(y), theirs.A_adjoint(y), atol=1e-5, rtol=0)
    expected = theirs.prox_l2(z, y, 5.0)
    torch.testing.assert_close(ours.prox(z, y, 5.0), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("sides", SIDES)
def test_mask_is_theirs_with_the_opposite_meaning(sides: tuple[int, int]) -> None:
    """Theirs is 1 where a pixel is observed, ours True where it is unknown."""
    unknown, x = random_mask(*sides, 0.6, seed=0), picture(2, 3, *sides).float()
    observed = (~unknown[0]).float().expand(3, *sides)
    ours, theirs = Mask(unknown), deepinv.physics.Inpainting(img_size=(3, *sides), mask=observed)
    y, z = ours(x), x.flip(-1)
    assert torch.equal(y, theirs.A(x))
    assert torch.equal(ours.adjoint(y), theirs.A_adjoint(y))
    expected = theirs.prox_l2(z, y, 5.0)
    torch.testing.assert_close(ours.prox(z, y, 5.0), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("shape", [(16, 24), (20, 28)])
def test_decimated_blur_is_their_downsampling(factor: int, shape: tuple[int, int]) -> None:
    """With a filter of odd sides and a circular border, where the definitions are the same."""
    kernel, x = lopsided(5, 5), picture(1, 3, *shape).float()
    ours = Decimate(factor) @ Blur(kernel, "circular")
    theirs = deepinv.physics.Downsampling(
        img_size=(3, *shape), filter=kernel[None, None], factor=factor, padding="circular"
    )
    y, z = ours(x), x.flip(-1)
    torch.testing.assert_close(y, theirs.A(x), atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.adjoint(y), theirs.A_adjoint(y), atol=1e-5, rtol=0)
    expected = theirs.prox_l2(z, y, 5.0)
    torch.testing.assert_close(ours.prox(z, y, 5.0), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("factor", [2, 4])
def test_bicubic_downsampling_is_theirs_but_for_a_shift(factor: int) -> None:
    """Theirs is centred on factor k + 1/2, the papers' on factor k + (factor - 1) / 2."""
    x = picture(1, 3, 16 * factor, 16 * factor).float()
    theirs = deepinv.physics.Downsampling(
        img_size=tuple(x.shape[1:]), filter="bicubic", factor=factor, padding="circular"
    ).A(x)
    inside = (..., slice(4, -4), slice(4, -4))
    gaps = {
        shift: float(
            (Downsample(factor)(x.roll((shift, shift), (2, 3))) - theirs)[inside].abs().max()
        )
        for shift in range(-factor, factor + 1)
    }
    best = min(gaps, key=lambda shift: gaps[shift])
    assert abs(best) == factor // 2 - 1
    assert gaps[best] < 1e-5


def test_the_peers_benchmark_runs(tmp_path: Path) -> None:
    """With a network of nothing but a shrinkage: ratios of every operator and solver."""
    from restore.bench.deepinv_peers import main
    from tests.bench.test_run import Pixels

    lines: list[str] = []
    summary = main(
        sizes=[64], batches=[1], steps=3, prior=Pixels(), output=tmp_path, report=lines.append
    )
    assert len(summary["operators"]) == 2 * 4
    assert len(summary["solvers"]) == 2 * 4
    assert all(row["ratio"] > 0 for row in summary["operators"])
    for row in summary["solvers"]:
        assert row["ours_evaluations"] == row["theirs_evaluations"] == 3
    text = (tmp_path / "report.md").read_text()
    assert f"deepinv {deepinv.__version__}" in text
    for block in (b.splitlines() for b in text.split("\n\n") if b.startswith("|")):
        assert len({line.count("|") for line in block}) == 1
    assert len(lines) == 4 + 8
