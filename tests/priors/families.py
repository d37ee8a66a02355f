"""Tiny pipelines of diffusers' own classes with random weights: every family that reads text."""

import json
import string
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

LETTERS = list(string.ascii_lowercase)
TOKENS = 16
SIDE = 16
"""Sides of pictures; autoencoders halve them."""


def frozen(module: Any) -> Any:
    return module.requires_grad_(False).eval()


def clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    words = [*LETTERS, *(letter + "</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    with TemporaryDirectory() as folder:
        places = Path(folder) / "vocab.json", Path(folder) / "merges.txt"
        places[0].write_text(json.dumps(vocabulary))
        places[1].write_text("#version: 0.2\n")
        kind: Any = CLIPTokenizer
        return kind(*map(str, places), model_max_length=TOKENS)


def clip(seed: int, *, projection: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(seed)
    config = CLIPTextConfig(
        vocab_size=54,
        hidden_size=16,
        intermediate_size=24,
        projection_dim=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        bos_token_id=52,
        eos_token_id=53,
        pad_token_id=53,
    )
    kind: Any = CLIPTextModelWithProjection if projection else CLIPTextModel
    return frozen(kind(config))


def t5_tokenizer() -> Any:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    model = models.Unigram([*pieces, *((letter, -3.0) for letter in LETTERS)], unk_id=2)
    tokenizer: Any = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    library: Any = transformers  # whose older versions have another T5Tokenizer, too
    return library.T5TokenizerFast(tokenizer_object=tokenizer, extra_ids=0)


def t5(seed: int) -> Any:
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(seed)
    config = T5Config(vocab_size=30, d_model=32, d_kv=8, d_ff=24, num_layers=1, num_heads=2)
    return frozen(T5EncoderModel(config))


def autoencoder(channels: int = 4, **options: Any) -> Any:
    from diffusers import AutoencoderKL

    torch.manual_seed(1)
    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        **options,
    )


def unet(**options: Any) -> Any:
    from diffusers import UNet2DConditionModel

    torch.manual_seed(2)
    given: dict[str, Any] = {
        "in_channels": 4,
        "out_channels": 4,
        "layers_per_block": 1,
        "block_out_channels": (8, 16),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 16,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
        "sample_size": 8,
        **options,
    }
    return frozen(UNet2DConditionModel(**given))


def ddim(prediction: str = "epsilon") -> Any:
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        timestep_spacing="trailing",
        steps_offset=1,
        clip_sample=False,
    )


def stable_diffusion(prediction: str = "epsilon", **network: Any) -> Any:
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline(
        vae=autoencoder(scaling_factor=0.18),
        text_encoder=clip(3),
        tokenizer=clip_tokenizer(),
        unet=unet(**network),
        scheduler=ddim(prediction),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def consistency() -> Any:
    from diffusers import LatentConsistencyModelPipeline, LCMScheduler

    made = stable_diffusion(time_cond_proj_dim=16)
    scheduler = LCMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    parts = {**made.components, "scheduler": scheduler}
    return LatentConsistencyModelPipeline(**parts, requires_safety_checker=False)


def stable_diffusion_xl(**autoencoding: Any) -> Any:
    from diffusers import StableDiffusionXLPipeline

    return StableDiffusionXLPipeline(
        vae=autoencoder(scaling_factor=0.13, **autoencoding),
        text_encoder=clip(3),
        text_encoder_2=clip(4, projection=True),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=unet(
            cross_attention_dim=32,
            addition_embed_type="text_time",
            addition_time_embed_dim=4,
            projection_class_embeddings_input_dim=6 * 4 + 16,
        ),
        scheduler=ddim(),
        add_watermarker=False,
    )


def turbo() -> Any:
    """As SD-Turbo's repository has it: nothing but the spacing of the steps tells what it is."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="trailing",
        steps_offset=1,
    )
    parts = {**stable_diffusion().components, "scheduler": scheduler}
    return StableDiffusionPipeline(**parts, requires_safety_checker=False)


def stable_diffusion_3(with_t5: bool = True, **transforming: Any) -> Any:
    from diffusers import (
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )

    torch.manual_seed(5)
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=32,
        pos_embed_max_size=16,
        **transforming,
    )
    return StableDiffusion3Pipeline(
        transformer=frozen(transformer),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(scaling_factor=1.5, shift_factor=0.06),
        text_encoder=clip(3, projection=True),
        text_encoder_2=clip(4, projection=True),
        text_encoder_3=t5(5) if with_t5 else None,
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        tokenizer_3=t5_tokenizer() if with_t5 else None,
    )


def flux(guided: bool = True) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    torch.manual_seed(6)
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        guidance_embeds=guided,
        axes_dims_rope=(4, 6, 6),
    )
    return FluxPipeline(
        transformer=frozen(transformer),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=guided),
        vae=autoencoder(scaling_factor=0.36, shift_factor=0.12),
        text_encoder=clip(3),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5(4),
        tokenizer_2=t5_tokenizer(),
    )


FAMILIES: dict[str, Callable[[], Any]] = {
    "sd1": stable_diffusion,
    "sd2": lambda: stable_diffusion("v_prediction"),
    "sdxl": stable_diffusion_xl,
    "lcm": consistency,
    "turbo": turbo,
    "sd3": stable_diffusion_3,
    "sd3.5-without-t5": lambda: stable_diffusion_3(
        with_t5=False, qk_norm="rms_norm", dual_attention_layers=(0,)
    ),
    "flux-dev": flux,
    "flux-schnell": lambda: flux(guided=False),
}


@cache
def pipeline(family: str) -> Any:
    """A pipeline of the family, without its progress bar."""
    made = FAMILIES[family]()
    made.set_progress_bar_config(disable=True)
    return made


def save(family: str, folder: Path) -> Path:
    """The directory of a family's pipeline, as diffusers writes it."""
    pipeline(family).save_pretrained(folder)
    return folder
