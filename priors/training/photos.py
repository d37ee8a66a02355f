"""A folder of photos as an endless stream of crops, held in memory at several scales."""

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}
SCALES = {1.0: 1.0, 0.7: 1.0, 0.5: 1.5}
"""Every photo is held at these scales, drawn with these weights."""
LUMA = (0.299, 0.587, 0.114)
GREY = 0.15
"""Share of the crops that are turned grey, so that black-and-white photos are known as well."""


class TrainingDataError(ValueError):
    """The folder cannot be trained on."""


@dataclass(frozen=True)
class Source:
    """One sub-folder of photos: how often it is drawn, and what a model card must say of it."""

    name: str
    weight: float = 1.0
    licence: str = "not stated"
    title: str = ""
    files: int = 0


@dataclass(frozen=True, eq=False)
class Bank:
    """Pictures of many sizes in one tensor, from which crops are gathered on any device.

    rows: (sum of H W, C), the pixels of picture after picture; start, height and width: (N,);
    probability: (N,), of each picture, adds up to one.
    """

    rows: Tensor
    start: Tensor
    height: Tensor
    width: Tensor
    probability: Tensor

    @classmethod
    def of(cls, pictures: Sequence[Tensor], weights: Sequence[float]) -> Self:
        """The bank of pictures (H, W, C)."""
        height, width = (torch.tensor([p.shape[k] for p in pictures]) for k in (0, 1))
        probability = torch.tensor(weights, dtype=torch.float64)
        ends = (height * width).cumsum(0)
        rows = torch.cat([picture.flatten(0, 1) for picture in pictures])
        start = ends - height * width
        return cls(rows, start, height, width, probability / probability.sum())

    def to(self, device: torch.device) -> Self:
        """The bank with its pixels on a device; what chooses them stays on the CPU."""
        return replace(self, rows=self.rows.to(device))

    def crops(self, batch: int, side: int, generator: torch.Generator) -> Tensor:
        """Random crops (batch, C, side, side); TrainingDataError where no picture is so large."""
        large = (self.height >= side) & (self.width >= side)
        if not large.any():
            raise TrainingDataError(f"no picture has sides of {side}; use smaller crops")
        weights = self.probability * large
        chosen = torch.multinomial(weights, batch, replacement=True, generator=generator)
        places = torch.rand(2, batch, generator=generator, dtype=torch.float64)
        height, width = self.height[chosen], self.width[chosen]
        top = (places[0] * (height - side + 1)).long()
        left = (places[1] * (width - side + 1)).long()
        # the index of every pixel is made where the pixels are: it is larger than they
        corner, width = torch.stack([self.start[chosen] + top * width + left, width]).to(
            self.rows.device
        )
        steps = torch.arange(side, device=self.rows.device)
        index = corner[:, None, None] + steps[:, None] * width[:, None, None] + steps
        return self.rows[index].permute(0, 3, 1, 2)


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos as bytes at several scales, where they come from, and what could not be read."""

    bank: Bank
    sources: Sequence[Source]
    skipped: Sequence[str] = ()

    def to(self, device: torch.device) -> Self:
        """The photos with their pixels on a device."""
        return replace(self, bank=self.bank.to(device))

    def crops(self, batch: int, side: int, generator: torch.Generator) -> Tensor:
        """Crops (batch, 3, side, side) in [-1, 1], some of them flipped, transposed or grey."""
        crops = self.bank.crops(batch, side, generator).float().div_(127.5).sub_(1)
        flip, turn, grey = torch.rand(3, batch, 1, 1, 1, generator=generator).to(crops.device)
        crops = torch.where(flip < 0.5, crops.flip(3), crops)
        crops = torch.where(turn < 0.1, crops.transpose(2, 3), crops)
        luma = (crops * crops.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)
        return torch.where(grey < GREY, luma, crops)


def load(
    folder: Path,
    *,
    held_out: bool,
    minimum: int,
    sources: Path | None = None,
    share: float = 0.03,
) -> Photos:
    """Decode every photo at every scale whose shorter side stays at least `minimum` pixels.

    Each sub-folder is drawn with the same probability unless the file `sources` weights it; within
    it every file alike, within a file the scales by `SCALES`. TrainingDataError for a folder
    without photos that can be read, and for a file of sources that does not fit it.
    """
    files = find(folder, held_out=held_out, share=share)
    groups = [f.relative_to(folder).parts[0] if f.parent != folder else "." for f in files]
    known = read_sources(sources, {*groups, *_folders(folder)})
    pictures: list[Tensor] = []
    weights: list[float] = []
    skipped: list[str] = []
    broken: list[str] = []
    for file, group in zip(files, groups, strict=True):
        try:
            versions = list(_scaled(file, minimum))
        except (OSError, ValueError) as error:
            skipped.append(f"{file.name}: {error}")
            broken.append(group)
            continue
        total = sum(SCALES[scale] for scale, _ in versions)
        pictures += [picture for _, picture in versions]
        per_file = known[group].weight / groups.count(group)
        weights += [per_file * SCALES[scale] / total for scale, _ in versions]
    if not pictures or sum(weights) <= 0:
        raise TrainingDataError(f"{folder}: no photo could be read with sides of {minimum} pixels")
    used = Counter(groups) - Counter(broken)
    counted = [replace(known[group], files=used[group]) for group in used]
    return Photos(Bank.of(pictures, weights), counted, skipped)


def find(folder: Path, *, held_out: bool, share: float = 0.03) -> list[Path]:
    """Photo files below `folder`, split by photo, never by tile, into training and held-out files.

    A photo is held out when a hash of its name falls below `share`: the split survives new files.
    In a small folder, where none does, the photo with the lowest hash is.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise TrainingDataError(
            f"{folder}: no photos found; give a folder of JPEG, PNG or WebP files"
        )
    hashes = {f: _fraction(photo_of(f)) for f in files}
    limit = max(share, min(hashes.values()))
    chosen = [f for f in files if (hashes[f] <= limit) == held_out]
    if not chosen:
        raise TrainingDataError(f"{folder}: holds one photo; training needs another to measure on")
    return chosen


def photo_of(path: Path) -> str:
    """The photo a file belongs to: tiles `name_s1024_2.jpg` are pieces of the photo `name`."""
    return re.sub(r"_s\d+_\d+$", "", path.stem)


def read_sources(file: Path | None, groups: set[str]) -> dict[str, Source]:
    """The sources of the sub-folders `groups`: a table each in a TOML file, or all defaults.

    TrainingDataError for a file that cannot be read, an unknown folder or an unknown word.
    """
    found = {group: Source(group) for group in groups}
    if file is None:
        return found
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        for name, table in tables.items():
            if name not in found:
                raise TrainingDataError(
                    f"{file}: no folder {name!r} among the photos; there are {', '.join(groups)}"
                )
            found[name] = Source(name, **{k: table[k] for k in table})
            if not float(found[name].weight) >= 0:
                raise TrainingDataError(f"{file}: {name}: weight must be 0 or more")
    except (OSError, tomllib.TOMLDecodeError, TypeError) as error:
        raise TrainingDataError(
            f"{file}: {error}; write a table a folder with weight, licence and title"
        ) from error
    return found


def _folders(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()}


def _fraction(name: str) -> float:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


def _scaled(file: Path, minimum: int) -> Iterator[tuple[float, Tensor]]:
    from PIL import Image, ImageOps

    with Image.open(file) as opened:
        photo = ImageOps.exif_transpose(opened).convert("RGB")
    if min(photo.size) < minimum:
        raise ValueError(f"smaller than {minimum} pixels")
    for scale in SCALES:
        width, height = round(photo.width * scale), round(photo.height * scale)
        if min(width, height) < minimum:
            continue
        small = photo if scale == 1 else photo.resize((width, height), Image.Resampling.BOX)
        yield scale, torch.from_numpy(np.array(small))
