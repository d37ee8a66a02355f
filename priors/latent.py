"""A latent diffusion prior: an autoencoder, and an unconditional score network over its latents."""

from typing import Any

from torch import Tensor

from priors.autoencoded import Autoencoded
from priors.network import checked_prediction, network_denoise, network_multiple
from priors.schedule import Level, Schedule


class LatentPrior(Autoencoded):
    """Any diffusers autoencoder (KL, VQ, Tiny, DC) with any UNet2DModel on its latents.

    Latent diffusion: Rombach et al., CVPR 2022 (arXiv:2112.10752).
    """

    def __init__(
        self, autoencoder: Any, network: Any, schedule: Schedule, prediction: str = "epsilon"
    ) -> None:
        """Take diffusers models, frozen here; ValueError for an unknown prediction type."""
        self.prediction = checked_prediction(prediction)
        super().__init__(autoencoder, network, schedule, network_multiple(network.config))

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """E[z_0 | z_t = x] for scaled latents x (B, C, h, w)."""
        self._settle(self.network, x)
        return network_denoise(self.network, self.prediction, x, level)
