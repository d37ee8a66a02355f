"""Latent, pixel and tiled priors around tiny networks; priors by name."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from operators.seeds import Seeds
from priors import LatentPrior, PixelPrior, PriorError, Tiled, describe, load
from priors.base import Prior
from priors.hub import installed
from priors.schedule import Flow, Level
from restore.solvers.base import reverse
from tests.priors import networks


def picture(height: int = 16, width: int = 24) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("kind", ["kl", "vq", "tiny", "dc"])
def test_every_kind_of_autoencoder(kind: str) -> None:
    prior = LatentPrior(networks.autoencoders()[kind], networks.unet(4), Flow(), "flow_prediction")
    x = picture()
    z = prior.encode(x)
    assert z.shape == prior.state_shape(tuple(x.shape)) == (2, 4, 8, 12)
    assert prior.decode(z).shape == x.shape
    z0 = prior.denoise(z, prior.schedule.at(0.5))
    assert z0.shape == z.shape and z0.dtype == z.dtype and bool(z0.isfinite().all())
    assert prior.multiple == 4


def test_encode_applies_scale_and_shift_of_the_configuration() -> None:
    autoencoder = networks.autoencoders()["kl"]
    prior = LatentPrior(autoencoder, networks.unet(4), Flow(), "flow_prediction")
    x = picture()
    plain = autoencoder.encode(2 * x - 1).latent_dist.mode()
    torch.testing.assert_close(prior.encode(x), (plain - 0.25) * 0.5)
    torch.testing.assert_close(
        prior.decode(prior.encode(x)), autoencoder.decode(plain).sample / 2 + 0.5
    )


def test_denoise_is_differentiable_and_follows_the_dtype_of_the_state() -> None:
    prior = LatentPrior(
        networks.autoencoders()["kl"].bfloat16(),
        networks.unet(4).bfloat16(),
        Flow(),
        "flow_prediction",
    )
    z = torch.randn(1, 4, 8, 8, requires_grad=True)
    x0 = prior.denoise(z, prior.schedule.at(0.3))
    (gradient,) = torch.autograd.grad(x0.square().sum(), z)
    assert x0.dtype == gradient.dtype == torch.float32 and bool(gradient.abs().sum() > 0)


def test_times_between_the_steps_reach_the_network() -> None:
    prior = PixelPrior(networks.unet(3), Flow(), "flow_prediction")
    x = torch.randn(1, 3, 8, 8)
    level = prior.schedule.at(0.5)
    between = prior.denoise(x, level._replace(time=level.time + 0.4))
    assert not torch.equal(between, prior.denoise(x, level))


def test_unit_is_the_noise_that_the_encoder_passes_on() -> None:
    prior = LatentPrior(networks.autoencoders()["dc"], networks.unet(4), Flow(), "flow_prediction")
    noise = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    shift = prior.encode(0.5 + 0.02 * noise) - prior.encode(torch.full_like(noise, 0.5))
    assert shift.std().item() * prior.unit == pytest.approx(0.02, rel=0.1)


def test_wrong_sides_and_predictions_are_refused() -> None:
    prior = LatentPrior(networks.autoencoders()["kl"], networks.unet(4), Flow(), "flow_prediction")
    with pytest.raises(ValueError, match="17 x 24 are no multiples of 4"):
        prior.encode(picture(17))
    with pytest.raises(ValueError, match="velocity"):
        PixelPrior(networks.unet(3), Flow(), "velocity")


class Window(Prior):
    """A prior whose denoiser and decoder act on single entries: tiling must not change it."""

    schedule, multiple, unit = Flow(), 4, 0.5

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        return x.tanh() * level.alpha

    def encode(self, image: Tensor) -> Tensor:
        return torch.nn.functional.pixel_unshuffle(image, 2)

    def decode(self, x: Tensor) -> Tensor:
        return torch.nn.functional.pixel_shuffle(x, 2)

    def state_shape(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        batch, channels, height, width = image_shape
        return (batch, 4 * channels, height // 2, width // 2)


@pytest.mark.parametrize("size", [(16, 16), (52, 20), (44, 76), (12, 100)])
@pytest.mark.parametrize("overlap", [0, 4, 8, 12])
def test_tiles_do_not_change_what_is_local(size: tuple[int, int], overlap: int) -> None:
    prior, x = Window(), picture(*size)
    tiled = Tiled(prior, tile=16, overlap=overlap)
    z = tiled.encode(x)
    torch.testing.assert_close(z, prior.encode(x))
    torch.testing.assert_close(tiled.decode(z), x)
    level = prior.schedule.at(0.4)
    torch.testing.assert_close(tiled.denoise(z, level), prior.denoise(z, level))


def test_tiles_are_differentiable_and_blend_without_a_jump() -> None:
    class Indexed(Window):
        """Every window answers with its own number: blending must ramp from one to the next."""

        count = 0

        def denoise(self, x: Tensor, level: Level) -> Tensor:
            self.count += 1
            return x * 0 + self.count

    tiled = Tiled(Indexed(), tile=32, overlap=16)
    z = torch.zeros(1, 12, 16, 48, requires_grad=True)
    blended = tiled.denoise(z, tiled.schedule.at(0.5))
    blended.sum().backward()
    assert z.grad is not None
    assert blended[0, 0, 0].diff().abs().max() <= 0.2 and blended.max() > blended.min() + 1


@pytest.mark.parametrize("tile, overlap", [(0, 0), (16, 16), (16, -1)])
def test_impossible_tiles_are_refused(tile: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap"):
        Tiled(Window(), tile, overlap)


@pytest.mark.parametrize("kind", ["kl", "vq", None])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@torch.no_grad()
def test_a_sample_is_the_pipelines(kind: str | None, prediction: str, tmp_path: Path) -> None:
    """Diffusers' own, which it saves and we load: latents that are scaled, shifted, quantised."""
    from diffusers import DDIMPipeline, DDIMScheduler, LDMPipeline

    spacing: dict[str, Any] = {"timestep_spacing": "trailing", "clip_sample": False}
    scheduler = DDIMScheduler(prediction_type=prediction, **spacing)
    unet = networks.unet(3 if kind is None else 4)
    pipeline: Any = DDIMPipeline(unet, scheduler)
    if kind is not None:
        autoencoder = networks.autoencoders()[kind]
        autoencoder.register_to_config(shift_factor=None)  # which this pipeline does not know
        pipeline = LDMPipeline(autoencoder, unet, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(tmp_path)
    prior = load(str(tmp_path), offline=True)
    assert isinstance(prior, PixelPrior if kind is None else LatentPrior)
    drawn = [torch.Generator().manual_seed(5) for _ in range(2)]
    expected = pipeline(2, generator=drawn[0], num_inference_steps=4, output_type="np").images
    x = torch.randn(2, 3 if kind is None else 4, 8, 8, generator=drawn[1])
    for t, s in pairwise(prior.schedule.levels(4)):
        x = reverse(x, prior.denoise(x, t), t, s, 0.0, Seeds(0, 1))
    picture = prior.decode(x).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    assert abs(picture - expected).max() < 1e-4


@pytest.mark.parametrize("kind", ["kl", None])
def test_a_diffusers_directory_loads(kind: str | None, tmp_path: Path) -> None:
    prior = load(str(networks.save(tmp_path, kind)))
    assert isinstance(prior, PixelPrior if kind is None else LatentPrior)
    assert prior.prediction == "v_prediction"
    described = describe(str(tmp_path))
    assert described.parameters > 1000 and described.licence == "not stated"


def test_priors_that_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(PriorError, match="no such prior"):
        load("./nowhere")
    with pytest.raises(PriorError, match="not in the local cache"):
        load("nobody/nothing", offline=True)
    with pytest.raises(PriorError, match=r"model_index.json is missing"):
        load(str(tmp_path))
    for file in ("models/sd15.safetensors", "nothing.ckpt"):
        with pytest.raises(PriorError, match=r"a single file; .*from_single_file\(FILE\)"):
            load(file)
    folder = networks.save(tmp_path, "kl")
    for scheduler in ("KarrasVeScheduler", "ScoreSdeVpScheduler", "EDMEulerScheduler"):
        told = json.dumps({"_class_name": scheduler, "num_train_timesteps": 1000})
        (folder / "scheduler" / "scheduler_config.json").write_text(told)
        with pytest.raises(PriorError, match=f"trained for {scheduler} are not supported"):
            load(str(folder))
    folder = networks.save(tmp_path, "kl")
    (folder / "model_index.json").write_text("{")
    with pytest.raises(PriorError, match="not JSON"):
        load(str(folder))
    (folder / "model_index.json").write_text(json.dumps({"unet": ["diffusers", "Nothing"]}))
    with pytest.raises(PriorError, match="no usable 'unet'"):
        load(str(folder))


def test_what_the_cache_holds_is_listed_by_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    for model, ref, number in (("one", "main", 1), ("two", "v1", 2), ("three", None, 3)):
        commit, folder = 40 * str(number), tmp_path / f"models--some--{model}"
        networks.save(folder / "snapshots" / commit, None)
        (folder / "refs").mkdir()
        if ref is not None:
            (folder / "refs" / ref).write_text(commit)
    scan = huggingface_hub.scan_cache_dir
    monkeypatch.setattr(huggingface_hub, "scan_cache_dir", lambda: scan(tmp_path))
    assert installed() == ["embedded", "some/one", f"some/three@{40 * '3'}", "some/two@v1"]


def test_broken_weights_are_named(tmp_path: Path) -> None:
    folder = networks.save(tmp_path, None)
    weights = next((folder / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(PriorError, match="cannot load unet"):
        load(str(folder))
