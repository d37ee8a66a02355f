"""Priors over the latents of an autoencoder: z = scale (E(2 x - 1) - shift)."""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from priors.base import Prior, Shape
from priors.network import cast, checkpoint_blocks, enter, frozen, recomputed
from priors.schedule import Schedule


class Autoencoded(Prior):
    """Any diffusers autoencoder (KL, VQ, Tiny, DC) around a network; subclasses denoise.

    The networks keep their own precision; states and pictures keep theirs. `unit` is measured once:
    how far white noise of the picture spreads in the latent.
    """

    offload = False
    _recompute = False

    def __init__(
        self, autoencoder: Any, network: Any, schedule: Schedule, halvings: int, least: int = 1
    ) -> None:
        """Take diffusers models, frozen here.

        halvings: what the sides of the network's input must be multiples of. least: side in pixels,
        at least, of the picture whose noise measures `unit`.
        """
        self.autoencoder = frozen(autoencoder)
        self.network = frozen(network)
        self.schedule = schedule
        self.factor = _compression(autoencoder.config)
        self.channels = int(autoencoder.config.latent_channels)
        self.multiple = self.factor * halvings
        self.unit = self._measured_unit(max(4 * self.multiple, least))

    def encode(self, image: Tensor) -> Tensor:
        """The scaled latent (B, C, H / factor, W / factor) of pictures in [0, 1]: the mode."""
        self.state_shape(image.shape)
        self._settle(self.autoencoder, image)
        encoded = self.autoencoder.encode(enter(2 * image - 1, self.autoencoder))
        latent = next(
            getattr(encoded, name)
            for name in ("latent_dist", "latents", "latent")
            if getattr(encoded, name, None) is not None
        )
        latent = latent if isinstance(latent, Tensor) else latent.mode()
        scale, shift = self._scale_and_shift(image)
        return (latent.to(image.dtype) - shift) * scale

    def decode(self, x: Tensor) -> Tensor:
        """The picture in [0, 1], not clipped, of scaled latents."""
        self._settle(self.autoencoder, x)
        if self._recompute and torch.is_grad_enabled() and x.requires_grad:
            picture: Tensor = recomputed(self._decoded, x)
            return picture
        return self._decoded(x)

    def state_shape(self, image_shape: Shape) -> Shape:
        """(B, C, H / factor, W / factor); ValueError where a side is no multiple of `multiple`."""
        batch, _, height, width = image_shape
        if height % self.multiple or width % self.multiple:
            raise ValueError(
                f"image: sides {height} x {width} are no multiples of {self.multiple}; "
                "pad the picture, or use restore.Restorer, which does"
            )
        return (batch, self.channels, height // self.factor, width // self.factor)

    def to(self, *target: Any) -> Self:
        """Move both networks, as by torch.nn.Module.to; returns the prior.

        With `offload` they stay where they are, and go by themselves to what they are given.
        """
        if not self.offload:
            cast(self.autoencoder, *target)
            cast(self.network, *target)
        return self

    def save_memory(
        self,
        *,
        slicing: bool = False,
        tiling: bool = False,
        checkpointing: bool = False,
        offload: bool = False,
    ) -> Self:
        """Trade time for memory, each where the networks have it; returns the prior.

        slicing: the autoencoder takes one picture of a batch at a time. tiling: and large ones in
        parts, a little different from the whole. checkpointing: under gradients blocks keep their
        inputs alone and are computed again on the way back, exactly as they were. offload: of
        autoencoder and network the one that is not at work waits on the processor, unless gradients
        need it.
        """
        for wanted, name in ((slicing, "enable_slicing"), (tiling, "enable_tiling")):
            if wanted:
                _enable(self.autoencoder, name)
        if checkpointing:
            self._recompute = not checkpoint_blocks(self.autoencoder)
            checkpoint_blocks(self.network)
        self.offload = self.offload or offload
        return self

    def _decoded(self, x: Tensor) -> Tensor:
        scale, shift = self._scale_and_shift(x)
        image = self.autoencoder.decode(enter(x / scale + shift, self.autoencoder)).sample
        picture: Tensor = (image.to(x.dtype) + 1) / 2
        return picture

    def _settle(self, part: Any, x: Tensor) -> None:
        """With `offload`, bring one network to the device of x, and send the other home."""
        if not self.offload:
            return
        if not (torch.is_grad_enabled() and x.requires_grad):
            for other in (self.autoencoder, self.network):
                if other is not part:
                    cast(other, "cpu")
        cast(part, x.device)

    def _scale_and_shift(self, like: Tensor) -> tuple[float | Tensor, float | Tensor]:
        config = self.autoencoder.config
        scale, shift = (
            float(config.get("scaling_factor") or 1),
            float(config.get("shift_factor") or 0),
        )
        mean, std = config.get("latents_mean"), config.get("latents_std")
        if mean is None or std is None:
            return scale, shift
        return scale / like.new_tensor(std).view(-1, 1, 1), like.new_tensor(mean).view(-1, 1, 1)

    @torch.no_grad()
    def _measured_unit(self, side: int) -> float:
        noise = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        parameter = next(iter(self.autoencoder.parameters()))
        flat = torch.full_like(noise, 0.5).to(parameter.device)
        shift = self.encode(flat + 0.05 * noise.to(flat)) - self.encode(flat)
        return float(0.05 / shift.std().clamp_min(1e-6))


def _enable(autoencoder: Any, name: str) -> None:
    try:
        getattr(autoencoder, name, lambda: None)()
    except NotImplementedError:  # it has no such thing to save
        return


def _compression(config: Mapping[str, Any]) -> int:
    blocks = config.get("encoder_block_out_channels") or config["block_out_channels"]
    return int(2 ** (len(blocks) - 1))
