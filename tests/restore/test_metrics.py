"""PSNR against its formula, SSIM against scikit-image, LPIPS against the lpips package."""

import math
import os
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from restore import metrics
from restore.metrics import MetricError, lpips, psnr, ssim


def pair(channels: int = 3, height: int = 40, width: int = 33) -> tuple[Tensor, Tensor]:
    """Two pictures a little out of range, the second one a noisy copy of the first."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, channels, height // 4 + 1, width // 4 + 1, generator=generator)
    x = torch.nn.functional.interpolate(x, (height, width), mode="bicubic")
    return x, x + 0.1 * torch.randn(x.shape, generator=generator)


def arrays(*tensors: Tensor) -> list[list[Any]]:
    return [[i.clamp(0, 1).permute(1, 2, 0).double().numpy() for i in t] for t in tensors]


def test_psnr_is_that_of_scikit_image() -> None:
    x, y = pair()
    expected = [
        peak_signal_noise_ratio(b, a, data_range=1) for a, b in zip(*arrays(x, y), strict=True)
    ]
    torch.testing.assert_close(psnr(x, y).double(), torch.tensor(expected), rtol=1e-5, atol=0)


def test_psnr_of_known_errors() -> None:
    reference = torch.full((3, 1, 4, 4), 0.5)
    x = reference + torch.tensor([0.1, 0.0, 7.0]).reshape(3, 1, 1, 1)
    # errors of 0.1, of 0, and of 0.5 after clipping
    expected = torch.tensor([20.0, math.inf, 20 * math.log10(2)])
    torch.testing.assert_close(psnr(x, reference), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("channels", "height", "width"), [(3, 40, 33), (1, 11, 11), (3, 11, 30), (4, 24, 12)]
)
def test_ssim_is_that_of_scikit_image(channels: int, height: int, width: int) -> None:
    x, y = pair(channels, height, width)
    expected = [
        structural_similarity(
            a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            data_range=1, channel_axis=2,
        )
        for a, b in zip(*arrays(x, y), strict=True)
    ]  # fmt: skip
    # float32 here, float64 there: 0.25 * 2^-24 of cancellation over c2 = 0.0009 is 2e-5 a pixel
    torch.testing.assert_close(ssim(x, y).double(), torch.tensor(expected), rtol=0, atol=1e-5)


def test_ssim_of_equal_pictures_is_one_and_it_is_symmetric() -> None:
    x, y = pair()
    torch.testing.assert_close(ssim(x, x), torch.ones(2), rtol=0, atol=1e-6)
    torch.testing.assert_close(ssim(x, y), ssim(y, x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_a_picture_alone_is_the_picture_in_a_batch(metric: Any) -> None:
    x, y = pair()
    torch.testing.assert_close(metric(x, y)[1:], metric(x[1:], y[1:]), rtol=1e-6, atol=0)


def test_pictures_that_cannot_be_compared() -> None:
    x, _ = pair()
    with pytest.raises(MetricError, match="pass two of the same"):
        psnr(x, x[:, :, 1:])
    with pytest.raises(MetricError, match="at least 11 pixels"):
        ssim(x[..., :10], x[..., :10])


@pytest.fixture(scope="module")
def weights(data_folder: Path) -> Path:
    path = data_folder / "weights" / "lpips_alexnet_features_lin_fp16.pth"
    if not path.is_file():
        pytest.skip(f"no LPIPS weights at {path}")
    return path


def test_lpips_is_its_definition(weights: Path) -> None:
    """Zhang et al., equation 1, with torch's own convolutions from the same state dict."""
    x, y = pair(height=64, width=70)
    state = {k: v.float() for k, v in torch.load(weights, weights_only=True).items()}
    shift = torch.tensor([-0.030, -0.088, -0.188]).reshape(3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).reshape(3, 1, 1)

    def features(z: Tensor) -> list[Tensor]:
        z = (2 * z.clamp(0, 1) - 1 - shift) / scale
        found = []
        for layer, stride, padding, pool in [
            (0, 4, 2, 0), (3, 1, 2, 1), (6, 1, 1, 1), (8, 1, 1, 0), (10, 1, 1, 0),
        ]:  # fmt: skip
            z = torch.nn.functional.max_pool2d(z, 3, 2) if pool else z
            weight, bias = state[f"features.{layer}.weight"], state[f"features.{layer}.bias"]
            z = torch.nn.functional.conv2d(z, weight, bias, stride, padding).relu()
            found.append(z / (z.norm(dim=1, keepdim=True) + 1e-10))
        return found

    expected = torch.zeros(2)
    for k, (a, b) in enumerate(zip(features(x), features(y), strict=True)):
        head = state[f"lin{k}.weight"]
        expected += torch.nn.functional.conv2d((a - b) ** 2, head).mean((1, 2, 3))
    torch.testing.assert_close(lpips(x, y, weights), expected, rtol=1e-5, atol=1e-7)


def test_the_heads_are_those_of_the_package(weights: Path) -> None:
    import lpips as package

    folder = Path(str(package.__file__)).parent
    heads = torch.load(folder / "weights/v0.1/alex.pth", map_location="cpu", weights_only=True)
    network = metrics._network(str(weights), "cpu").state_dict()
    for name, head in heads.items():
        # kept in half precision: 11 bits, and 2^-24 for what is too small for them
        torch.testing.assert_close(network[name], head, rtol=2**-11, atol=2**-24)


def test_lpips_is_zero_for_equal_pictures_and_grows_with_noise(weights: Path) -> None:
    x, y = pair(height=64, width=64)
    assert lpips(x, x, weights).tolist() == [0, 0]
    assert bool((lpips(x, x + (y - x) / 4, weights) < lpips(x, y, weights)).all())
    torch.testing.assert_close(lpips(x, y, weights)[1:], lpips(x[1:], y[1:], weights))


def test_lpips_finds_weights_by_the_environment_and_leaves_randomness_alone(
    weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = pair(height=64, width=64)
    metrics._network.cache_clear()
    state = torch.get_rng_state()
    monkeypatch.setenv("PHOTOMEND_LPIPS_WEIGHTS", str(weights))
    by_environment = lpips(x, y)
    assert torch.equal(torch.get_rng_state(), state)
    monkeypatch.delenv("PHOTOMEND_LPIPS_WEIGHTS")
    torch.testing.assert_close(by_environment, lpips(x, y, weights), rtol=0, atol=0)
    assert capsys.readouterr().out == ""


BAD_WEIGHTS: list[tuple[Any, str]] = [
    (b"this is no state dict", "cannot be read"),
    (b"", "cannot be read"),
    ([1, 2], "holds a list"),
    ({"features.0.weight": torch.zeros(64, 3, 11, 11)}, "lacks features.0.bias"),
    ({"features.0.weight": torch.zeros(3)}, "lacks features.0.weight"),
    ({"features.0.weight": os.getcwd}, "cannot be read"),  # a pickle that would run code
]


@pytest.mark.parametrize(("content", "reason"), BAD_WEIGHTS)
def test_weights_that_are_none(tmp_path: Path, content: Any, reason: str) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(MetricError, match=reason) as caught:
        lpips(*pair(), weights=path)
    assert "\n" not in str(caught.value)


def test_weights_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(MetricError, match="No such file"):
        lpips(*pair(), weights=tmp_path / "none.pth")


def test_no_network_is_a_clear_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.delenv("PHOTOMEND_LPIPS_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    metrics._network.cache_clear()
    with pytest.raises(MetricError, match="pass weights=PATH or set PHOTOMEND_LPIPS_WEIGHTS"):
        lpips(*pair())
