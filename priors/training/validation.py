"""What a network in training is worth: figures on held-out photos, and sheets to look at."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priors.latent import LatentPrior
from priors.training import autoencoder, diffusion
from priors.training.loop import generator
from priors.training.options import DiffusionTraining
from priors.training.photos import Photos

Metric = Callable[[Tensor, Tensor], Tensor]
RATIOS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
WIDE_RATIOS = (1.0, 2.0, 4.0, 8.0)
SIGMA = 25 / 255


def psnr(x: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratios in dB (B,) of pictures on [0, 1], clipped."""
    error = (x.clamp(0, 1) - reference).square().flatten(1).mean(1)
    return -10 * error.clamp(min=1e-12).log10()


@torch.no_grad()
def reconstruction(
    model: Any, pictures: Tensor, metrics: Mapping[str, Metric], folder: Path
) -> dict[str, float]:
    """PSNR, isometry error and further metrics of pictures (B, 3, H, W) in [-1, 1]; a sheet."""
    device = next(model.parameters()).device
    pictures = pictures.to(device)
    latent = autoencoder.encode(model, pictures)
    decoded = autoencoder.decode(model, latent)
    unit = _unit(model, pictures[:1])
    push = 0.1 * unit * torch.randn(latent.shape, generator=generator(0)).to(device)
    moved = autoencoder.decode(model, latent + push) - decoded
    gain = moved.flatten(1).norm(dim=1) / push.flatten(1).norm(dim=1)
    x, reference = (decoded + 1) / 2, (pictures + 1) / 2
    write_sheet(torch.cat([reference[:8], x[:8]]).cpu(), folder / "reconstructions.png", 8)
    return {
        "psnr": float(psnr(x, reference).mean()),
        "isometry_error": float(gain.std() / gain.mean()),
        **{name: float(metric(x, reference).mean()) for name, metric in metrics.items()},
    }


def _unit(model: Any, like: Tensor) -> float:
    """Standard deviation of the latent of white noise, for noise of one."""
    grey = torch.zeros_like(like)
    noise = torch.randn(like.shape, generator=generator(1)).to(like)
    shift = autoencoder.encode(model, grey + 0.1 * noise) - autoencoder.encode(model, grey)
    return float(shift.std() / 0.1)


class Denoising:
    """Held-out latents for stage 2: fine ones of small crops, wide ones of large crops."""

    def __init__(
        self, encoder: Any, photos: Photos, options: DiffusionTraining, folder: Path
    ) -> None:
        self._encoder, self._options, self._folder = encoder, options, folder
        deepest = 8 * 2 ** (len(options.width) - 1)
        self._pictures = (photos.crops(32, max(128, deepest), generator(0, 2)) + 1) / 2

    @torch.no_grad()
    def figures(self, network: Any, *, last: bool) -> dict[str, float]:
        """Errors of x_0 by noise ratio, denoising PSNR at 25 / 255; a sheet of samples.

        The last sheet has samples of 256 pixels; the others, of 128, take a moment only.
        """
        target = self._options.target
        prior = LatentPrior(self._encoder, network, diffusion.schedule(target), target)
        pictures = self._pictures.to(next(network.parameters()).device)
        z = prior.encode(pictures)
        errors = diffusion.denoising_error(network, z, target, (*RATIOS, *WIDE_RATIOS[2:]))
        noise = torch.randn(pictures.shape, generator=generator(3)).to(pictures)
        level = prior.schedule.at_ratio(SIGMA / prior.unit)
        seen = prior.encode(pictures + SIGMA * noise)
        denoised = torch.cat(
            [prior.decode(prior.denoise(level.alpha * part, level)) for part in seen.split(8)]
        )
        side, steps = (256, 50) if last else (128, 20)
        samples = sample(prior, 8, max(side, prior.multiple), steps)
        write_sheet(samples.cpu(), self._folder / "samples.png", 4)
        return {**errors, "denoising_psnr_25": float(psnr(denoised, pictures).mean())}


@torch.no_grad()
def sample(prior: LatentPrior, count: int, side: int, steps: int) -> Tensor:
    """Pictures (count, 3, side, side) drawn from a prior by DDIM (arXiv:2010.02502)."""
    device = next(prior.network.parameters()).device
    shape = prior.state_shape((count, 3, side, side))
    levels = prior.schedule.levels(steps)
    x = levels[0].sigma * torch.randn(shape, generator=generator(4)).to(device)
    for t, s in pairwise(levels):
        x0 = prior.denoise(x, t)
        x = s.alpha * x0 + s.sigma / t.sigma * (x - t.alpha * x0)
    return prior.decode(x).clamp(0, 1)


def write_sheet(pictures: Tensor, file: Path, columns: int) -> None:
    """Write pictures (B, 3, H, W) in [0, 1] side by side as a PNG."""
    from PIL import Image

    rows = [torch.cat(list(row), 2) for row in pictures.clamp(0, 1).split(columns)]
    full = [row for row in rows if row.shape == rows[0].shape]
    sheet = (torch.cat(full, 1).permute(1, 2, 0) * 255).round().byte()
    Image.fromarray(sheet.numpy()).save(file)
