"""Stage 2: a time-conditional UNet2DModel on latents, v-prediction under the cosine schedule.

    z_t = alpha z + sigma eps        loss = |v_theta(z_t, t) - (alpha eps - sigma z)|^2

Noise ratios sigma / alpha are drawn log-normal where restoration lives, one in ten uniform in t.
v-prediction: Salimans and Ho 2022 (arXiv:2202.00512); cosine schedule: Nichol and Dhariwal 2021
(arXiv:2102.09672); noise-level sampling after Karras et al. 2022 (arXiv:2206.00364).
"""

from typing import Any

import torch
from torch import Tensor, nn


def scheduler() -> Any:
    """The diffusers scheduler that the weights belong to; its config travels with them."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
    )


def network(channels: int, width: tuple[int, ...] = (64, 96, 128), layers: int = 2) -> Any:
    """A fully convolutional UNet2DModel on `channels` latent channels."""
    from diffusers import UNet2DModel

    return UNet2DModel(
        sample_size=64,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=layers,
        block_out_channels=width,
        down_block_types=("DownBlock2D",) * len(width),
        up_block_types=("UpBlock2D",) * len(width),
        norm_num_groups=8,
        add_attention=False,
    )


class NoiseLevels:
    """The training distribution of time steps, and alpha and sigma of each."""

    def __init__(self, middle: float = 0.25, spread: float = 1.3, uniform: float = 0.1) -> None:
        cumulative = scheduler().alphas_cumprod.double()
        self.alpha, self.sigma = cumulative.sqrt().float(), (1 - cumulative).sqrt().float()
        log_ratio = (self.sigma / self.alpha).double().log()
        density = torch.exp(-0.5 * ((log_ratio - torch.tensor(middle).log()) / spread) ** 2)
        # density in log ratio, spent on steps that are unevenly spaced in it
        density = density * torch.gradient(log_ratio)[0]
        self.weights = (1 - uniform) * density / density.sum() + uniform / len(density)

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        return torch.multinomial(self.weights, batch, replacement=True, generator=generator)

    def nearest(self, ratio: float) -> int:
        """The time step whose sigma / alpha is closest to `ratio`."""
        return int((self.sigma / self.alpha - ratio).abs().argmin())


def loss(model: nn.Module, latents: Tensor, levels: NoiseLevels, seed: int) -> Tensor:
    """Mean squared error of v over a batch of scaled latents (B, C, h, w); pure in `seed`."""
    generator = torch.Generator().manual_seed(seed)
    t = levels.draw(len(latents), generator)
    noise = torch.randn(latents.shape, generator=generator).to(latents)
    alpha, sigma = (v[t].view(-1, 1, 1, 1).to(latents) for v in (levels.alpha, levels.sigma))
    with torch.autocast(latents.device.type, torch.bfloat16):
        v = model(alpha * latents + sigma * noise, t.to(latents.device)).sample
    error: Tensor = v.float() - (alpha * noise - sigma * latents)
    return error.square().mean()


@torch.no_grad()
def denoising_error(
    model: nn.Module, latents: Tensor, levels: NoiseLevels, ratios: tuple[float, ...], seed: int = 0
) -> dict[str, float]:
    """Mean squared error of x0 per noise ratio sigma / alpha, in units of scaled latents."""
    errors = {}
    for ratio in ratios:
        generator = torch.Generator().manual_seed(seed)
        t = levels.nearest(ratio)
        alpha, sigma = float(levels.alpha[t]), float(levels.sigma[t])
        total = 0.0
        for z in latents.split(16):
            noise = torch.randn(z.shape, generator=generator).to(z)
            noisy = alpha * z + sigma * noise
            with torch.autocast(z.device.type, torch.bfloat16):
                v = model(noisy, t).sample
            total += (alpha * noisy - sigma * v.float() - z).square().mean().item() * len(z)
        errors[f"x0_{ratio:g}"] = total / len(latents)
    return errors
