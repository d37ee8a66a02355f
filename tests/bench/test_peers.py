"""Published networks: their weights fit, their laws hold, and they reach their papers' figures."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from operators import Seeds
from operators.colour import Grayscale
from operators.resize import Downsample
from restore.bench.methods import choose
from restore.bench.peers import (
    BF_CNN_FILE,
    DNCNN_FILE,
    IMDN,
    IMDN_FILE,
    BiasFreeCNN,
    DnCNN,
    filled,
    peers_folder,
)
from restore.bench.protocol import BenchError, Picture, measure, tasks
from restore.images import read
from restore.metrics import psnr


def randomised(network: nn.Module) -> nn.Module:
    """The network with small random weights, positive ones in its normalisation."""
    generator = torch.Generator().manual_seed(0)
    state = {
        name: 0.5 + torch.rand(value.shape, generator=generator)
        if name.startswith(("gammas", "running_sd"))
        else 0.1 * torch.randn(value.shape, generator=generator)
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state)
    return network.requires_grad_(False)


def noise(*shape: int) -> Tensor:
    """Standard normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("network", "parameters", "shape", "result"),
    [
        (BiasFreeCNN(), 64 * 27 * 2 + 18 * 64 * 64 * 9 + 2 * 18 * 64, (2, 3, 12, 9), (12, 9)),
        (DnCNN(), 64 * 9 * 2 + 15 * 64 * 64 * 9 + 16 * 64 + 1, (2, 1, 12, 9), (12, 9)),
        (IMDN(), 715_176, (2, 3, 12, 9), (48, 36)),
    ],
    ids=["bf-cnn", "dncnn", "imdn"],
)
def test_shapes_and_sizes_are_the_papers(
    network: nn.Module, parameters: int, shape: tuple[int, ...], result: tuple[int, int]
) -> None:
    """IMDN's paper states 715 thousand parameters at x4."""
    assert sum(value.numel() for value in network.state_dict().values()) == parameters
    x = randomised(network)(noise(*shape))
    assert x.shape == (*shape[:2], *result)
    assert bool(x.isfinite().all())


@pytest.mark.parametrize("scale", [0.0, 0.01, 37.0])
def test_bf_cnn_is_homogeneous(scale: float) -> None:
    network, y = randomised(BiasFreeCNN(depth=5)).double(), noise(1, 3, 16, 16).double()
    assert torch.allclose(network(scale * y), scale * network(y), rtol=1e-9)


def test_bf_cnn_and_dncnn_without_weights_change_nothing() -> None:
    """They predict the noise: where the last convolution is zero, y comes back."""
    for network, last in ((BiasFreeCNN(), "conv_layers.19.weight"), (DnCNN(), "model.32.weight")):
        state = network.state_dict()
        state[last].zero_()
        if isinstance(network, DnCNN):
            state["model.32.bias"].zero_()
        y = noise(1, state[last].shape[0], 8, 8)
        assert torch.equal(network.requires_grad_(False)(y), y)


def test_imdn_attends_to_contrast() -> None:
    """A block with c5 = identity and an attention of 1/2 everywhere adds half of what it keeps."""
    block = IMDN(blocks=1).get_submodule("IMDB1").requires_grad_(False)
    state = {name: torch.zeros_like(value) for name, value in block.state_dict().items()}
    state["c1.weight"][:, :, 1, 1] = torch.eye(64)
    state["c5.weight"][:, :, 0, 0] = torch.eye(64)
    block.load_state_dict(state)
    x = noise(1, 64, 6, 6)
    kept = torch.where(x > 0, x, 0.05 * x)[:, :16]
    expected = x.clone()
    expected[:, :16] += 0.5 * kept
    assert torch.allclose(block(x), expected, atol=1e-6)


def test_weights_are_read_with_and_without_the_prefix(tmp_path: Path) -> None:
    network = randomised(IMDN())
    for prefix in ("", "module."):
        state = {prefix + name: value for name, value in network.state_dict().items()}
        torch.save(state, tmp_path / "imdn.pth")
        again = filled(IMDN(), tmp_path / "imdn.pth")
        x = noise(1, 3, 8, 8)
        assert torch.equal(again(x), network(x))


def test_wrong_weights_are_refused(tmp_path: Path) -> None:
    torch.save(DnCNN().state_dict(), tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("no weights")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("other.pth", "text.pth", "list.pth", "absent.pth"):
        with pytest.raises(BenchError, match=f"{name} holds no weights of IMDN"):
            filled(IMDN(), tmp_path / name)


def test_peers_lie_beside_the_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PHOTOMEND_DATA", raising=False)
    (tmp_path / "data" / "eval" / "set5").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    data = tmp_path / "data"
    assert peers_folder(None, data) is None
    (data / "peers").mkdir()
    for place in (data, data / "eval", data / "eval" / "set5"):
        assert peers_folder(None, place) == (data / "peers").resolve()
    assert peers_folder(None, tmp_path / "mine") is None
    monkeypatch.setenv("PHOTOMEND_DATA", str(data))
    assert peers_folder(None, tmp_path / "mine") == data / "peers"
    assert peers_folder(tmp_path / "mine", data) == tmp_path / "mine"
    with pytest.raises(BenchError, match="peers"):
        peers_folder(tmp_path / "absent", data)


def test_imdn_is_a_method_of_x4(tmp_path: Path) -> None:
    network = randomised(IMDN())
    torch.save(network.state_dict(), tmp_path / IMDN_FILE)
    chosen = tasks(["x4", "box"])
    (method,) = choose(["imdn"], chosen, "embedded", None, tmp_path)
    assert [method.knows(task) for task in chosen] == [True, False]
    assert method.learned
    measurement = measure(chosen[0], Picture("a", "set", 0, noise(1, 3, 32, 32)), 0.01)
    estimate = method(measurement, chosen[0], 0)
    assert torch.equal(estimate.pixels, network(measurement.y).clamp(0, 1))
    assert estimate.evaluations == 1
    told = method.settings(chosen[0], 0.01)
    torch.save(randomised(IMDN()).double().state_dict(), tmp_path / IMDN_FILE)
    assert method.settings(chosen[0], 0.01) != told
    for folder in (None, tmp_path.parent):
        with pytest.raises(BenchError, match="--peers"):
            choose(["imdn"], chosen, "embedded", None, folder)


@pytest.fixture
def weights(data_folder: Path) -> Path:
    """The folder of the published weights."""
    folder = data_folder / "peers"
    if not folder.is_dir():
        pytest.skip(f"no weights of published networks in {folder}")
    return folder


def test_imdn_reaches_its_papers_figure_on_set5(weights: Path, data_folder: Path) -> None:
    """The paper's 32.21 dB are a mean on luma of 16 to 235, less four pixels at the border.

    Of the five photos, whose mean was measured as 32.20, this is the third, the butterfly.
    """
    network = filled(IMDN(), weights / IMDN_FILE)
    x = read(sorted((data_folder / "eval" / "set5").glob("*.png"))[2]).pixels
    y = (255 * Downsample(4, "bicubic")(x)).round().clamp(0, 255) / 255
    enlarged = (255 * network(y)).round().clamp(0, 255) / 255
    luma = torch.tensor([65.481, 128.553, 24.966]).view(1, 3, 1, 1) / 255
    ours, truth = ((luma * z).sum(1, keepdim=True)[..., 4:-4, 4:-4] for z in (enlarged, x))
    assert float(psnr(ours, truth)) == pytest.approx(28.57, abs=0.05)


@pytest.mark.parametrize("kind", ["colour", "grey"])
def test_denoisers_are_better_than_the_best_total_variation(
    weights: Path, data_folder: Path, kind: str
) -> None:
    """At 25/255, on a photo, by more than 2 dB."""
    restoration = pytest.importorskip("skimage.restoration")
    x = read(sorted((data_folder / "eval" / "bsd100").glob("*.png"))[2]).pixels[..., :160, :160]
    network: nn.Module
    if kind == "colour":
        network = filled(BiasFreeCNN(), weights / BF_CNN_FILE)
    else:
        network, x = filled(DnCNN(), weights / DNCNN_FILE), Grayscale()(x)
    y = x + 25 / 255 * Seeds(0).normal_like(x)
    smoothed = (
        restoration.denoise_tv_chambolle(y[0].numpy(), weight=weight, channel_axis=0)
        for weight in (0.05, 0.07, 0.1, 0.14, 0.2)
    )
    best = max(float(psnr(torch.from_numpy(each)[None], x)) for each in smoothed)
    assert float(psnr(network(y), x)) > best + 2
