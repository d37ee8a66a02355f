"""Randomness: one CPU generator an image, so that a picture does not depend on its batch."""

from collections.abc import Callable

import torch
from torch import Tensor


class Seeds:
    """One random stream for each image of a batch; every draw advances the streams.

    Numbers are drawn on the CPU in float32 and then moved, so image i is the same alone, at any
    place of a batch, on any device and in any precision.
    """

    def __init__(self, *seeds: int) -> None:
        """Take one integer an image; ValueError when none is given."""
        if not seeds:
            raise ValueError("seeds: none given; pass one integer an image, as in Seeds(0, 1)")
        self.seeds = tuple(int(seed) for seed in seeds)
        self._generators = [torch.Generator().manual_seed(seed) for seed in self.seeds]

    def __len__(self) -> int:
        return len(self.seeds)

    def __repr__(self) -> str:
        return f"Seeds({', '.join(map(str, self.seeds))})"

    def normal_like(self, x: Tensor) -> Tensor:
        """Draw standard normal noise with the shape, dtype and device of x (B, ...).

        ValueError when the batch has not one image a seed.
        """
        return self._draw(x, lambda image, g: torch.randn(image.shape, generator=g))

    def uniform_like(self, x: Tensor) -> Tensor:
        """Draw uniform numbers in [0, 1) with the shape, dtype and device of x (B, ...)."""
        return self._draw(x, lambda image, g: torch.rand(image.shape, generator=g))

    def poisson(self, rate: Tensor) -> Tensor:
        """Draw Poisson counts of the given non-negative rates (B, ...)."""
        return self._draw(rate, lambda image, g: torch.poisson(image.float().cpu(), generator=g))

    def _draw(self, x: Tensor, sample: Callable[[Tensor, torch.Generator], Tensor]) -> Tensor:
        if x.shape[0] != len(self):
            raise ValueError(
                f"seeds: {len(self)} for a batch of {x.shape[0]} images; pass one seed an image"
            )
        images = zip(x.detach(), self._generators, strict=True)
        drawn = torch.stack([sample(image, generator) for image, generator in images])
        if not x.is_cuda:
            return drawn.to(x)
        # From pinned memory, so that the card need not be waited for.
        return drawn.to(x.dtype).pin_memory().to(x.device, non_blocking=True)
