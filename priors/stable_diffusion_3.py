"""Stable Diffusion 3 and FLUX as priors: transformers that predict the velocity of a flow."""

import math
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from priors.base import PriorError, Shape
from priors.directory import Directory
from priors.network import enter, times
from priors.schedule import Flow, Level, from_config
from priors.text import Prompts, Text, TextPrior, Texts, pooled


@dataclass(frozen=True)
class Shift:
    """The shift of a flow by the size of the picture: larger ones need more noise to be hidden.

    It is exp(mu), or mu itself, with mu linear in the tokens (Esser et al. 2024, arXiv:2403.03206).
    """

    lowest: float
    highest: float
    fewest: int
    most: int
    exponential: bool

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Shift | None":
        """That of a scheduler's configuration; None where the shift is one for all sizes."""
        if not config.get("use_dynamic_shifting"):
            return None
        return cls(
            float(config.get("base_shift", 0.5)),
            float(config.get("max_shift", 1.15)),
            int(config.get("base_image_seq_len", 256)),
            int(config.get("max_image_seq_len", 4096)),
            config.get("time_shift_type", "exponential") == "exponential",
        )

    def at(self, tokens: int) -> float:
        """The shift for a picture of so many tokens."""
        slope = (self.highest - self.lowest) / (self.most - self.fewest)
        mu = self.lowest + slope * (tokens - self.fewest)
        return math.exp(mu) if self.exponential else mu


class FlowTransformer(TextPrior):
    """What both families share: the velocity eps - x_0, patches, and a shift by the size."""

    patch: int

    def __init__(
        self,
        autoencoder: Any,
        network: Any,
        schedule: Flow,
        prompts: Callable[[str, str | None, Any], Texts],
        shift: Shift | None = None,
        *,
        latent_channels: int,
    ) -> None:
        """shift: of the levels by the size, where they depend on it; until `sized` the largest."""
        self.shift = shift
        super().__init__(
            *(autoencoder, network, schedule, "flow_prediction", prompts),
            halvings=self.patch,
            latent_channels=latent_channels,
        )
        if shift is not None:
            self.schedule = Flow(shift.at(shift.most))

    def sized(self, image_shape: Shape) -> Self:
        """This prior with the noise levels for pictures of a size."""
        if self.shift is None:
            return self
        sized = copy(self)
        tokens = math.prod(-(-side // (self.factor * self.patch)) for side in image_shape[2:])
        sized.schedule = Flow(self.shift.at(tokens))
        return sized


class StableDiffusion3(FlowTransformer):
    """An SD3Transformer2DModel: Stable Diffusion 3 and 3.5 (arXiv:2403.03206)."""

    def __init__(self, autoencoder: Any, network: Any, *rest: Any) -> None:
        self.patch = int(network.config.patch_size)
        channels = network.config.in_channels
        super().__init__(autoencoder, network, *rest, latent_channels=channels)

    @property
    def longest(self) -> int:
        """Pixels that the network has places for, along a side."""
        return int(self.network.config.pos_embed_max_size) * self.patch * self.factor

    def _predicted(self, x: Tensor, level: Level, text: Text) -> Tensor:
        if max(x.shape[2:]) * self.factor > self.longest:
            height, width = (side * self.factor for side in x.shape[2:])
            raise ValueError(
                f"image: sides {height} x {width}, but the prior sees at most {self.longest} "
                f"pixels a side; give tile={self.longest // 2}"
            )
        state = enter(x, self.network)
        output: Tensor = self.network(
            hidden_states=state,
            timestep=times(x, level),
            encoder_hidden_states=text.embedding.to(state),
            pooled_projections=pooled(text).to(state),
        ).sample
        return output


class Flux(FlowTransformer):
    """A FluxTransformer2DModel (FLUX.1): its tokens are 2 x 2 latents.

    Where it was distilled with guidance it is told it, and `with_text` takes no negative.
    """

    patch = 2

    def __init__(self, autoencoder: Any, network: Any, *rest: Any) -> None:
        self.distilled = bool(network.config.guidance_embeds)
        channels = network.config.in_channels // self.patch**2
        super().__init__(autoencoder, network, *rest, latent_channels=channels)

    def _predicted(self, x: Tensor, level: Level, text: Text) -> Tensor:
        state = enter(x, self.network)
        tokens = pixel_unshuffle(state, self.patch)
        rows, columns = tokens.shape[2:]
        given: dict[str, Any] = {}
        if self.distilled:
            given["guidance"] = torch.full((len(x),), self.guidance, device=x.device)
        output = self.network(
            hidden_states=tokens.flatten(2).mT,
            timestep=times(x, level) / 1000,
            encoder_hidden_states=text.embedding.to(state),
            pooled_projections=pooled(text).to(state),
            txt_ids=state.new_zeros(text.embedding.shape[1], 3),
            img_ids=_places(rows, columns, state),
            **given,
        ).sample
        return pixel_shuffle(output.mT.unflatten(2, (rows, columns)), self.patch)


def _places(rows: int, columns: int, like: Tensor) -> Tensor:
    """(0, row, column) of each token."""
    sides = [torch.arange(count, dtype=torch.float32) for count in (1, rows, columns)]
    return torch.cartesian_prod(*sides).to(like.device)


def read(
    directory: Directory, autoencoder: Any, network: Any, precision: torch.dtype
) -> FlowTransformer:
    """The prior of a directory whose networks are read; PriorError for what is none of these."""
    config = directory.scheduler()
    schedule, name = from_config(config), str(config.get("_class_name"))
    if not isinstance(schedule, Flow):
        raise PriorError(f"{directory.name}: networks trained for {name} are not supported")
    encoders = ("text_encoder", "text_encoder_2")
    if directory.kind("transformer") == "FluxTransformer2DModel":
        prompts = Prompts(directory, "FluxPipeline", embed_flux, precision, encoders)
        return Flux(autoencoder, network, schedule, prompts, Shift.of(config))
    prompts = Prompts(directory, "StableDiffusion3Pipeline", embed, precision, encoders)
    return StableDiffusion3(autoencoder, network, schedule, prompts, Shift.of(config))


def embed(pipeline: Any, prompt: str, negative: str | None, device: torch.device) -> Texts:
    """The texts of Stable Diffusion 3."""
    found, other, brief, other_brief = pipeline.encode_prompt(
        *(prompt, None, None),
        device=device,
        do_classifier_free_guidance=negative is not None,
        negative_prompt=negative,
    )
    return Text(found, brief), None if negative is None else Text(other, other_brief)


def embed_flux(pipeline: Any, prompt: str, negative: str | None, device: torch.device) -> Texts:
    """Those of FLUX."""
    found, brief, _ = pipeline.encode_prompt(prompt, None, device=device)
    if negative is None:
        return Text(found, brief), None
    other, other_brief, _ = pipeline.encode_prompt(negative, None, device=device)
    return Text(found, brief), Text(other, other_brief)
