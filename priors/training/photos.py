"""A folder of photos as an endless stream of crops, held in memory at several scales."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}
Pixels = NDArray[np.uint8]


class TrainingDataError(ValueError):
    """The folder cannot be trained on."""


@dataclass(frozen=True, eq=False)
class Photos:
    """Decoded photos and the probability with which each is drawn.

    `images` are (H, W, 3) bytes; `probability` sums to one; `skipped` names what could not be read.
    """

    images: Sequence[Pixels]
    probability: NDArray[np.float64]
    skipped: Sequence[str] = ()

    def crops(self, batch: int, size: int, seed: int) -> Tensor:
        """Random crops (batch, 3, size, size) in [-1, 1], flipped at random; pure in `seed`."""
        random = np.random.default_rng(seed)
        out = np.empty((batch, size, size, 3), np.uint8)
        for i, which in enumerate(random.choice(len(self.images), batch, p=self.probability)):
            image = self.images[which]
            top = random.integers(image.shape[0] - size + 1)
            left = random.integers(image.shape[1] - size + 1)
            crop = image[top : top + size, left : left + size]
            crop = crop[:, ::-1] if random.random() < 0.5 else crop
            crop = crop.transpose(1, 0, 2) if random.random() < 0.1 else crop
            out[i] = crop
        return torch.from_numpy(out).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def photo_of(path: Path) -> str:
    """The photo a file belongs to: tiles `name_s1024_2.jpg` are pieces of the photo `name`."""
    return re.sub(r"_s\d+_\d+$", "", path.stem)


def find(folder: Path, *, held_out: bool, share: float = 0.03) -> list[Path]:
    """Photo files below `folder`, split by photo, never by tile, into training and held-out files.

    A photo is held out when a hash of its name falls below `share`: the split survives new files.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not files:
        raise TrainingDataError(
            f"{folder}: no photos found; give a folder of JPEG, PNG or WebP files"
        )
    chosen = [f for f in files if (_fraction(photo_of(f)) < share) == held_out]
    if not chosen:
        kind = "held-out" if held_out else "training"
        raise TrainingDataError(f"{folder}: no {kind} photos among {len(files)} files; add photos")
    return chosen


def load(
    folder: Path,
    *,
    held_out: bool,
    minimum: int,
    scales: Sequence[float] = (1.0, 0.7, 0.5),
    scale_weights: Sequence[float] = (1.0, 1.0, 1.5),
    group_weights: dict[str, float] | None = None,
) -> Photos:
    """Decode every photo at every scale whose shorter side stays at least `minimum` pixels.

    Each sub-folder is drawn with the same probability unless `group_weights` names it; within it
    every file alike; within a file the scales by `scale_weights`.
    """
    images: list[Pixels] = []
    weights: list[float] = []
    skipped: list[str] = []
    files = find(folder, held_out=held_out)
    groups = [f.relative_to(folder).parts[0] if f.parent != folder else "." for f in files]
    count = {g: groups.count(g) for g in set(groups)}
    for file, group in zip(files, groups, strict=True):
        share = (group_weights or {}).get(group, 1.0) / count[group]
        try:
            versions = list(_scaled(file, scales, minimum))
        except (OSError, ValueError) as error:
            skipped.append(f"{file.name}: {error}")
            continue
        total = sum(scale_weights[k] for k, _ in versions)
        images += [image for _, image in versions]
        weights += [share * scale_weights[k] / total for k, _ in versions]
    if not images:
        raise TrainingDataError(f"{folder}: no photo could be read with sides of {minimum} pixels")
    probability = np.asarray(weights, np.float64)
    return Photos(images, probability / probability.sum(), skipped)


def _fraction(name: str) -> float:
    import hashlib

    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


def _scaled(file: Path, scales: Sequence[float], minimum: int) -> Iterator[tuple[int, Pixels]]:
    from PIL import Image, ImageOps

    with Image.open(file) as opened:
        photo = ImageOps.exif_transpose(opened).convert("RGB")
    if min(photo.size) < minimum:
        raise ValueError(f"smaller than {minimum} pixels")
    for k, scale in enumerate(scales):
        width, height = round(photo.width * scale), round(photo.height * scale)
        if min(width, height) < minimum:
            continue
        small = photo if scale == 1 else photo.resize((width, height), Image.Resampling.BOX)
        yield k, np.asarray(small)
