"""What a restoration needs before its first step: prior, noise, padding, a count of evaluations."""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from operators.mask import Crop
from operators.noise import Gaussian, Noise
from priors.base import Prior, Shape
from priors.schedule import Level
from restore.noise_level import estimate_sigma


class CountedPrior(Prior):
    """A prior that counts how often its network is asked."""

    def __init__(self, prior: Prior) -> None:
        self.prior, self.evaluations = prior, 0
        self.schedule, self.multiple, self.unit = prior.schedule, prior.multiple, prior.unit

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """As the prior; one evaluation more."""
        self.evaluations += 1
        return self.prior.denoise(x, level)

    def encode(self, image: Tensor) -> Tensor:
        """As the prior."""
        return self.prior.encode(image)

    def decode(self, x: Tensor) -> Tensor:
        """As the prior."""
        return self.prior.decode(x)

    def state_shape(self, image_shape: Shape) -> Shape:
        """As the prior."""
        return self.prior.state_shape(image_shape)


@lru_cache(maxsize=2)
def loaded(name: str, precision: torch.dtype, where: str, offline: bool) -> Prior:
    """A prior by name on a device, kept for the next call."""
    from priors.hub import load

    prior: Any = load(name, dtype=precision, offline=offline)
    moved: Prior = prior.to(where)
    return moved


def noise_model(noise: float | Noise | None, pixels: Tensor) -> tuple[Noise, bool]:
    """The noise of a measurement, and whether it had to be estimated; ValueError when negative."""
    if noise is None:
        return Gaussian(float(estimate_sigma(_at_least(16, pixels.float())).mean())), True
    if isinstance(noise, int | float):
        return Gaussian(float(noise)), False
    return noise, False


def _at_least(side: int, pixels: Tensor) -> Tensor:
    """Thin pictures, edges repeated until both sides reach `side`."""
    rows, columns = (max(0, side - length) for length in pixels.shape[2:])
    return torch.nn.functional.pad(pixels, (0, columns, 0, rows), mode="replicate")


def padding(shape: Shape, multiple: int) -> Crop | None:
    """The window that a picture is of one whose sides the prior takes; None where it takes them."""
    height, width = shape[2:]
    tall, wide = (-(-side // multiple) * multiple for side in (height, width))
    if (tall, wide) == (height, width):
        return None
    return Crop((tall - height) // 2, (wide - width) // 2, height, width, tall, wide)


def checked_tile(tile: int | str) -> int | None:
    """The side of the windows, 0 for none, None for "auto"; ValueError otherwise."""
    if tile == "auto":
        return None
    try:
        side = int(tile)
    except ValueError:
        side = -1
    if side != 0 and side < 64:
        raise ValueError(f'tile: got {tile!r}; give 0 for none, "auto", or at least 64 pixels')
    return side


def installed_version() -> str:
    """The version of photomend, or "unknown" when it runs uninstalled."""
    try:
        return version("photomend")
    except PackageNotFoundError:
        return "unknown"
