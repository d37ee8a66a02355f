"""A photo in memory: pixels in [0, 1] beside what is needed to give the same kind of thing back."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from operators.jpeg import Jpeg, Subsampling
from restore.compression import compression_of
from restore.decode import Decoded, PhotoError, Tables
from restore.encode import Quality, encode, to_pillow
from restore.enlargement import Enlargement, enlargement
from restore.exif import without_gps

Kind = Literal["path", "bytes", "pil", "array", "tensor"]

_LARGEST = {"uint8": 255, "uint16": 65535, "float16": 1, "bfloat16": 1, "float32": 1, "float64": 1}
# Noise may leave [0, 1]; pictures counted in 0..255 leave this range for certain.
_FLOAT_RANGE = (-1.0, 2.0)


@dataclass(frozen=True, eq=False)
class Photo:
    """Upright pixels (B, 3, H, W), float32 in [0, 1], and all that is needed to give them back.

    alpha (B, 1, H, W) in [0, 1] is straight and kept aside. sample_type names the type of one
    sample ("uint8", "uint16", "float32", ...); axes ("HW", "HWC", "CHW", "BCHW") is the layout of
    the array or tensor that came in. A grey photo has three equal channels. exif has no
    orientation, icc describes the pixels; tables (of quantisation), subsampling ("4:2:0") and
    orientation are those of a JPEG file.
    """

    pixels: Tensor
    alpha: Tensor | None = None
    sample_type: str = "uint8"
    grey: bool = False
    exif: bytes | None = None
    icc: bytes | None = None
    format: str = "PNG"
    name: str = "photo"
    kind: Kind = "path"
    axes: str = "HWC"
    tables: Tables | None = None
    subsampling: str | None = None
    orientation: int = 1

    @property
    def depth(self) -> int:
        """Bits of a sample: 8, 16, or 32 for floating point of any width."""
        return {"uint8": 8, "uint16": 16}.get(self.sample_type, 32)

    @cached_property
    def jpeg(self) -> Jpeg | None:
        """The compression of 8-bit pixels: that of a JPEG file, or a coarser one that they show,
        from before they were saved as they are; None for others, batches and unusual files."""
        if self.depth != 8 or len(self.pixels) != 1:
            return None
        file, tables, reduced = None, self.tables or (), self.subsampling
        known = self.format == "JPEG" and reduced in get_args(Subsampling)
        if known and 1 <= len(tables) <= 3:
            file = Jpeg(tables, cast(Subsampling, reduced), self.orientation)
        return compression_of(self.pixels, file) or file

    @cached_property
    def enlargement(self) -> Enlargement | None:
        """How a single photo was enlarged by interpolation; None where it does not show that."""
        return enlargement(self.pixels) if len(self.pixels) == 1 else None

    @property
    def before(self) -> Self:
        """What the photo was enlarged from, if it was, else itself."""
        if self.enlargement is None:
            return self
        pixels = self.enlargement.undone(self.pixels).clamp(0, 1)
        return replace(self, pixels=pixels, tables=None, sample_type="float32")

    @property
    def quality(self) -> Quality | None:
        """How the JPEG that it came from was compressed, its pixels upright; None for others."""
        if self.tables is None:
            return None
        if self.orientation <= 4:
            return Quality(self.tables, self.subsampling)
        turned = tuple(
            tuple(table[8 * column + row] for row in range(8) for column in range(8))
            for table in self.tables
        )
        return Quality(turned, {"4:2:2": "4:4:4"}.get(self.subsampling or "", self.subsampling))

    def with_pixels(self, pixels: Tensor) -> Self:
        """Give the photo with new pixels (B, 3, H, W), alpha resized where the size changed."""
        if pixels.ndim != 4 or pixels.shape[1] != 3:
            raise ValueError(f"pixels: shape {tuple(pixels.shape)}; pass (B, 3, H, W)")
        alpha = self.alpha
        if alpha is not None and alpha.shape[2:] != pixels.shape[2:]:
            alpha = torch.nn.functional.interpolate(
                alpha, pixels.shape[2:], mode="bicubic", antialias=True
            ).clamp(0, 1)
        return replace(self, pixels=pixels, alpha=alpha)

    def without_gps(self) -> Self:
        """Give the photo without where it was taken."""
        return replace(self, exif=without_gps(self.exif))

    def native(self) -> bytes | Image.Image | NDArray[Any] | Tensor:
        """Give what came in: a path and a Pillow image become a Pillow image, bytes become a file
        of the same format, an array or tensor one of the same layout and type.

        Values are clipped to [0, 1] and rounded once. Pillow holds 16 bits for grey only, so that
        16-bit colour becomes 8 bits there; write() keeps all bits. PhotoError when a batch is to
        become one picture.
        """
        if self.kind == "tensor":
            return self._native_tensor()
        samples = self.samples(self.sample_type)
        if self.kind == "array":
            return samples[:, :, 0] if self.axes == "HW" else samples
        if self.kind == "bytes":
            return encode(
                samples, self.format, self.name, exif=self.exif, icc=self.icc, like=self.quality
            )
        image = to_pillow(samples)
        notes = {"exif": self.exif, "icc_profile": self.icc}
        image.info.update({key: value for key, value in notes.items() if value})
        return image

    def _native_tensor(self) -> Tensor:
        values = self._channels(self.sample_type)
        if self.axes == "BCHW":
            return values
        return self._single(values)[0] if self.axes == "HW" else self._single(values)

    def samples(self, sample_type: str) -> NDArray[Any]:
        return self._single(self._channels(sample_type)).permute(1, 2, 0).contiguous().cpu().numpy()

    def _single(self, values: Tensor) -> Tensor:
        if len(values) != 1:
            raise PhotoError(f"{self.name}: {len(values)} pictures in one; take them one by one")
        return values[0]

    def _channels(self, sample_type: str) -> Tensor:
        colour = self.pixels
        if self.grey:
            # The mean, so written that three equal channels give their value to the last bit.
            first = colour[:, :1]
            colour = first + (colour - first).mean(dim=1, keepdim=True)
        parts = [colour]
        if self.alpha is not None:
            parts.append(self.alpha.to(colour).expand(len(colour), -1, -1, -1))
        values = torch.cat(parts, dim=1).detach().clamp(0, 1)
        if (largest := _LARGEST[sample_type]) > 1:
            values = (values.float() * largest).round()
        return values.to(getattr(torch, sample_type))


def from_decoded(decoded: Decoded, name: str, kind: Kind) -> Photo:
    samples = np.ascontiguousarray(decoded.samples.transpose(2, 0, 1), np.float32)[None]
    sample_type = decoded.samples.dtype.name
    values = torch.from_numpy(samples).div_(_LARGEST[sample_type])
    photo = _split(values, sample_type, name, kind, "HWC")
    return replace(
        photo,
        exif=decoded.exif, icc=decoded.icc, format=decoded.format, tables=decoded.tables,
        subsampling=decoded.subsampling, orientation=decoded.orientation,
    )  # fmt: skip


def from_array(array: NDArray[Any]) -> Photo:
    sample_type = array.dtype.name
    valid = sample_type in _LARGEST and array.ndim in (2, 3) and array.size > 0
    _require(valid, "array", array.shape, sample_type)
    native = np.require(array, array.dtype.newbyteorder("="), ["C", "W"])
    values = torch.from_numpy(native.reshape(*native.shape[:2], -1)).permute(2, 0, 1)[None]
    return _from_values(values, sample_type, "array", "HW" if array.ndim == 2 else "HWC")


def from_tensor(tensor: Tensor) -> Photo:
    sample_type = str(tensor.dtype).removeprefix("torch.")
    shape = tuple(tensor.shape)
    _require(sample_type in _LARGEST and 2 <= len(shape) <= 4, "tensor", shape, sample_type)
    values = tensor.detach().reshape(*[1] * (4 - len(shape)), *shape)
    return _from_values(values, sample_type, "tensor", {2: "HW", 3: "CHW", 4: "BCHW"}[len(shape)])


def _from_values(values: Tensor, sample_type: str, kind: Kind, axes: str) -> Photo:
    shape = tuple(values.shape)
    _require(values.numel() > 0 and shape[1] <= 4, kind, shape, sample_type)
    values = values.float()
    low, high = float(values.min()), float(values.max())
    if _LARGEST[sample_type] == 1 and not _FLOAT_RANGE[0] <= low <= high <= _FLOAT_RANGE[1]:
        raise PhotoError(
            f"{kind}: values from {low:.4g} to {high:.4g}; scale them to [0, 1] or pass uint8"
        )
    return _split(values / _LARGEST[sample_type], sample_type, kind, kind, axes)


def _require(valid: bool, kind: Kind, shape: tuple[int, ...], sample_type: str) -> None:
    if not valid:
        expected = "(H, W) or (H, W, C)" if kind == "array" else "(H, W), (C, H, W) or (B, C, H, W)"
        raise PhotoError(
            f"{kind}: shape {shape} of {sample_type}; pass {expected} with C = 1 to 4 as uint8, "
            "uint16 or floating point"
        )


def _split(values: Tensor, sample_type: str, name: str, kind: Kind, axes: str) -> Photo:
    channels = values.shape[1]
    colours = 1 if channels <= 2 else 3
    return Photo(
        pixels=values[:, :colours].expand(-1, 3, -1, -1).contiguous(),
        alpha=values[:, colours:].contiguous() if channels in (2, 4) else None,
        sample_type=sample_type, grey=colours == 1, name=name, kind=kind, axes=axes,
    )  # fmt: skip
