"""Stage-1 autoencoders of every factor and kind: exact starts, closed forms, gradients, files."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from priors import LatentPrior
from priors.schedule import Flow
from priors.training import autoencoder, patches
from priors.training.options import AutoencoderTraining
from tests.priors import networks

GRID = [
    (regularization, factor, channels)
    for regularization, factor in product(("none", "kl", "vq"), (1, 2, 4, 8))
    for channels in {1: (1, 3), 2: (2, 12), 4: (3, 16), 8: (5, 20)}[factor]
]
SIDE = 24


def settings(regularization: str, factor: int, channels: int, **changed: Any) -> Any:
    """Options of the smallest networks that can start as principal components."""
    given: dict[str, Any] = {
        "regularization": regularization,
        "factor": factor,
        "channels": channels,
        "width": (32, 64, 64) if regularization == "none" else (16, 48, 48, 64),
        "layers": 1,
        "codes": 24,
        **changed,
    }
    return AutoencoderTraining.model_validate(given)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def crops(count: int, seed: int = 0) -> Tensor:
    """Soft blobs with a little noise, in [-1, 1]."""
    small = torch.rand(count, 3, 7, 7, generator=generator(seed)) * 1.6 - 0.8
    noise = torch.randn(count, 3, SIDE, SIDE, generator=generator(seed + 1))
    soft = F.interpolate(small, (SIDE, SIDE), mode="bicubic", align_corners=True)
    return (soft + 0.05 * noise).clamp(-1, 1)


def build(options: AutoencoderTraining, seed: int = 3) -> Any:
    return autoencoder.build(options, crops(24), generator(seed))


def components(factor: int, channels: int) -> tuple[Tensor, Tensor]:
    """Principal components of patches cut by hand, (3, f, f, channels), and their energies."""
    cut = crops(24).unfold(2, factor, factor).unfold(3, factor, factor)
    rows = cut.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2).double()
    energy, vectors = torch.linalg.eigh(rows.T @ rows)
    chosen = vectors.flip(1)[:, :channels].float()
    return chosen.unflatten(0, (3, factor, factor)), energy.flip(0)


def directly(picture: Tensor, factor: int, channels: int) -> Tensor:
    """Coefficients of the patches of pictures as one strided correlation."""
    basis, _ = components(factor, channels)
    return F.conv2d(picture, basis.movedim(-1, 0), stride=factor)


@pytest.mark.parametrize(("regularization", "factor", "channels"), GRID)
def test_the_encoder_starts_as_principal_components(
    regularization: str, factor: int, channels: int
) -> None:
    options, x = settings(regularization, factor, channels), crops(2, seed=9)
    model = build(options)
    with torch.no_grad():
        z, latents = (autoencoder.encode(model, pictures) for pictures in (x, crops(24)))
    assert z.shape == (2, channels, SIDE // factor, SIDE // factor)
    direct = directly(x, factor, channels)
    sign = torch.sign((z * direct).sum((0, 2, 3), keepdim=True))  # eigenvectors have none
    # GroupNorm divides by sqrt(256^2 + |z|^2 / 2) for 256: at most a part in 2 * 256^2 / |z|^2.
    bend = 0.0 if regularization == "none" else z.square().max().item() / 256**2
    torch.testing.assert_close(z, sign * direct, atol=3e-4, rtol=1e-4 + bend)
    assert autoencoder.decode(model, z).shape == x.shape
    assert latents.std() * model.config.scaling_factor == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize(("factor", "channels"), [(1, 2), (2, 5), (4, 16), (8, 30)])
def test_the_decoder_of_the_linear_kind_starts_as_the_transpose(factor: int, channels: int) -> None:
    x = crops(2, seed=9)
    model = build(settings("none", factor, channels))
    basis, _ = components(factor, channels)
    projected = F.conv_transpose2d(
        directly(x, factor, channels), basis.movedim(-1, 0), stride=factor
    )
    decoded = autoencoder.decode(model, autoencoder.encode(model, x))
    # RMSNorm divides by sqrt(256^2 + |h|^2) instead of 256; its channels stay below |h|^2 = 100.
    torch.testing.assert_close(decoded, projected, atol=100 / 256**2 / 2 + 1e-5, rtol=0)


@pytest.mark.parametrize(("factor", "width"), [(1, (16,)), (2, (32,)), (4, (32, 64))])
def test_all_components_together_are_the_identity(factor: int, width: tuple[int, ...]) -> None:
    x = crops(2, seed=9)
    model = build(settings("none", factor, 3 * factor**2, width=width))
    decoded = autoencoder.decode(model, autoencoder.encode(model, x))
    torch.testing.assert_close(decoded, x, atol=100 / 256**2 / 2, rtol=0)


def test_the_linear_kind_at_the_largest_factor_is_the_identity_too() -> None:
    model = build(settings("none", 8, 192, width=(32, 64, 256), layers=0))
    x = crops(1, seed=9)
    decoded = autoencoder.decode(model, autoencoder.encode(model, x))
    torch.testing.assert_close(decoded, x, atol=3e-3, rtol=0)


@pytest.mark.parametrize("regularization", ["kl", "vq"])
def test_convolutional_decoders_start_above_the_mean_colour_of_a_patch(regularization: str) -> None:
    options = settings(regularization, 2, 12, codes=500)
    model, x = build(options), crops(4, seed=9)
    decoded = autoencoder.decode(model, autoencoder.encode(model, x))
    blocks = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0)
    assert (decoded - x).square().mean() < (blocks - x).square().mean()


@pytest.mark.parametrize("regularization", ["kl", "vq"])
def test_more_channels_than_components_and_narrow_levels_are_allowed(regularization: str) -> None:
    """Latents that no component fills start silent; levels of 16 keep 16 of their 48 entries."""
    many = autoencoder.encode(build(settings(regularization, 1, 5)), crops(2))
    assert many[:, 3:].abs().max() == 0 and many[:, :3].std() > 0.1
    model = build(settings(regularization, 8, 20, width=(16,)))
    narrow = autoencoder.encode(model, crops(2, seed=9))
    assert narrow[:, 6:].abs().max() == 0  # 16 / 2, less one for each of the two groups
    first = directly(crops(2, seed=9), 8, 1)
    assert (narrow[:, :1].abs() - first.abs()).square().mean() < 0.01 * first.square().mean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (settings("none", 2, 13), "at most 12"),
        (settings("none", 2, 6, width=(16,)), "too narrow"),
        (settings("none", 8, 70), "too narrow"),
        (settings("none", 4, 6, width=(32, 48)), "powers of two"),
        (settings("kl", 2, 6, width=(4, 16)), "at least 8"),
    ],
)
def test_sizes_that_cannot_be_are_refused(options: AutoencoderTraining, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(options)


@pytest.mark.parametrize(("regularization", "factor", "channels"), GRID[::2])
def test_files_that_diffusers_alone_reads_give_the_same(
    regularization: str, factor: int, channels: int, tmp_path: Path
) -> None:
    import diffusers

    x, model = crops(1, seed=9)[..., :16, :16], build(settings(regularization, factor, channels))
    model.save_pretrained(tmp_path)
    kind: Any = getattr(diffusers, type(model).__name__)
    again = kind.from_pretrained(tmp_path, low_cpu_mem_usage=False)
    z = autoencoder.encode(model, x)
    assert torch.equal(autoencoder.encode(again, x), z)
    assert torch.equal(autoencoder.decode(again, z), autoencoder.decode(model, z))
    prior = LatentPrior(again, networks.unet(channels), Flow(), "flow_prediction")
    assert prior.factor == factor and prior.unit > 0
    scaled = prior.encode((x + 1) / 2)
    torch.testing.assert_close(scaled, z * model.config.scaling_factor, atol=1e-4, rtol=1e-3)
    decoded = (autoencoder.decode(model, z) + 1) / 2
    if regularization != "vq":  # rounding may choose another code
        torch.testing.assert_close(prior.decode(scaled), decoded, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("regularization", "factor", "channels"), GRID[1::2])
def test_steps_reach_every_weight_and_lower_the_loss(
    regularization: str, factor: int, channels: int
) -> None:
    options = settings(regularization, factor, channels, robustness=0.01, lpips=0.1, kl=1e-4)
    model, x = build(options), crops(3, seed=9)
    network = autoencoder.trainable(model)
    assert (network is model) == (regularization != "none")
    # The straight-through gradient of a quantised encoder is none of the loss: it hardly moves.
    rest = [p for n, p in network.named_parameters() if not n.startswith("decoder")]
    groups = [{"params": model.decoder.parameters(), "lr": 1e-5}]  # there is no warm-up
    if network is model:
        groups.append({"params": rest, "lr": 1e-9 if regularization == "vq" else 1e-5})
    optimiser = torch.optim.Adam(groups)

    def apart(a: Tensor, b: Tensor) -> Tensor:
        return (a - b).square().mean((1, 2, 3))

    values, reached = [], dict.fromkeys(dict(model.named_parameters()), False)
    for _ in range(4):
        model.zero_grad()
        value = autoencoder.loss(model, x, options, generator(7), apart)
        value.backward()
        optimiser.step()
        values.append(value.item())
        for name, parameter in model.named_parameters():
            reached[name] |= parameter.grad is not None and bool(parameter.grad.any())
    assert min(values[1:]) < values[0] < 10
    expected = {n for n in reached if regularization != "none" or n.startswith("decoder")}
    assert {name for name, one in reached.items() if one} == expected


def test_no_global_generator_is_read_or_moved() -> None:
    options = settings("vq", 2, 4, robustness=0.1)
    state = torch.random.get_rng_state()
    models = [build(options)]
    losses = [autoencoder.loss(models[0], crops(2), options, generator(1))]
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.random.manual_seed(12345)
    models.append(build(options))
    losses.append(autoencoder.loss(models[1], crops(2), options, generator(1)))
    assert torch.equal(*losses)
    for a, b in zip(*(m.parameters() for m in models), strict=True):
        assert torch.equal(a, b)
    other = build(options, seed=4)
    assert any(
        not torch.equal(a, b)
        for a, b in zip(models[0].parameters(), other.parameters(), strict=True)
    )


def test_the_divergence_is_that_of_torch_and_weighs_as_documented() -> None:
    from torch.distributions import Normal, kl_divergence

    mean, log_variance = torch.randn(2, 3, 4, 5, 5, generator=generator())
    spread = (log_variance / 2).exp()
    expected = kl_divergence(Normal(mean, spread), Normal(0.0, 1.0)).sum((1, 2, 3))
    torch.testing.assert_close(autoencoder.divergence(mean, log_variance), expected)
    x, plain, weighted = crops(2), settings("kl", 4, 6, kl=0), settings("kl", 4, 6, kl=0.5)
    model = build(plain)
    latent = autoencoder.encode(model, x)
    known = autoencoder.divergence(latent, torch.full_like(latent, -10)).mean() / (3 * SIDE**2)
    low, high = (autoencoder.loss(model, x, o, generator(1)) for o in (plain, weighted))
    torch.testing.assert_close(high - low, 0.5 * known, rtol=1e-3, atol=0)


def test_the_codebook_s_loss_is_the_paper_s() -> None:
    """diffusers' own, told not to be legacy; its default has the weight at the wrong term."""
    model = build(settings("vq", 2, 4))
    latent = autoencoder.encode(model, crops(2, seed=9)).detach().requires_grad_()
    gradients = []
    for legacy in (False, True):
        model.quantize.legacy = legacy
        codes, error, _ = model.quantize(latent)
        gradients.append(torch.autograd.grad(error, latent)[0])
    ours, cost = autoencoder.quantised(model, latent)
    torch.testing.assert_close(ours, codes)
    torch.testing.assert_close(cost, error)
    gradient = torch.autograd.grad(cost, latent, retain_graph=True)[0]
    torch.testing.assert_close(gradient, gradients[0])
    assert not torch.allclose(gradient, gradients[1])
    straight = torch.autograd.grad(ours.sum(), latent)[0]
    assert torch.equal(straight, torch.ones_like(straight))


def test_k_means_finds_clusters_and_never_worsens() -> None:
    centres = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0], [5.0, 5.0]])
    points = centres.repeat(100, 1) + 0.1 * torch.randn(400, 2, generator=generator())

    def error(entries: Tensor) -> float:
        return torch.cdist(points, entries).min(1).values.square().mean().item()

    errors = [error(patches.codebook(points, 25, generator(2), steps)) for steps in (0, 1, 8)]
    assert errors == sorted(errors, reverse=True) and errors[2] < errors[0]
    assert len(patches.codebook(points[:3], 8, generator())) == 8


def test_regression_recovers_a_convolution() -> None:
    kernel = torch.randn(2, 3, 3, 3, generator=generator())
    x = torch.randn(4, 3, 16, 16, generator=generator(1))
    found = patches.regression(x.split(2), F.conv2d(x, kernel, padding=1).split(2), 3)
    torch.testing.assert_close(found, kernel, atol=1e-4, rtol=1e-4)


def test_lpips_without_a_distance_is_refused() -> None:
    options = settings("none", 2, 4, lpips=1)
    with pytest.raises(ValueError, match="distance"):
        autoencoder.loss(build(options), crops(1), options, generator())
