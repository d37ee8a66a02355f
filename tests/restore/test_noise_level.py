"""The estimated noise against noise that was added."""

import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from operators import Blur, Downsample, Gaussian, PoissonGaussian, Seeds, kernels
from restore.images import read
from restore.noise_level import ROUNDING, estimate_noise, estimate_sigma


def smooth(channels: int = 3, side: int = 128, batch: int = 1) -> Tensor:
    """A picture of waves, coloured, far from black and white."""
    t = torch.linspace(0, 1, side)
    waves = torch.sin(9 * t)[:, None] * torch.cos(7 * t + 1)[None]
    tint = torch.tensor([1.0, 0.6, -0.8])[:channels].reshape(1, channels, 1, 1)
    return (0.5 + 0.25 * tint * waves).expand(batch, -1, -1, -1)


def rounded(x: Tensor) -> Tensor:
    return (x.clamp(0, 1) * 255).round() / 255


def noisy(x: Tensor, sigma: float, seed: int = 1) -> Tensor:
    return x + sigma * Seeds(*range(seed, seed + len(x))).normal_like(x)


@pytest.mark.parametrize("level", [1, 3, 10, 20])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("eight_bits", [False, True])
def test_noise_on_a_smooth_picture(level: int, channels: int, eight_bits: bool) -> None:
    sigma = level / 255
    y = noisy(smooth(channels), sigma)
    expected = math.hypot(sigma, ROUNDING) if eight_bits else sigma
    found = float(estimate_sigma(rounded(y) if eight_bits else y))
    # one channel of 128 x 128 has 80 patches a dimension: eigenvalues are known to some percent
    assert found == pytest.approx(expected, rel=0.04)


def test_shared_noise_of_a_grey_photo_counts_in_full() -> None:
    grey = noisy(smooth(1), 0.03)
    found = estimate_sigma(grey.expand(-1, 3, -1, -1))
    assert float(found) == pytest.approx(0.03, rel=0.04)
    torch.testing.assert_close(found, estimate_sigma(grey), rtol=1e-4, atol=0)
    # nearly grey, as a tinted or scanned photo: the channels share their noise all the same
    tinted = grey.expand(-1, 3, -1, -1) * torch.tensor([1.0, 0.97, 0.94]).reshape(1, 3, 1, 1)
    assert float(estimate_sigma(tinted)) == pytest.approx(0.03 * 0.97, rel=0.04)


def test_chroma_subsampling_does_not_hide_the_noise() -> None:
    y = rounded(noisy(smooth(side=192), 10 / 255))
    stream = io.BytesIO()
    array = (y[0].permute(1, 2, 0) * 255).byte().numpy()
    Image.fromarray(array).save(stream, "JPEG", quality=95, subsampling=2)
    seen = read(stream.getvalue()).pixels
    left = float((seen - smooth(side=192)).mean(1).std())
    assert float(estimate_sigma(seen)) == pytest.approx(left, rel=0.1)


def test_clipped_parts_do_not_count() -> None:
    x = smooth()
    dark = x.clone()
    dark[..., :64] = 0.0
    sigma = 0.05
    assert float(estimate_sigma(rounded(noisy(dark, sigma)))) == pytest.approx(sigma, rel=0.06)


def test_a_channel_that_is_black_nearly_everywhere_does_not_hide_the_others() -> None:
    """A sea without red, and a textured rock, the one part that has all three."""
    x, sigma = smooth(side=192), 2 / 255
    x = x.clone()
    x[:, 0] = 0.0
    x[..., 140:] = 0.3 + 0.2 * torch.rand(192, 52, generator=torch.Generator().manual_seed(0))
    found = float(estimate_sigma(rounded(noisy(x, sigma))))
    assert found == pytest.approx(math.hypot(sigma, ROUNDING), rel=0.06)


def test_the_least_of_eight_bits_is_their_rounding() -> None:
    assert float(estimate_sigma(torch.full((1, 3, 32, 32), 0.2))) == pytest.approx(ROUNDING)
    assert float(estimate_sigma(torch.zeros(1, 3, 32, 32))) == pytest.approx(ROUNDING)
    found = float(estimate_sigma(rounded(smooth())))
    assert ROUNDING <= found < 1.5 * ROUNDING
    assert float(estimate_sigma(smooth().double())) < ROUNDING / 2


def test_a_picture_alone_is_the_picture_in_a_batch_and_the_answer_repeats() -> None:
    y = torch.cat([noisy(smooth(), 0.01), noisy(smooth(), 0.05, seed=4)])
    before = y.clone()
    both = estimate_sigma(y)
    assert both.shape == (2,) and both.dtype == y.dtype
    assert torch.equal(estimate_sigma(y), both) and torch.equal(y, before)
    assert torch.equal(estimate_sigma(y[1:]), both[1:])


def test_large_pictures_are_sampled() -> None:
    y = noisy(smooth(side=1100), 0.02)
    assert float(estimate_sigma(y)) == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize(("gain", "level"), [(0.002, 1), (0.005, 2), (0.02, 2)])
@pytest.mark.parametrize("channels", [1, 3])
def test_shot_noise_is_told_from_white_noise(gain: float, level: int, channels: int) -> None:
    x, sigma = smooth(channels, side=256), level / 255
    shot = estimate_noise(rounded(PoissonGaussian(gain, sigma).sample(x, Seeds(2))))
    assert isinstance(shot, PoissonGaussian)
    assert shot.gain == pytest.approx(gain, rel=0.15)
    # what the read noise adds is small beside the shot noise of a mean of one half
    total = math.sqrt(float(shot.variance(torch.tensor(0.5))))
    assert total == pytest.approx(math.sqrt(gain / 2 + sigma**2 + ROUNDING**2), rel=0.05)
    white = estimate_noise(rounded(noisy(x, math.sqrt(gain / 2))))
    assert isinstance(white, Gaussian)
    assert white.sigma == pytest.approx(math.hypot(math.sqrt(gain / 2), ROUNDING), rel=0.05)


def test_the_noise_of_a_flat_picture_has_no_gain() -> None:
    assert isinstance(estimate_noise(noisy(torch.full((1, 3, 64, 64), 0.5), 0.02)), Gaussian)
    assert isinstance(estimate_noise(torch.full((1, 1, 16, 16), 0.5)), Gaussian)
    with pytest.raises(ValueError, match="pass one"):
        estimate_noise(torch.zeros(2, 3, 32, 32))


def test_too_small_a_picture_is_named() -> None:
    with pytest.raises(ValueError, match="16 pixels a side"):
        estimate_sigma(torch.zeros(1, 3, 15, 40))
    with pytest.raises(ValueError, match="pass"):
        estimate_sigma(torch.zeros(3, 40, 40))


@pytest.fixture(scope="module")
def photos(data_folder: Path) -> list[Tensor]:
    folders = [data_folder / "eval" / name for name in ("ffhq10", "imagenet10")]
    paths = [path for folder in folders for path in sorted(folder.iterdir())]
    if len(paths) < 20:
        pytest.skip(f"fewer than 20 photos in {folders}")
    return [read(path).pixels[..., :256, :256] for path in paths[::4]]


# Largest median error. What is sharp keeps texture and noise of its own, 0.4/255 and more, which
# cannot be told from 2/255 in a picture of 128 x 128; blurred photos, the usual case, keep little.
LIMITS = [
    ("sharp", 2, 0.1), ("sharp", 10, 0.03),
    ("blurred", 2, 0.02), ("blurred", 10, 0.03),
    ("grey, blurred", 2, 0.1), ("grey, blurred", 10, 0.1),
    ("small", 2, 0.2), ("small", 10, 0.05),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "level", "limit"), LIMITS)
def test_noise_on_photos_of_eight_bits(
    photos: list[Tensor], kind: str, level: int, limit: float
) -> None:
    degradations: dict[str, Callable[[Tensor], Tensor]] = {
        "sharp": lambda x: x,
        "blurred": Blur(kernels.parse("gaussian:2")),
        "grey, blurred": lambda x: Blur(kernels.parse("motion:9,30"))(x.mean(1, keepdim=True)),
        "small": Downsample(2),
    }
    sigma, errors = level / 255, []
    for seed, photo in enumerate(photos):
        y = rounded(noisy(degradations[kind](photo), sigma, seed))
        errors.append(float(estimate_sigma(y)) / math.hypot(sigma, ROUNDING) - 1)
    assert np.median(np.abs(errors)) < limit
