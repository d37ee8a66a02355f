"""What a prior is worth before any solver: the ceiling of its autoencoder, isometry, denoising."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from priors.base import Prior
from priors.training.photos import SUFFIXES, TrainingDataError

SIGMAS = (10, 25, 50)
"""Noise of the denoising test, in 255ths of the range."""


@torch.no_grad()
def evaluate(prior: Prior, photos: Path, *, side: int = 256, limit: int = 1000) -> dict[str, float]:
    """Mean figures over the central crops of a folder's photos, which are shrunk to `side` pixels.

    reconstruction_psnr of decode(encode(x)) in dB; isometry_error, the relative spread of
    |D(z + d) - D(z)| / |d| over random d of 0.05 in the picture; denoising_psnr_N in dB of
    decode(E[z_0 | encode(x + noise)]) at N / 255. TrainingDataError for a folder without photos.
    """
    files = sorted(p for p in photos.rglob("*") if p.suffix.lower() in {*SUFFIXES, ".jpeg"})
    if not files:
        raise TrainingDataError(f"{photos}: no photos found; give a folder of photos")
    generator = torch.Generator().manual_seed(0)
    rows = [_figures(prior, _central(f, side), generator) for f in files[:limit]]
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    gains = np.array([row["gain"] for row in rows])
    means["isometry_error"] = float(gains.std() / gains.mean())
    return {"photos": float(len(rows)), **{k: v for k, v in means.items() if k != "gain"}}


def _figures(prior: Prior, picture: Tensor, generator: torch.Generator) -> dict[str, float]:
    z = prior.encode(picture)
    decoded = prior.decode(z)
    push = 0.05 / prior.unit * torch.randn(z.shape, generator=generator)
    moved = prior.decode(z + push) - decoded
    figures = {
        "reconstruction_psnr": psnr(decoded, picture),
        "gain": float(moved.norm() / push.norm()),
    }
    for sigma in SIGMAS:
        noisy = picture + sigma / 255 * torch.randn(picture.shape, generator=generator)
        level = prior.schedule.at_ratio(sigma / 255 / prior.unit)
        denoised = prior.decode(prior.denoise(level.alpha * prior.encode(noisy), level))
        figures[f"denoising_psnr_{sigma}"] = psnr(denoised, picture)
    return figures


def psnr(x: Tensor, reference: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of one picture on [0, 1], clipped."""
    return float(-10 * (x.clamp(0, 1) - reference).square().mean().log10())


def _central(file: Path, side: int) -> Tensor:
    from PIL import Image, ImageOps

    with Image.open(file) as opened:
        photo = ImageOps.fit(opened.convert("RGB"), (side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(photo).copy()).permute(2, 0, 1)[None].float() / 255
