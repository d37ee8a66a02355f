"""Scaled latents of random crops: encoded anew each time, or gathered from photos encoded once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priors.training import autoencoder
from priors.training.loop import Report, generator
from priors.training.photos import Bank, Photos

Draw = Callable[[int, int, torch.Generator], Tensor]


class Latents:
    """An autoencoder and photos, on the same device."""

    def __init__(self, model: Any, photos: Photos) -> None:
        """Measure factor and channels on a blank picture."""
        self._model, self._photos = model, photos
        self._scale = float(model.config.get("scaling_factor") or 1.0)
        blank = autoencoder.encode(model, photos.crops(1, 64, generator(0)))
        self.channels, self.factor = blank.shape[1], 64 // blank.shape[2]

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """Scaled latents of pictures (B, 3, H, W) in [-1, 1]."""
        with torch.autocast(pictures.device.type, enabled=False):  # rounded latents teach rounding
            return autoencoder.encode(self._model, pictures.float()) * self._scale

    def online(self) -> Draw:
        """Crops at any offset and of any orientation, encoded anew at every step."""

        def draw(batch: int, side: int, own: torch.Generator) -> Tensor:
            return self.encode(self._photos.crops(batch, side, own))

        return draw

    def cached(self, folder: Path, report: Report) -> Draw:
        """Crops of the latents of whole photos, plain and mirrored, kept in `folder`/latents.pt.

        For autoencoders that cost more than the network: crops lie on the grid of the latents.
        """
        file = folder / "latents.pt"
        if file.exists():
            rows, sizes = torch.load(file, weights_only=True)
        else:
            report("encoding every photo once")
            rows, sizes = self._encoded()
            torch.save((rows, sizes), file)
        of = self._photos.bank
        bank = Bank(
            rows.to(of.rows.device),
            (sizes[0] * sizes[1]).cumsum(0) - sizes[0] * sizes[1],
            sizes[0],
            sizes[1],
            of.probability.repeat_interleave(2) / 2,
        )

        def draw(batch: int, side: int, own: torch.Generator) -> Tensor:
            return bank.crops(batch, side // self.factor, own).float()

        return draw

    def _encoded(self) -> tuple[Tensor, Tensor]:
        """fp16 rows (sum of h w, C) and sizes (2, N) of every photo, plain and mirrored."""
        of, rows, sizes = self._photos.bank, [], []
        f = 16 * self.factor  # a multiple that every autoencoder takes
        for k in range(len(of.start)):
            height, width, start = int(of.height[k]), int(of.width[k]), int(of.start[k])
            photo = of.rows[start : start + height * width].view(1, height, width, 3)
            photo = photo[:, : height // f * f, : width // f * f].permute(0, 3, 1, 2)
            photo = photo.float().div(127.5).sub(1)
            for mirrored in (photo, photo.flip(3)):
                latent = self.encode(mirrored)[0].permute(1, 2, 0)
                rows.append(latent.flatten(0, 1).half().cpu())
                sizes.append(latent.shape[:2])
        return torch.cat(rows), torch.tensor(sizes).T
