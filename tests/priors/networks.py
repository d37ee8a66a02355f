"""Tiny diffusers networks with random weights, for tests of everything around them."""

from pathlib import Path
from typing import Any

import torch


def unet(channels: int, seed: int = 0) -> Any:
    """A UNet2DModel with two levels: its input's sides are multiples of 2."""
    from diffusers import UNet2DModel

    torch.manual_seed(seed)
    return UNet2DModel(
        sample_size=8,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        add_attention=False,
    )


def autoencoders() -> dict[str, Any]:
    """One of each kind of autoencoder that a latent prior takes, four latent channels, f = 2."""
    from diffusers import AutoencoderKL, AutoencoderTiny, VQModel
    from diffusers.models.autoencoders.autoencoder_dc import AutoencoderDC

    torch.manual_seed(1)
    blocks: dict[str, Any] = {
        "block_out_channels": (8, 16),
        "down_block_types": ("DownEncoderBlock2D", "DownEncoderBlock2D"),
        "up_block_types": ("UpDecoderBlock2D", "UpDecoderBlock2D"),
        "latent_channels": 4,
        "norm_num_groups": 4,
    }
    return {
        "kl": AutoencoderKL(**blocks, scaling_factor=0.5, shift_factor=0.25),
        "vq": VQModel(**blocks, num_vq_embeddings=32, scaling_factor=1.0),
        "tiny": AutoencoderTiny(
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            num_encoder_blocks=(1, 1),
            num_decoder_blocks=(1, 1),
            latent_channels=4,
        ),
        "dc": AutoencoderDC(
            latent_channels=4,
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=(1, 1),
            encoder_qkv_multiscales=((), ()),
            decoder_qkv_multiscales=((), ()),
        ),
    }


def save(folder: Path, kind: str | None, *, prediction: str = "v_prediction") -> Path:
    """A diffusers directory of a tiny prior; kind None is a pixel prior."""
    import json

    from diffusers import DDPMScheduler

    parts: dict[str, Any] = {"unet": unet(3 if kind is None else 4)}
    if kind is not None:
        parts["vae"] = autoencoders()[kind]
    index: dict[str, Any] = {"scheduler": ["diffusers", "DDPMScheduler"]}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
        index[name] = ["diffusers", type(part).__name__]
    scheduler: Any = DDPMScheduler(prediction_type=prediction)
    scheduler.save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder
