"""The two stages end to end: photos in, a diffusers directory out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from priors.training import autoencoder, diffusion
from priors.training.loop import Budget, Report, Trainer
from priors.training.optimisers import optimisers
from priors.training.photos import Photos, load

RATIOS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Data:
    """Where the photos are, how they are weighted, and the side of the square crops in pixels."""

    folder: Path
    crop: int = 64
    batch: int = 64
    group_weights: dict[str, float] | None = None

    def load(self, *, held_out: bool, report: Report) -> Photos:
        photos = load(self.folder, held_out=held_out, minimum=128, group_weights=self.group_weights)
        report(f"{len(photos.images)} {'held-out' if held_out else 'training'} pictures")
        for line in photos.skipped:
            report(f"skipped {line}")
        return photos


def train_autoencoder(
    data: Data, out: Path, budget: Budget, *, channels: int, rate: float, report: Report
) -> None:
    """Stage 1: PCA encoder, learned decoder; writes `vqvae/`."""
    photos = data.load(held_out=False, report=report)
    target = out / "vqvae"
    if (target / "config.json").exists():
        model = load_autoencoder(out)
    else:
        basis = autoencoder.patch_basis(photos.crops(4000, 64, 0))
        model = autoencoder.pca_autoencoder(basis, channels)
        with torch.no_grad():
            spread = model.encode(photos.crops(1000, 64, 1)).latent.std().item()
        model.register_to_config(scaling_factor=round(1 / spread, 5))
        model.save_pretrained(target)
    trainer = Trainer(
        model.decoder, optimisers(model.decoder, rate, muon=False), budget, out / "stage1", 120.0
    )
    held_out = data.load(held_out=True, report=report).crops(32, 128, 2)

    def loss(step: int) -> Tensor:
        picture = photos.crops(data.batch, data.crop, step + 10)
        return reconstruction_loss(model, picture, step)

    for _ in trainer.run(loss, report):
        model.decoder = trainer.averaged()
        trainer.log(report, psnr=reconstruction_psnr(model, held_out))
        model.save_pretrained(target)
        model.decoder = trainer.model


def reconstruction_loss(model: Any, picture: Tensor, seed: int) -> Tensor:
    """L1 + 0.5 L1 of gradients at two scales + isometry, on pictures (B, 3, H, W) in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        latent = model.encode(picture).latent
    shift = 0.1 * torch.randn(latent.shape, generator=generator)[: max(1, len(latent) // 4)]
    with torch.autocast("cpu", torch.bfloat16):
        decoded = model.decode(latent).sample
        shifted = model.decode(latent[: len(shift)] + shift).sample
    decoded, shifted = decoded.float(), shifted.float()
    error = decoded - picture
    loss = error.abs().mean()
    for scale in (1, 2):
        small = nn.functional.avg_pool2d(error, scale)
        loss = loss + 0.25 * (small.diff(dim=2).abs().mean() + small.diff(dim=3).abs().mean())
    gain = (shifted - decoded[: len(shift)]).flatten(1).norm(dim=1) / shift.flatten(1).norm(dim=1)
    total: Tensor = loss + 0.05 * (gain - 1).square().mean()
    return total


@torch.no_grad()
def reconstruction_psnr(model: Any, pictures: Tensor) -> float:
    """Mean PSNR in dB of decode(encode(.)) over pictures in [-1, 1]."""
    error = (model.decode(model.encode(pictures).latent).sample.clamp(-1, 1) - pictures) / 2
    return float(-10 * error.square().mean((1, 2, 3)).log10().mean())


def train_diffusion(
    data: Data,
    out: Path,
    budget: Budget,
    *,
    width: tuple[int, ...],
    rate: float,
    compiled: bool,
    report: Report,
) -> None:
    """Stage 2 on the autoencoder in `out`; writes `unet/`, `scheduler/`, `model_index.json`."""
    model_dc = load_autoencoder(out)
    scaling = float(model_dc.config.scaling_factor)
    photos = data.load(held_out=False, report=report)
    with torch.random.fork_rng():  # modules draw their first weights from the global generator
        torch.random.manual_seed(0)
        model = diffusion.network(model_dc.config.latent_channels, width)
    report(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters")
    trainer = Trainer(model, optimisers(model, rate), budget, out / "stage2")
    forward: Any = torch.compile(model) if compiled else model
    levels = diffusion.NoiseLevels()

    @torch.no_grad()
    def encode(pictures: Tensor) -> Tensor:
        latent: Tensor = model_dc.encode(pictures).latent
        return latent * scaling

    held_out = encode(data.load(held_out=True, report=report).crops(64, 128, 3))

    def loss(step: int) -> Tensor:
        latents = encode(photos.crops(data.batch, data.crop, step + 10))
        return diffusion.loss(forward, latents, levels, step)

    for _ in trainer.run(loss, report):
        averaged = trainer.averaged()
        trainer.log(report, **diffusion.denoising_error(averaged, held_out, levels, RATIOS))
        save_pipeline(averaged, out)


def save_pipeline(unet: Any, out: Path) -> None:
    """Write the network in fp16 and what diffusers' LDMPipeline needs beside the autoencoder."""
    import diffusers

    half = unet.half()
    half.save_pretrained(out / "unet")
    diffusion.scheduler().save_pretrained(out / "scheduler")
    index = {
        "_class_name": "LDMPipeline",
        "_diffusers_version": diffusers.__version__,
        "scheduler": ["diffusers", "DDIMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
        "vqvae": ["diffusers", "AutoencoderDC"],
    }
    (out / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def load_autoencoder(out: Path) -> Any:
    """The autoencoder of a training directory, ready to train: encoder frozen."""
    from diffusers.models.autoencoders.autoencoder_dc import AutoencoderDC

    model = AutoencoderDC.from_pretrained(out / "vqvae", torch_dtype=torch.float32)
    model.encoder.requires_grad_(False)
    return model
