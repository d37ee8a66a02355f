"""Priors that read text: a sample of ours is the diffusers pipeline's own, family by family."""

import json
import math
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from operators.seeds import Seeds
from priors import PixelPrior, PriorError, load
from priors.hub import wanted
from priors.schedule import Flow
from restore.solvers.base import reverse
from tests.priors import families, networks

PROMPT, NEGATIVE, HEIGHT, WIDTH = "a sharp photo", "blurry", 16, 24
GUIDED = {"sd1": 5.0, "sd2": 5.0, "sdxl": 5.0, "sd3": 4.0, "sd3.5-without-t5": 4.0}
GUIDED |= {"flux-dev": 3.5, "flux-schnell": 2.0}


@pytest.fixture(scope="module")
def prior_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """The prior of a family, loaded once from its saved directory."""
    known: dict[str, Any] = {}

    def made(family: str) -> Any:
        if family not in known:
            folder = families.save(family, tmp_path_factory.mktemp(family))
            known[family] = load(str(folder), offline=True)
        return known[family]

    return made


def noise(prior: Any, seed: int = 0) -> Tensor:
    shape = prior.state_shape((2, 3, HEIGHT, WIDTH))
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def sampled(prior: Any, x: Tensor, steps: int) -> Tensor:
    """DDIM, which is Euler's method where the network predicts a velocity."""
    for t, s in pairwise(prior.sized((1, 3, HEIGHT, WIDTH)).schedule.levels(steps)):
        x = reverse(x, prior.denoise(x, t), t, s, 0.0, Seeds(0, 1))
    return x


def theirs(family: str, x: Tensor, steps: int, guidance: float, negative: str) -> Tensor:
    """What the pipeline makes of the noise, latents (B, C, h, w)."""
    given: dict[str, Any] = {
        "prompt": PROMPT,
        "num_inference_steps": steps,
        "num_images_per_prompt": 2,
        "height": HEIGHT,
        "width": WIDTH,
        "output_type": "latent",
    }
    pipeline = families.pipeline(family)
    if not family.startswith("flux"):
        given |= {"guidance_scale": guidance, "negative_prompt": negative or None}
        if family.startswith("sd3"):  # its own levels are shifted twice at the low end
            given["sigmas"] = [(steps - k) / steps for k in range(steps)]
        return torch.as_tensor(pipeline(latents=x, **given).images)
    rows, columns = x.shape[2:]
    packed = pipeline._pack_latents(x, 2, 4, rows, columns)
    if family == "flux-dev":
        given["guidance_scale"] = guidance
    else:
        given |= {"true_cfg_scale": guidance, "negative_prompt": negative}
    found = torch.as_tensor(pipeline(latents=packed, **given).images)
    return torch.as_tensor(pipeline._unpack_latents(found, HEIGHT, WIDTH, 2))


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("family", GUIDED)
def test_a_guided_sample_is_the_pipelines(
    family: str, steps: int, prior_of: Callable[[str], Any]
) -> None:
    prior, guidance = prior_of(family), GUIDED[family]
    negative = "" if family == "flux-dev" else NEGATIVE
    x = noise(prior)
    ours = sampled(prior.with_text(PROMPT, negative, guidance), x, steps)
    expected = theirs(family, x, steps, guidance, negative)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
    # and that says something: the text, and the guidance, move the sample
    for other in (prior.with_text(PROMPT), prior.with_text("cat", negative, guidance)):
        assert (sampled(other, x, steps) - ours).abs().max() > 1e-3


@pytest.mark.parametrize("family", ["sd1", "sdxl", "sd3", "flux-dev", "flux-schnell"])
def test_without_guidance_it_is_the_pipelines_too(
    family: str, prior_of: Callable[[str], Any]
) -> None:
    prior = prior_of(family)
    x = noise(prior)
    expected = theirs(family, x, 5, 1.0, "")
    ours = sampled(prior.with_text(PROMPT), x, 5)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)


def test_an_empty_negative_of_xl_is_zeros(prior_of: Callable[[str], Any]) -> None:
    prior = prior_of("sdxl")
    x = noise(prior)
    bound = prior.with_text(PROMPT, guidance=5.0)
    assert not bound.texts[1].embedding.any() and not bound.texts[1].pooled.any()
    expected = theirs("sdxl", x, 2, 5.0, "")
    torch.testing.assert_close(sampled(bound, x, 2), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("guidance", [1.0, 8.5])
def test_a_consistency_model_is_its_function(
    guidance: float, prior_of: Callable[[str], Any]
) -> None:
    prior = prior_of("lcm")
    x = noise(prior)
    pipeline = families.pipeline("lcm")
    given = {"guidance_scale": guidance, "num_images_per_prompt": 2, "output_type": "latent"}
    expected = pipeline(
        PROMPT, latents=x, num_inference_steps=1, height=HEIGHT, width=WIDTH, **given
    ).images
    ours = prior.with_text(PROMPT, guidance=guidance).denoise(x, prior.schedule.at(1.0))
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
    # at time 0 it is the identity, whatever the network says
    first = prior.schedule.at(1 / 1000)
    torch.testing.assert_close(prior.denoise(x, first), x)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # diffusers' scheduler and NumPy
def test_a_turbo_model_is_a_consistency_prior(prior_of: Callable[[str], Any]) -> None:
    prior = prior_of("turbo").with_text(PROMPT)
    x, far = noise(prior), prior.schedule.at(1.0)
    given = {"guidance_scale": 0.0, "num_images_per_prompt": 2, "output_type": "latent"}
    expected = families.pipeline("turbo")(
        PROMPT, latents=x, num_inference_steps=1, height=HEIGHT, width=WIDTH, **given
    ).images
    torch.testing.assert_close(prior.denoise(far.sigma * x, far), expected, atol=1e-3, rtol=1e-3)


def test_latents_and_pictures_are_the_pipelines(prior_of: Callable[[str], Any]) -> None:
    for family in ("sdxl", "sd3", "flux-dev"):
        prior, pipeline = prior_of(family), families.pipeline(family)
        x, config = noise(prior), pipeline.vae.config
        plain = x / config.scaling_factor + (config.shift_factor or 0.0)
        expected = pipeline.image_processor.postprocess(
            pipeline.vae.decode(plain).sample.detach(), output_type="pt"
        )
        torch.testing.assert_close(prior.decode(x).clamp(0, 1), expected)


def test_the_shift_of_flux_follows_the_size(prior_of: Callable[[str], Any]) -> None:
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    prior = prior_of("flux-dev")
    scheduler = families.pipeline("flux-dev").scheduler
    for height, width in ((64, 64), (128, 256), (512, 512)):
        tokens = (height // 4) * (width // 4)
        scheduler.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25], mu=calculate_shift(tokens))
        levels = prior.sized((1, 3, height, width)).schedule.levels(4)
        assert [level.sigma for level in levels] == pytest.approx(scheduler.sigmas.tolist())
        assert [level.time for level in levels[:-1]] == pytest.approx(scheduler.timesteps.tolist())
    # until it is sized, the levels are those of the largest picture of the training
    assert prior.schedule.shift == pytest.approx(math.exp(1.15))
    fixed = prior_of("sd3")
    assert fixed.sized((1, 3, 64, 64)).schedule == Flow(3.0)


def test_a_prompt_is_embedded_once(
    prior_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from priors.directory import Directory

    read: list[str] = []
    plain = Directory.reader

    def counted(self: Directory, part: str) -> Any:
        read.append(part)
        return plain(self, part)

    monkeypatch.setattr(Directory, "reader", counted)
    prior = prior_of("sdxl")
    bound = prior.with_text("never seen before", "nor this", 3.0)
    assert sorted(read) == ["text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"]
    sampled(bound, noise(prior), 2)
    prior.with_text("never seen before", "nor this", 7.0)
    assert len(read) == 4
    # nothing of the encoders is kept
    held = {type(part).__name__ for part in vars(bound).values()}
    assert not {name for name in held if name.startswith("CLIP")}


def test_denoise_is_differentiable_in_the_embedding(prior_of: Callable[[str], Any]) -> None:
    for family in ("sd1", "sdxl", "sd3", "flux-dev"):
        prior = prior_of(family).with_text(PROMPT)
        x, level = noise(prior), prior.schedule.at(0.5)
        embedding = prior.embedding.expand(2, -1, -1).clone().requires_grad_()
        bound = prior.with_embedding(embedding)
        # the same embedding, the same answer; and each image hears its own alone
        torch.testing.assert_close(bound.denoise(x, level), prior.denoise(x, level))
        loss = bound.denoise(x, level)[0].square().sum()
        (gradient,) = torch.autograd.grad(loss, embedding)
        assert gradient[0].any() and not gradient[1].any()
        step = torch.zeros_like(embedding)
        step[0] = 3e-2 * gradient[0] / gradient[0].norm()
        moved = prior.with_embedding(embedding + step).denoise(x, level)[0].double().square().sum()
        back = prior.with_embedding(embedding - step).denoise(x, level)[0].double().square().sum()
        slope = (moved - back).item() / 6e-2
        assert slope == pytest.approx(gradient[0].norm().item(), rel=0.02)


def test_an_image_alone_is_that_image_in_a_batch(prior_of: Callable[[str], Any]) -> None:
    for family in ("sd1", "sdxl", "sd3", "flux-dev"):
        negative = "" if family == "flux-dev" else NEGATIVE
        prior = prior_of(family).with_text(PROMPT, negative, 3.0)
        x, level = noise(prior), prior.schedule.at(0.4)
        alone = prior.denoise(x[1:], level)
        torch.testing.assert_close(prior.denoise(x, level)[1:], alone, atol=1e-5, rtol=1e-4)


def test_a_guided_step_is_one_call(
    prior_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = prior_of("sd1").with_text(PROMPT, NEGATIVE, 3.0)
    asked: list[int] = []
    prior.network.register_forward_pre_hook(lambda _, given: asked.append(len(given[0])))
    prior.denoise(noise(prior), prior.schedule.at(0.5))
    assert asked == [4]


def test_wrong_texts_are_refused(prior_of: Callable[[str], Any]) -> None:
    with pytest.raises(ValueError, match="guidance: got -1"):
        prior_of("sd1").with_text(PROMPT, guidance=-1)
    with pytest.raises(ValueError, match="negative: this prior was distilled"):
        prior_of("flux-dev").with_text(PROMPT, NEGATIVE, 3.5)


def test_a_picture_beyond_the_places_of_sd3_is_refused(prior_of: Callable[[str], Any]) -> None:
    prior = prior_of("sd3")
    x = torch.zeros(prior.state_shape((1, 3, 16, 128)))
    with pytest.raises(ValueError, match="at most 64 pixels a side; give tile=32"):
        prior.denoise(x, prior.schedule.at(0.5))


def test_networks_that_are_not_text_to_image_are_refused(tmp_path: Path) -> None:
    folder = families.save("sd1", tmp_path)
    families.unet(in_channels=9).save_pretrained(folder / "unet")
    with pytest.raises(PriorError, match="takes 9 channels, the autoencoder gives 4"):
        load(str(folder))
    families.unet(
        addition_embed_type="image", encoder_hid_dim=8, projection_class_embeddings_input_dim=4
    ).save_pretrained(folder / "unet")
    with pytest.raises(PriorError, match="wants image beside the text"):
        load(str(folder))


def test_a_network_of_another_parameterization_is_refused(tmp_path: Path) -> None:
    from diffusers import EDMEulerScheduler, EulerDiscreteScheduler

    folder = families.save("sd1", tmp_path)
    scheduler: Any = EDMEulerScheduler()
    scheduler.save_pretrained(folder / "scheduler")
    with pytest.raises(PriorError, match="trained for EDMEulerScheduler are not supported"):
        load(str(folder))
    # how a sampler spaces its steps says nothing of the training: turbo models say so alone
    scheduler = EulerDiscreteScheduler(beta_schedule="scaled_linear", timestep_spacing="trailing")
    scheduler.save_pretrained(folder / "scheduler")
    assert load(str(folder)).schedule.at(1.0).time == 999


def test_a_refiner_and_a_missing_package_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = families.save("sdxl", tmp_path)
    prior = load(str(folder))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(PriorError, match=r"needs transformers; pip install 'photomend\[text\]'"):
        prior.with_text(PROMPT)
    index = json.loads((folder / "model_index.json").read_text())
    index["text_encoder"] = [None, None]
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(PriorError, match="has no text_encoder; not a text-to-image model"):
        load(str(folder))


def test_latents_with_a_mean_and_deviations(tmp_path: Path) -> None:
    mean, deviations = [0.1, -0.2, 0.3, 0.4], [1.0, 2.0, 3.0, 4.0]
    made = families.stable_diffusion_xl(latents_mean=mean, latents_std=deviations)
    made.save_pretrained(tmp_path)
    prior: Any = load(str(tmp_path))
    x = noise(prior)
    # as StableDiffusionXLPipeline has it
    spread, middle = (torch.tensor(values).view(1, 4, 1, 1) for values in (deviations, mean))
    plain = x * spread / made.vae.config.scaling_factor + middle
    expected = made.vae.decode(plain).sample.detach()
    torch.testing.assert_close(prior.decode(x), expected / 2 + 0.5)
    again = made.vae.encode(expected).latent_dist.mode().detach()
    torch.testing.assert_close(
        prior.encode(expected / 2 + 0.5), (again - middle) / spread * 0.13, atol=1e-5, rtol=1e-4
    )


def test_any_multiple_of_the_autoencoders_factor_will_do(prior_of: Callable[[str], Any]) -> None:
    for family in ("sd1", "sdxl"):
        prior = prior_of(family)
        x = torch.randn(prior.state_shape((1, 3, 18, 26)))
        assert x.shape == (1, 4, 9, 13) and prior.multiple == 2
        assert bool(prior.denoise(x, prior.schedule.at(0.5)).isfinite().all())


def test_the_files_that_a_prior_needs() -> None:
    part = "diffusion_pytorch_model"
    index = {
        "_class_name": "StableDiffusionPipeline",
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    needed = {
        "model_index.json",
        "README.md",
        "text_encoder/config.json",
        "text_encoder/model.fp16.safetensors",  # there is no other
        "tokenizer/merges.txt",
        "tokenizer/vocab.json",
        "unet/config.json",
        f"unet/{part}-00001-of-00002.safetensors",
        f"unet/{part}-00002-of-00002.safetensors",
        f"unet/{part}.safetensors.index.json",
        f"vae/{part}.safetensors",
    }
    useless = {
        "sd_xl_base.safetensors",
        "safety_checker/model.safetensors",
        "text_encoder/pytorch_model.bin",
        f"unet/{part}.fp16.safetensors",
        f"unet/{part}.non_ema.safetensors",
        "unet/model.onnx",
        "vae_1_0/diffusion_pytorch_model.safetensors",
    }
    assert set(wanted(needed | useless, index)) == needed
    # pixel models lie side by side
    flat = {"config.json", f"{part}.safetensors", "scheduler_config.json", "model_index.json"}
    pixel = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDPMScheduler"]}
    assert set(wanted(flat | {f"{part}.bin"}, pixel)) == flat


def test_half_weights_and_parts_side_by_side_load(tmp_path: Path) -> None:
    whole = load(str(families.save("sd1", tmp_path / "sd")))
    expected = whole.with_text(PROMPT).embedding
    for file in (tmp_path / "sd").rglob("*.safetensors"):
        held = {key: value.half() for key, value in load_file(file).items()}
        save_file(held, file.with_suffix(".fp16.safetensors"), {"format": "pt"})
        file.unlink()
    found = load(str(tmp_path / "sd")).with_text(PROMPT).embedding
    assert expected is not None and found is not None and found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=1e-2, rtol=1e-2)
    folder = networks.save(tmp_path / "pixel", None)
    for file in [*(folder / "unet").iterdir(), *(folder / "scheduler").iterdir()]:
        file.rename(folder / file.name)
    for part in ("unet", "scheduler"):
        (folder / part).rmdir()
    assert isinstance(load(str(folder)), PixelPrior)


def test_text_encoders_as_older_libraries_wrote_them(tmp_path: Path) -> None:
    folder = families.save("sd1", tmp_path)
    expected = load(str(folder)).with_text(PROMPT).embedding
    weights = next((folder / "text_encoder").glob("*.safetensors"))
    held = {
        f"text_model.{key.removeprefix('text_model.')}": v for key, v in load_file(weights).items()
    }
    held["text_model.embeddings.position_ids"] = torch.arange(families.TOKENS)[None]
    save_file(held, weights, {"format": "pt"})
    found = load(str(folder)).with_text(PROMPT).embedding
    assert expected is not None and found is not None and torch.equal(found, expected)


def test_a_text_encoder_that_is_broken_is_named(tmp_path: Path) -> None:
    folder = families.save("sd1", tmp_path)
    weights = next((folder / "text_encoder").glob("*.safetensors"))
    held = load_file(weights)
    lost = next(key for key in held if key.endswith("final_layer_norm.weight"))
    save_file({key: held[key] for key in held if key != lost}, weights, {"format": "pt"})
    prior: Any = load(str(folder))
    with pytest.raises(PriorError, match=r"text_encoder lacks 1 of its weights, as .*final_layer"):
        prior.with_text(PROMPT)
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(PriorError, match="cannot load text_encoder"):
        prior.with_text(PROMPT)
