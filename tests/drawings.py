"""Drawings with the spectrum of photos, sharp and blurred."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from operators import Blur
from operators.tone import Gamma

SIDE = 192
Drawing = Callable[[int], Tensor]
NOISE = 0.01


def scene(side: int = SIDE, seed: int = 0) -> Tensor:
    """A plane (1, 1, side, side): dead leaves, disks of all sizes before one another.

    Their spectrum falls as that of photos (Lee, Mumford and Huang, IJCV 2001).
    """
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.arange(side)[:, None], torch.arange(side)[None]
    x = torch.full((side, side), 0.5)
    for _ in range(2500):
        u, top, left, grey = torch.rand(4, generator=generator).tolist()
        radius = 2 / math.sqrt(u + 2 / side)
        inside = (rows - side * top) ** 2 + (columns - side * left) ** 2 < radius**2
        x = torch.where(inside, 0.1 + 0.8 * grey, x)
    return x[None, None]


def night(side: int = SIDE) -> Tensor:
    """The scene, darker, with small lights that are brighter than white."""
    x = 0.7 * scene(side)[0, 0]
    generator = torch.Generator().manual_seed(5)
    rows, columns = torch.arange(side)[:, None], torch.arange(side)[None]
    for _ in range(round(60 * (side / 224) ** 2)):
        top, left, u = torch.rand(3, generator=generator).tolist()
        inside = (rows - side * top) ** 2 + (columns - side * left) ** 2 < (1 + 3 * u) ** 2
        x = torch.where(inside, 2.5, x)
    return x[None, None]


def blurred(
    kernel: Tensor,
    channels: int = 1,
    side: int = SIDE,
    drawing: Drawing = scene,
    *,
    light: bool = False,
) -> Tensor:
    """A drawing behind a kernel that blurs its values, or its light; of 8 bits, with noise."""
    tint = torch.tensor([1.0, 0.8, 0.6])[:channels].reshape(1, channels, 1, 1)
    x = drawing(side) * tint
    blur = Blur(kernel, "valid")
    clean = Gamma()(blur(Gamma().inverse(x))) if light else blur(x)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    return ((clean + NOISE * noise).clamp(0, 1) * 255).round() / 255
