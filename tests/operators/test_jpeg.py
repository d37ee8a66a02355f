"""Jpeg against libjpeg, through Pillow."""

import io

import numpy
import pytest
import torch
from PIL import Image
from scipy.fft import dctn
from torch import Tensor

from operators import Jpeg
from operators.jpeg import Subsampling


def photo(height: int, width: int) -> Tensor:
    """Smooth shapes, an edge and some grain, in 8 bits; (1, 3, H, W) in [0, 1]."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = [0.5 + 0.3 * torch.sin(x / (5 + 3 * c) + y / (9 - 2 * c)) for c in range(3)]
    grain = 0.03 * torch.randn(3, height, width, generator=torch.Generator().manual_seed(0))
    image = torch.stack(waves) + grain + 0.15 * (x + y > 50)
    return (255 * image.clamp(0, 1)).round()[None] / 255


def pillow(x: Tensor, quality: int, subsampling: Subsampling) -> Tensor:
    pixels = (255 * x[0]).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(
        file, "JPEG", quality=quality, subsampling={"4:4:4": 0, "4:2:0": 2}[subsampling]
    )
    decoded = numpy.asarray(Image.open(file), dtype=numpy.float32) / 255
    return torch.from_numpy(decoded).permute(2, 0, 1)[None]


@pytest.mark.parametrize("quality", [10, 50, 75, 95])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("sides", [(64, 48), (53, 71), (40, 39)])
def test_jpeg_is_libjpegs(quality: int, subsampling: Subsampling, sides: tuple[int, int]) -> None:
    """libjpeg computes in integers: its cosine transform errs by about 0.05, so that a few of a
    hundred coefficients fall on the other side of a rounding, and move their block by a step.
    """
    x = photo(*sides)
    expected = pillow(x, quality, subsampling)
    gap = 255 * (Jpeg(quality, subsampling)(x) - expected).abs()
    loss = 255 * (x - expected).abs()
    assert float(gap.mean()) < 1.5
    assert float(gap.mean()) < 0.35 * float(loss.mean())
    assert float((gap > 2.5).float().mean()) < 0.15


@pytest.mark.parametrize("quality", [1, 5, 25, 50, 75, 90, 100])
def test_the_tables_are_libjpegs(quality: int) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
    luma, chroma = (torch.tensor(t) for t in Image.open(file).quantization.values())  # type: ignore[attr-defined]
    tables = Jpeg(quality).tables(torch.zeros(()))
    assert torch.equal(tables[0].flatten(), luma.float())
    assert torch.equal(tables[1].flatten(), chroma.float())
    assert torch.equal(tables[2], tables[1])


def test_the_coefficients_are_scipys_cosine_transform() -> None:
    x = photo(16, 24).double()
    luma = 255 * (0.299 * x[0, 0] + 0.587 * x[0, 1] + 0.114 * x[0, 2]) - 128
    found = Jpeg(50).coefficients(x)[0]
    assert found.shape == (1, 1, 2, 3, 8, 8)
    expected = dctn(luma[8:16, 16:24].numpy(), norm="ortho")
    numpy.testing.assert_allclose(found[0, 0, 1, 2].numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_the_picture_lies_in_the_bins_of_its_jpeg(subsampling: Subsampling) -> None:
    """Within the level that the writer's roundings before the cosine transform may move it."""
    x, jpeg = 0.2 + 0.6 * photo(53, 71).double(), Jpeg(60, subsampling)  # nothing saturates
    low, high = jpeg.interval(jpeg(x))
    for c, least, most in zip(jpeg.coefficients(x), low, high, strict=True):
        assert bool((most > least).all())
        assert bool(least.isneginf()[:, :, -1].all())
        inside = (c >= least - 1.5) & (c <= most + 1.5)
        assert bool(inside.all())
    other = jpeg.coefficients(x.flip(-1))
    pairs = zip(other, low, high, strict=True)
    assert any(float(((c < a) | (c > b)).double().mean()) > 0.02 for c, a, b in pairs)


def test_projection_moves_a_picture_into_the_bins() -> None:
    x, jpeg = photo(32, 40).double(), Jpeg(40, "4:4:4")
    y = jpeg(x)
    blurred = torch.nn.functional.avg_pool2d(x, 5, 1, 2)
    z = jpeg.project(blurred, y)
    low, high = jpeg.interval(y)
    for c, least, most in zip(jpeg.coefficients(z), low, high, strict=True):
        assert bool(((c >= least - 1e-6) & (c <= most + 1e-6)).all())
    assert float((z - x).norm()) < float((blurred - x).norm())
    torch.testing.assert_close(jpeg.project(z, y), z, atol=1e-9, rtol=0)


def test_repeated_projections_reach_the_bins_of_subsampled_chroma() -> None:
    x, jpeg = photo(32, 48).double(), Jpeg(40)
    y = jpeg(x)
    z = torch.nn.functional.avg_pool2d(x, 5, 1, 2)
    for _ in range(40):
        z = jpeg.project(z, y)
    for c, least, most in zip(jpeg.coefficients(z), *jpeg.interval(y), strict=True):
        assert float((least - c).max()) < 0.5
        assert float((c - most).max()) < 0.5


def test_gradients_pass_straight_through() -> None:
    x = photo(19, 21).double().requires_grad_()
    target = photo(19, 21).double() * 0.9
    (gradient,) = torch.autograd.grad((Jpeg(90)(x) - target).square().sum(), x)
    downhill = (Jpeg(90)(x - 0.2 * gradient) - target).square().sum()
    assert float(downhill.detach()) < 0.5 * float((Jpeg(90)(x) - target).square().sum().detach())


def test_the_result_is_eight_bit_and_compressing_again_changes_little() -> None:
    x = photo(40, 48).double()
    y = Jpeg(75, "4:4:4")(x)
    torch.testing.assert_close((255 * y).round() / 255, y, atol=1e-12, rtol=0)
    assert float((Jpeg(75, "4:4:4")(y) - y).abs().mean()) < 0.1 * float((y - x).abs().mean())


def test_other_arguments_are_refused() -> None:
    for quality in (0, 101):
        with pytest.raises(ValueError, match=f"quality: got {quality}"):
            Jpeg(quality)
    with pytest.raises(ValueError, match="subsampling: got '4:1:1'"):
        Jpeg(50, "4:1:1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="x: got shape"):
        Jpeg(50)(torch.rand(1, 1, 8, 8))
