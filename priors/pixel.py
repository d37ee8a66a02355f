"""A pixel diffusion prior: the state is the picture on [-1, 1], the f = 1 case of latent priors."""

from typing import Any, Self

from torch import Tensor

from priors.base import Prior, Shape
from priors.network import cast, checked_prediction, frozen, network_denoise, network_multiple
from priors.schedule import Level, Schedule


class PixelPrior(Prior):
    """An unconditional diffusers UNet2DModel over pictures (Ho et al. 2020, arXiv:2006.11239).

    Networks that also predict a variance (six output channels) are read for their mean.
    """

    unit = 0.5

    def __init__(self, network: Any, schedule: Schedule, prediction: str = "epsilon") -> None:
        """Take a diffusers model, frozen here; ValueError for an unknown prediction type."""
        self.network = frozen(network)
        self.schedule = schedule
        self.prediction = checked_prediction(prediction)
        self.multiple = network_multiple(network.config)

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """E[x_0 | x_t = x] for pictures on [-1, 1], (B, 3, H, W)."""
        return network_denoise(self.network, self.prediction, x, level)

    def encode(self, image: Tensor) -> Tensor:
        """The picture on [-1, 1]."""
        return 2 * image - 1

    def decode(self, x: Tensor) -> Tensor:
        """The picture on [0, 1], not clipped."""
        return (x + 1) / 2

    def state_shape(self, image_shape: Shape) -> Shape:
        """The shape of the picture; ValueError where a side is no multiple of `multiple`."""
        height, width = image_shape[2:]
        if height % self.multiple or width % self.multiple:
            raise ValueError(f"image: sides {height} x {width} are no multiples of {self.multiple}")
        return image_shape

    def to(self, *target: Any) -> Self:
        """Move the network, as by torch.nn.Module.to; returns the prior."""
        cast(self.network, *target)
        return self
