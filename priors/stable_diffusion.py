"""Stable Diffusion 1.x, 2.x and XL, and the consistency models made of them, as priors."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from priors.base import PriorError
from priors.directory import Directory
from priors.network import enter, times
from priors.schedule import VP, Level, Schedule, from_config, prediction
from priors.text import Prompts, Text, TextPrior, Texts, pooled

SIGMA_DATA = 0.5
"""Of the boundary condition of consistency models: deviation of scaled latents."""


class StableDiffusion(TextPrior):
    """A UNet2DConditionModel over latents (Rombach et al. 2022, arXiv:2112.10752).

    XL (Podell et al. 2023, arXiv:2307.01952) is told the sides of the picture too, and a pooled
    text. A latent consistency model (Luo et al. 2023, arXiv:2310.04378) may be told the guidance,
    and leaves a clean state as it is: its `denoise` is the consistency function. Sides may be any
    multiples of the autoencoder's factor.
    """

    def __init__(
        self,
        autoencoder: Any,
        network: Any,
        schedule: Schedule,
        prediction: str,
        prompts: Callable[[str, str | None, Any], Texts],
        boundary: float | None = None,
    ) -> None:
        """boundary: the factor of the times in a consistency model's boundary condition."""
        config = network.config
        kind = config.get("addition_embed_type")
        if kind not in (None, "text_time") or config.get("class_embed_type"):
            raise ValueError(f"network: it wants {kind or 'classes'} beside the text")
        self.boundary, self.distilled = boundary, bool(config.get("time_cond_proj_dim"))
        super().__init__(
            *(autoencoder, network, schedule, prediction, prompts),
            latent_channels=config.in_channels,
        )

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """E[z_0 | z_t = x, text], or the consistency function, for latents x (B, C, h, w)."""
        x0 = super().denoise(x, level)
        if self.boundary is None:
            return x0
        far = math.hypot(self.boundary * level.time, SIGMA_DATA)
        return (self.boundary * level.time / far) * x0 + (SIGMA_DATA / far) ** 2 * x

    def _predicted(self, x: Tensor, level: Level, text: Text) -> Tensor:
        state = enter(x, self.network)
        given: dict[str, Any] = {"encoder_hidden_states": text.embedding.to(state)}
        if self.network.config.get("addition_embed_type"):
            height, width = (side * self.factor for side in x.shape[2:])
            # As it is: half precision knows no odd number beyond 256, or 2048.
            sides = torch.tensor([[height, width, 0, 0, height, width]], device=x.device)
            added = {"text_embeds": pooled(text).to(state), "time_ids": sides.expand(len(x), -1)}
            given["added_cond_kwargs"] = added
        if self.distilled:
            told = told_guidance(self.guidance, self.network.config.time_cond_proj_dim)
            given["timestep_cond"] = told.to(state).expand(len(x), -1)
        output: Tensor = self.network(state, times(x, level), **given).sample
        return output


def told_guidance(guidance: float, channels: int) -> Tensor:
    """Sines and cosines (1, channels) of 1000 (guidance - 1), as those of times."""
    half = channels // 2
    rates = torch.exp(torch.arange(half) * (-math.log(10000.0) / (half - 1)))
    angles = 1000 * (guidance - 1) * rates
    return torch.cat([angles.sin(), angles.cos(), torch.zeros(channels % 2)])[None]


def read(
    directory: Directory, autoencoder: Any, network: Any, precision: torch.dtype
) -> StableDiffusion:
    """The prior of a directory whose networks are read; PriorError for what is none of these."""
    config = directory.scheduler()
    schedule, name = from_config(config), str(config.get("_class_name"))
    if not isinstance(schedule, VP):
        raise PriorError(f"{directory.name}: networks trained for {name} are not supported")
    large = network.config.get("addition_embed_type") == "text_time"
    if large:
        encoders = ("text_encoder", "text_encoder_2")
        prompts = Prompts(directory, "StableDiffusionXLPipeline", embed_xl, precision, encoders)
    else:
        one = ("text_encoder",)
        prompts = Prompts(directory, "StableDiffusionPipeline", embed, precision, one)
    boundary = float(config.get("timestep_scaling", 10.0)) if name == "LCMScheduler" else None
    predicted = prediction(config)
    return StableDiffusion(autoencoder, network, schedule, predicted, prompts, boundary)


def embed(pipeline: Any, prompt: str, negative: str | None, device: torch.device) -> Texts:
    """The texts of Stable Diffusion 1.x and 2.x."""
    found, other = pipeline.encode_prompt(prompt, device, 1, negative is not None, negative)
    return Text(found), None if negative is None else Text(other)


def embed_xl(pipeline: Any, prompt: str, negative: str | None, device: torch.device) -> Texts:
    """Those of XL; an empty negative is zeros, where the pipeline was trained so."""
    found, other, brief, other_brief = pipeline.encode_prompt(
        prompt,
        device=device,
        do_classifier_free_guidance=negative is not None,
        negative_prompt=negative or None,
    )
    return Text(found, brief), None if negative is None else Text(other, other_brief)
