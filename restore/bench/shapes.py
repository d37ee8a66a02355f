"""Priors of the shapes of published ones, with random weights: what they cost, not what they can.

The numbers are those of the published configurations of Stable Diffusion 1.5 (Rombach et al., CVPR
2022, arXiv:2112.10752) and XL (Podell et al., arXiv:2307.01952).
"""

from typing import Any

import torch

from priors.base import Prior
from priors.network import cast
from priors.schedule import from_config
from priors.stable_diffusion import StableDiffusion
from priors.text import Text, Texts

PLAIN, CROSS = ("DownBlock2D", "UpBlock2D"), ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D")
NETWORKS: dict[str, dict[str, Any]] = {
    "sd15": {
        "sample_size": 64,
        "block_out_channels": (320, 640, 1280, 1280),
        "attention_head_dim": 8,
        "cross_attention_dim": 768,
        "down_block_types": (CROSS[0], CROSS[0], CROSS[0], PLAIN[0]),
        "up_block_types": (PLAIN[1], CROSS[1], CROSS[1], CROSS[1]),
    },
    "sdxl": {
        "sample_size": 128,
        "block_out_channels": (320, 640, 1280),
        "attention_head_dim": (5, 10, 20),
        "transformer_layers_per_block": (1, 2, 10),
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
        "down_block_types": (PLAIN[0], CROSS[0], CROSS[0]),
        "up_block_types": (CROSS[1], CROSS[1], PLAIN[1]),
    },
}
AUTOENCODER: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 512,
}
SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
TOKENS, POOLED = 77, 1280


def network(name: str) -> Any:
    """The network of one of `NETWORKS`, on torch's default device."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(in_channels=4, out_channels=4, **NETWORKS[name])


def autoencoder() -> Any:
    """The autoencoder that both have, but for a factor."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(**AUTOENCODER)


def shaped(name: str, device: torch.device, dtype: torch.dtype) -> Prior:
    """A prior of the shape of one of `NETWORKS`, told a text of ones."""
    with torch.random.fork_rng(), torch.device(device):
        parts = (network(name).eval(), autoencoder().eval())
        width = NETWORKS[name]["cross_attention_dim"]
        text = Text(torch.ones(1, TOKENS, width), torch.ones(1, POOLED))
    for part in parts:
        cast(part, device, dtype)

    def prompts(prompt: str, negative: str | None, network: Any) -> Texts:
        return text, None

    unet, vae = parts
    return StableDiffusion(vae, unet, from_config(SCHEDULER), "epsilon", prompts)
