"""A latent diffusion prior: z = scale (E(2 x - 1) - shift), and a score network over z."""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from priors.base import Prior, Shape
from priors.parameterization import PARAMETERIZATIONS
from priors.schedule import Level, Schedule


class LatentPrior(Prior):
    """Any diffusers autoencoder (KL, VQ, Tiny, DC) with any UNet2DModel on its latents.

    The networks keep their own precision; states and pictures keep theirs. `unit` is measured once:
    how far white noise of the picture spreads in the latent.
    Latent diffusion: Rombach et al., CVPR 2022 (arXiv:2112.10752).
    """

    def __init__(
        self, autoencoder: Any, network: Any, schedule: Schedule, prediction: str = "epsilon"
    ) -> None:
        """Take diffusers models, frozen here; ValueError for an unknown prediction type."""
        self.autoencoder = frozen(autoencoder)
        self.network = frozen(network)
        self.schedule = schedule
        self.prediction = checked_prediction(prediction)
        self.factor = _compression(autoencoder.config)
        self.multiple = self.factor * network_multiple(network.config)
        self.unit = self._measured_unit()

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """E[z_0 | z_t = x] for scaled latents x (B, C, h, w)."""
        return network_denoise(self.network, self.prediction, x, level)

    def encode(self, image: Tensor) -> Tensor:
        """The scaled latent (B, C, H / factor, W / factor) of pictures in [0, 1]: the mode."""
        self.state_shape(image.shape)
        encoded = self.autoencoder.encode(_enter(2 * image - 1, self.autoencoder))
        latent = next(
            getattr(encoded, name)
            for name in ("latent_dist", "latents", "latent")
            if getattr(encoded, name, None) is not None
        )
        latent = latent if isinstance(latent, Tensor) else latent.mode()
        scale, shift = self._scale_and_shift()
        return (latent.to(image.dtype) - shift) * scale

    def decode(self, x: Tensor) -> Tensor:
        """The picture in [0, 1], not clipped, of scaled latents."""
        scale, shift = self._scale_and_shift()
        image = self.autoencoder.decode(_enter(x / scale + shift, self.autoencoder)).sample
        picture: Tensor = (image.to(x.dtype) + 1) / 2
        return picture

    def state_shape(self, image_shape: Shape) -> Shape:
        """(B, C, H / factor, W / factor); ValueError where a side is no multiple of `multiple`."""
        batch, _, height, width = image_shape
        if height % self.multiple or width % self.multiple:
            raise ValueError(
                f"image: sides {height} x {width} are no multiples of {self.multiple}; "
                "pad the picture, or use restore.Restorer, which does"
            )
        channels = int(self.network.config.in_channels)
        return (batch, channels, height // self.factor, width // self.factor)

    def to(self, *target: Any) -> Self:
        """Move both networks, as by torch.nn.Module.to; returns the prior."""
        cast(self.autoencoder, *target)
        cast(self.network, *target)
        return self

    def _scale_and_shift(self) -> tuple[float, float]:
        config = self.autoencoder.config
        return float(config.get("scaling_factor") or 1.0), float(config.get("shift_factor") or 0.0)

    @torch.no_grad()
    def _measured_unit(self) -> float:
        side = 4 * self.multiple
        noise = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        parameter = next(iter(self.autoencoder.parameters()))
        flat = torch.full_like(noise, 0.5).to(parameter.device)
        shift = self.encode(flat + 0.05 * noise.to(flat)) - self.encode(flat)
        return float(0.05 / shift.std().clamp_min(1e-6))


def cast(module: Any, *target: Any) -> Any:
    """Module.to as torch has it; diffusers' own warns of modules that these models do not have."""
    return torch.nn.Module.to(module, *target)


def frozen(module: Any) -> Any:
    """A network for inference: no gradients to its weights, channels last."""
    module.requires_grad_(False)
    return module.eval().to(memory_format=torch.channels_last)


def network_denoise(network: Any, prediction: str, x: Tensor, level: Level) -> Tensor:
    """Run a UNet2DModel at a level and turn what it predicts into x_0, in the dtype of x."""
    # UNet2DModel makes integer times of Python numbers; a tensor keeps times between the steps.
    time = torch.full((len(x),), level.time, dtype=torch.float32, device=x.device)
    output = network(_enter(x, network), time).sample[:, : x.shape[1]]
    return PARAMETERIZATIONS[prediction](x, output.to(x.dtype), level)


def network_multiple(config: Mapping[str, Any]) -> int:
    """What the sides of a UNet's input must be multiples of: two to the number of its halvings."""
    return int(2 ** (len(config["block_out_channels"]) - 1))


def checked_prediction(prediction: str) -> str:
    """The prediction type, or ValueError that lists the known ones."""
    if prediction not in PARAMETERIZATIONS:
        known = ", ".join(PARAMETERIZATIONS)
        raise ValueError(f"prediction: {prediction!r} is unknown; one of {known}")
    return prediction


def _enter(x: Tensor, network: Any) -> Tensor:
    parameter = next(iter(network.parameters()))
    return x.to(parameter.dtype).contiguous(memory_format=torch.channels_last)


def _compression(config: Mapping[str, Any]) -> int:
    blocks = config.get("encoder_block_out_channels") or config["block_out_channels"]
    return int(2 ** (len(blocks) - 1))
