"""Every operator keeps the laws, on odd, prime and non-square sizes, in float64."""

import pickle

import pytest
import torch
from torch import Tensor

from operators import (
    Blur,
    Clip,
    Crop,
    Decimate,
    Downsample,
    Gamma,
    Grayscale,
    GridBlur,
    Identity,
    Jpeg,
    Mask,
    Mosaic,
    Operator,
    Quantize,
    Resize,
    Shape,
    VaryingBlur,
    box_mask,
    brush_mask,
    check_operator,
    kernels,
    random_mask,
)
from operators.base import ClosedFormOperator, DiagonalGramOperator, LinearOperator
from operators.coefficients import Coefficients
from operators.convolution import Boundary
from operators.exposure import Camera, Exposure
from operators.linearised import Bent, Diagonal
from operators.remembering import Remembering
from operators.tone import Pointwise
from operators.varying import Patchwork

BOUNDARIES: tuple[Boundary, ...] = ("circular", "reflect", "replicate", "valid")


def lopsided(height: int, width: int) -> Tensor:
    """A kernel without any symmetry, which tells convolution from correlation."""
    weights = torch.rand(height, width, generator=torch.Generator().manual_seed(height))
    return kernels.normalised(weights)


def slopes(height: int, width: int) -> Tensor:
    """Slopes of a curve, from 1/4 to 2, one a value."""
    values = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(width))
    return 0.25 + 1.75 * values


def blurs() -> list[tuple[Operator, Shape]]:
    cases: list[tuple[Operator, Shape]] = []
    for boundary in BOUNDARIES:
        cases += [
            (Blur(lopsided(3, 5), boundary), (2, 3, 13, 17)),
            (Blur(lopsided(9, 11), boundary), (2, 3, 17, 13)),
            (Blur(kernels.gaussian(1.5), boundary), (2, 1, 19, 16)),
            (Blur(kernels.disk(4), boundary), (3, 2, 13, 11)),
            (
                VaryingBlur(
                    torch.stack([lopsided(5, 3), kernels.normalised(torch.ones(5, 3))]),
                    torch.rand(2, *((13, 9) if boundary == "valid" else (17, 11))),
                    boundary,
                ),
                (2, 3, 17, 11),
            ),
            (
                GridBlur(
                    torch.stack([lopsided(5, 3), lopsided(5, 3).flip(0)])[:, None].repeat(
                        1, 3, 1, 1
                    ),
                    *((13, 9) if boundary == "valid" else (17, 11)),
                    boundary,
                ),
                (2, 3, 17, 11),
            ),
        ]
    return cases


LINEAR: list[tuple[Operator, Shape]] = [
    *blurs(),
    (Blur(lopsided(15, 15), "circular"), (2, 3, 7, 11)),
    (Identity(), (2, 3, 5, 7)),
    (Mask(random_mask(13, 17, 0.7, seed=1)), (2, 3, 13, 17)),
    (Mask(box_mask(13, 17, 5, 4)[0, 0]), (2, 3, 13, 17)),
    (Mask(brush_mask(13, 17, 3, 2.0, seed=1).repeat(1, 3, 1, 1)), (2, 3, 13, 17)),
    (Crop(2, 3, 7, 5, 13, 17), (2, 3, 13, 17)),
    (Grayscale(), (2, 3, 5, 7)),
    *[(Mosaic(pattern), (2, 3, 5, 7)) for pattern in ("RGGB", "BGGR", "GRBG", "GBRG")],
    *[(Downsample(2, name), (2, 3, 26, 22)) for name in ("box", "bicubic", "lanczos")],
    (Downsample(3), (2, 1, 15, 39)),
    (Downsample(4), (1, 3, 20, 44)),
    (Downsample(1, "lanczos"), (2, 3, 7, 5)),
    (Resize((23, 26), (17, 20)), (2, 3, 23, 26)),
    (Resize((24, 20), (11, 8), "lanczos", (2.2, 2.4), (-0.7, 0.4)), (1, 3, 24, 20)),
    (Decimate(3), (2, 3, 15, 21)),
    (Decimate(2) @ Blur(lopsided(5, 5), "circular"), (2, 3, 14, 22)),
    (Decimate(3) @ Blur(kernels.motion(4, 30), "circular"), (2, 3, 15, 21)),
    (Decimate(4) @ Blur(kernels.gaussian(1)), (2, 3, 12, 20)),
    (Downsample(2) @ Crop(1, 2, 6, 8, 13, 17), (2, 3, 13, 17)),
    (Downsample(2) @ Grayscale(), (2, 3, 10, 14)),
    (Blur(lopsided(3, 3)) @ Mask(random_mask(13, 17, 0.3, seed=2)), (2, 3, 13, 17)),
    (Mask(random_mask(10, 8, 0.5, seed=3)) @ Blur(kernels.gaussian(1)), (2, 3, 10, 8)),
    (Mosaic() @ Crop(1, 1, 6, 6, 8, 9) @ Blur(lopsided(3, 3)), (2, 3, 8, 9)),
    (Diagonal(slopes(13, 17)), (2, 3, 13, 17)),
    (Diagonal(slopes(11, 13)) @ Blur(lopsided(3, 3), "valid"), (2, 3, 13, 15)),
    (Coefficients(Jpeg(50), 17, 23), (2, 3, 17, 23)),
    (Coefficients(Jpeg(75, "4:2:2", 6), 37, 18), (1, 3, 37, 18)),
    (Coefficients(Jpeg(90, "4:4:0", 8), 24, 33), (1, 3, 24, 33)),
    (Coefficients(Jpeg(60, "4:2:0", 6, (3, 10)), 27, 22), (1, 3, 27, 22)),
]
NONLINEAR: list[tuple[Operator, Shape]] = [
    (Gamma(), (2, 3, 5, 7)),
    (Clip(), (2, 3, 5, 7)),
    (Gamma() @ Blur(kernels.gaussian(1)), (2, 3, 11, 13)),
]
EXPOSURE = Exposure(Blur(kernels.disk(2), "valid"), Camera(jpeg=Jpeg(80)))
ROUNDING: list[tuple[Operator, Shape]] = [
    (Quantize(3), (2, 3, 5, 7)),
    (Jpeg(30), (2, 3, 17, 23)),
    (Jpeg(80, "4:4:4"), (2, 3, 13, 19)),
    (Jpeg(60) @ Downsample(2), (2, 3, 26, 30)),
    (Jpeg(((9,) * 64, (20,) * 64), "4:2:2", 5), (2, 3, 17, 23)),
    (Remembering.of(Jpeg(60)), (2, 3, 17, 23)),
    (EXPOSURE, (2, 3, 17, 23)),
    (EXPOSURE @ Crop(2, 3, 13, 15, 17, 23), (2, 3, 17, 23)),
]


def name(value: object) -> str:
    return type(value).__name__ if isinstance(value, Operator) else str(value)


@pytest.mark.parametrize(("operator", "shape"), LINEAR + NONLINEAR, ids=name)
def test_an_operator_keeps_the_laws(operator: Operator, shape: Shape) -> None:
    check_operator(operator, shape)


@pytest.mark.parametrize(("operator", "shape"), ROUNDING, ids=name)
def test_an_operator_that_rounds_keeps_the_laws(operator: Operator, shape: Shape) -> None:
    check_operator(operator, shape, rounds=True)


@pytest.mark.parametrize(("operator", "shape"), LINEAR, ids=name)
def test_the_prox_ranges_from_x_to_a_projection(operator: Operator, shape: Shape) -> None:
    """Weight 0 leaves x; a large weight reaches a consistent y."""
    assert isinstance(operator, LinearOperator)
    x = torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = operator(x.flip(-1))
    torch.testing.assert_close(operator.prox(x, y, 0.0), x, atol=1e-9, rtol=0)
    # The directions that a blur almost loses keep a part of the misfit even then.
    before, after = (float((operator(z) - y).norm()) for z in (x, operator.prox(x, y, 1e4)))
    assert after < 0.1 * before + 1e-12


@pytest.mark.parametrize(("operator", "shape"), LINEAR + NONLINEAR + ROUNDING, ids=name)
def test_a_copy_is_moved_and_pickled_whole(operator: Operator, shape: Shape) -> None:
    x = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    expected = operator(x)
    for copy in (operator.to(torch.float64), pickle.loads(pickle.dumps(operator))):
        assert type(copy) is type(operator)
        torch.testing.assert_close(copy(x), expected, atol=2e-6, rtol=0)


def test_the_list_names_every_operator_of_the_package() -> None:
    def below(kind: type[Operator]) -> set[type[Operator]]:
        children: list[type[Operator]] = kind.__subclasses__()
        return {kind}.union(*(below(child) for child in children))

    abstract = {Operator, Bent, LinearOperator, ClosedFormOperator, DiagonalGramOperator}
    abstract |= {Pointwise, Patchwork}
    root: type[Operator] = Operator  # type: ignore[type-abstract]
    shipped = {kind for kind in below(root) if kind.__module__.startswith("operators.")}
    assert shipped - abstract == {type(operator) for operator, _ in LINEAR + NONLINEAR + ROUNDING}
