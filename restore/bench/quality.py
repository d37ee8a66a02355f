"""What a prior is worth on one picture before any solver: its autoencoder and its denoiser."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from operators.seeds import Seeds
from priors.base import Prior
from restore.metrics import psnr, ssim

SIGMAS = (5, 10, 25, 50)
"""Noise of the denoising tests, in 255ths of the range."""
GREY_SIGMA = 25
"""Noise on grey pictures, in 255ths: what the published grey denoiser was trained for."""
PUSH = 0.05
"""Size of the steps that test isometry: of each component, in the unit of the picture."""
DRAWS = 3

Denoiser = Callable[[Tensor, float], Tensor]
"""(y, sigma) -> picture: y (1, C, H, W) with white noise of standard deviation sigma on [0, 1]."""


@torch.no_grad()
def reconstruction(
    prior: Prior, x: Tensor, lpips: Callable[[Tensor, Tensor], Tensor] | None
) -> dict[str, float | None]:
    """psnr in dB, ssim and lpips (None without it) of D(E(x)) for a picture x (1, 3, H, W)."""
    decoded = prior.decode(prior.encode(x))
    return {
        "psnr": psnr(decoded, x).item(),
        "ssim": ssim(decoded, x).item(),
        "lpips": None if lpips is None else lpips(decoded, x).item(),
    }


@torch.no_grad()
def isometry(prior: Prior, x: Tensor, seeds: Seeds) -> dict[str, Any]:
    """How far the decoder moves: |D(z + d) - D(z)| / (unit |d|) at z = E(x), x (1, 3, H, W).

    noise: of `DRAWS` random d, white. picture: of the one d that leads towards the mirrored
    picture, as a solver's correction leads towards another picture (None where it is the same).
    The components of unit d have the root mean square `PUSH`. Where the decoder keeps distances,
    all are 1.
    """
    z = prior.encode(x)
    decoded = prior.decode(z)

    def gain(direction: Tensor) -> float:
        d = direction * (PUSH / prior.unit / direction.square().mean().sqrt())
        return float((prior.decode(z + d) - decoded).norm() / (prior.unit * d.norm()))

    mirrored = prior.encode(x.flip(-1)) - z
    return {
        "noise": [gain(seeds.normal_like(z)) for _ in range(DRAWS)],
        "picture": gain(mirrored) if bool(mirrored.any()) else None,
    }


@torch.no_grad()
def denoise(prior: Prior, y: Tensor, sigma: float) -> Tensor:
    """D(E[z_0 | z_t]), z_t = alpha_t E(y), of a noisy picture y (1, 3, H, W): one evaluation.

    sigma: of the white noise on [0, 1]; t is the level whose noise is as strong in the picture.
    """
    level = prior.schedule.at_ratio(sigma / prior.unit)
    return prior.decode(prior.denoise(level.alpha * prior.encode(y), level))


def denoise_grey(prior: Prior, y: Tensor, sigma: float, seeds: Seeds) -> Tensor:
    """Denoise a grey picture y = g + n, (1, 1, H, W), by one evaluation of a prior of colour.

    Among colours the noise n (1, 1, 1) is the grey part of white noise of standard deviation
    sqrt(3) sigma. Its coloured part m, such noise less its mean over the channels, is drawn: then
    y (1, 1, 1) + m is the colour picture (g, g, g) in white noise, just as the prior knows it, and
    the mean over the channels of its denoised picture is the estimate of g.

    With the embedded prior at 25/255 on six photos this gains 0.15 dB over m = 0 (at the same
    level; at sigma's own level m = 0 loses 7 dB) and 0.06 dB over m of half the size; the mean
    over four draws of m would gain 0.02 dB more.
    """
    spread = math.sqrt(3) * sigma
    noise = spread * seeds.normal_like(y.expand(-1, 3, -1, -1))
    lifted = y + noise - noise.mean(1, keepdim=True)
    return denoise(prior, lifted, spread).mean(1, keepdim=True)


def scores(x: Tensor, sigma: float, index: int, denoisers: dict[str, Denoiser]) -> dict[str, float]:
    """PSNR in dB of x (1, C, H, W) with noise and after each denoiser, by name.

    The noise, of standard deviation sigma on [0, 1], is that of the benchmark's image `index`.
    """
    y = noisy(x, sigma, index)
    each = {name: psnr(one(y, sigma), x).item() for name, one in denoisers.items()}
    return {"noisy": psnr(y, x).item(), **each}


def noisy(x: Tensor, sigma: float, index: int) -> Tensor:
    """x + n, never clipped: n white with standard deviation sigma, of seed 3000 + index."""
    return x + sigma * Seeds(3000 + index).normal_like(x)
