"""Blur kernels: float32 tensors (kh, kw) of odd sides, non-negative, of sum one, centred."""

import difflib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy
import torch
from torch import Tensor

from operators.kernel_files import READERS

LARGEST = 500
"""Sigma, radius or length in pixels beyond which a kernel is a mistake."""


def gaussian(sigma: float, size: int | None = None) -> Tensor:
    """Sample exp(-r^2 / 2 sigma^2), sigma > 0 in pixels.

    size is the odd side; by default the kernel is cut at 4 sigma, as scipy.ndimage does
    (sigma 3: 25 x 25). ValueError for other values.
    """
    _require_positive("sigma", sigma)
    half = int(4 * sigma + 0.5) if size is None else _half(size)
    line = torch.arange(-half, half + 1, dtype=torch.float64)
    line = torch.exp(-(line**2) / (2 * sigma**2))
    return normalised(torch.outer(line, line))


def motion(length: float, angle: float = 0.0) -> Tensor:
    """Draw the anti-aliased straight path of a camera that moves by length > 0 pixels.

    angle is in degrees, counter-clockwise from the x axis. A pixel weighs one minus its distance
    from the segment, so that length 9 at 0 degrees is nine equal pixels. ValueError otherwise.
    """
    _require_positive("length", length)
    reach = max(length - 1, 0) / 2
    half = math.ceil(reach)
    y, x = _grid(half)
    radians = math.radians(angle)
    along = x * math.cos(radians) - y * math.sin(radians)
    across = x * math.sin(radians) + y * math.cos(radians)
    distance = torch.hypot((along.abs() - reach).clamp(min=0), across)
    return normalised((1 - distance).clamp(min=0))


def disk(radius: float) -> Tensor:
    """Draw the disk of a lens out of focus, radius > 0 in pixels; ValueError otherwise.

    A pixel weighs the share of it that the disk covers, on a grid of 9 x 9 points a pixel.
    """
    _require_positive("radius", radius)
    half, points = math.ceil(radius), 9
    y, x = _grid(half * points + points // 2)
    inside = (points * radius + 0.5 - torch.hypot(y, x)).clamp(0, 1)
    return normalised(torch.nn.functional.avg_pool2d(inside[None], points)[0])


def random_walk(size: int, intensity: float = 0.5, seed: int = 0) -> Tensor:
    """Draw the path of a shaking hand in a window of odd side size >= 5.

    The path has a length of size - 3 pixels and constant speed; its heading diffuses by intensity
    turns in all and jerks about 4 intensity times, in the manner of Boracchi and Foi (IEEE TIP
    2012). intensity >= 0: 0 is a straight line, 1 erratic. ValueError otherwise.
    """
    half = _half(size, least=5)
    if not intensity >= 0:
        raise ValueError(f"intensity: got {intensity}; pass a number >= 0, such as 0.5")
    steps = 32 * size
    generator = torch.Generator().manual_seed(seed)
    turns = torch.randn(steps, generator=generator, dtype=torch.float64) / math.sqrt(steps)
    jerks = torch.rand(steps, generator=generator) < 4 * intensity / steps
    angles = torch.rand(steps, generator=generator, dtype=torch.float64) - 0.5
    heading = 2 * math.pi * (intensity * turns + torch.where(jerks, angles, 0)).cumsum(0)
    heading = heading + 2 * math.pi * torch.rand((), generator=generator)
    path = torch.stack([heading.sin(), heading.cos()]).cumsum(1) * ((size - 3) / steps)
    return normalised(_splat(path - path.mean(1, keepdim=True) + half, size))


def load(path: str | Path) -> Tensor:
    """Read a kernel from .png (any grey picture), .npy, .npz or .mat: the first matrix in it.

    Kernels of a grid (R, C, kh, kw), as `sheet` lays them out or as one array, are read as such.
    ValueError when the file is missing, of another type or holds no kernel.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"kernel: {path.name!r} is none of {', '.join(READERS)}; convert it")
    if not path.is_file():
        raise ValueError(f"kernel: no file {str(path)!r}; pass a kernel file or one of {FORMS}")
    try:
        arrays = reader(path)
    except (OSError, EOFError, BadZipFile, TypeError, ValueError) as error:
        # What the libraries raise for broken files; pickled arrays, which could run code, too.
        raise ValueError(f"kernel: {path.name!r} cannot be read ({_first_line(error)})") from None
    arrays = [array for array in arrays if array.ndim in (2, 4) and array.dtype.kind in "fiub"]
    if not arrays:
        raise ValueError(f"kernel: {path.name!r} holds no matrix; store one array (kh, kw)")
    return normalised(torch.from_numpy(arrays[0].astype(numpy.float64)))


def parse(text: str) -> Tensor:
    """Read "gaussian:2", "motion:17,32", "disk:4", "walk:61,0.5,7" or the name of a kernel file.

    ValueError in one line that names the nearest family.
    """
    family, colon, rest = text.partition(":")
    if Path(text).suffix.lower() in READERS:
        return load(text)
    if family not in _FAMILIES:
        near = difflib.get_close_matches(family, _FAMILIES, n=1) or list(_FAMILIES)
        raise ValueError(f"kernel: unknown {text!r}; did you mean {' or '.join(near)}? ({FORMS})")
    try:
        numbers = [float(number) for number in rest.split(",")]
        return _FAMILIES[family](*numbers)
    except TypeError:
        raise ValueError(f"kernel: {text!r} has the wrong count of numbers; use {FORMS}") from None
    except ValueError as error:
        if colon and "could not convert" not in str(error):
            raise
        raise ValueError(f"kernel: {text!r} needs numbers after the colon; use {FORMS}") from None


def normalised(kernel: Tensor) -> Tensor:
    """Give the kernel (kh, kw) as float32 with odd sides (zeros below and right) and sum one.

    Of kernels (R, C, kh, kw) each. ValueError when one is no finite matrix with a positive sum.
    """
    if kernel.ndim == 4 and 0 not in kernel.shape:
        each = torch.stack([normalised(one) for one in kernel.flatten(0, 1)])
        return each.reshape(*kernel.shape[:2], *each.shape[1:])
    if kernel.ndim != 2 or 0 in kernel.shape:
        raise ValueError(f"kernel: got shape {tuple(kernel.shape)}; pass a matrix (kh, kw)")
    kernel = kernel.double()
    total = float(kernel.sum())
    if not 0 < total < math.inf:
        raise ValueError(f"kernel: its sum is {total}; pass finite weights with a sum > 0")
    height, width = kernel.shape
    padding = (0, 1 - width % 2, 0, 1 - height % 2)
    return torch.nn.functional.pad(kernel / total, padding).float()


def sheet(kernel: Tensor) -> tuple[Tensor, dict[str, Any] | None]:
    """Give kernels (R, C, kh, kw) side by side as one matrix, and the note that a PNG of it needs
    in its text "photomend" to be read as kernels again; a kernel (kh, kw) as it is, and None."""
    if kernel.ndim == 2:
        return kernel, None
    rows, columns, height, width = kernel.shape
    laid = kernel.permute(0, 2, 1, 3).reshape(rows * height, columns * width)
    return laid, {"kernels": [rows, columns]}


def _walk(size: float, intensity: float = 0.5, seed: float = 0) -> Tensor:
    return random_walk(int(size), intensity, int(seed))


def _sized_gaussian(sigma: float, size: float | None = None) -> Tensor:
    return gaussian(sigma, None if size is None else int(size))


def _grid(half: int) -> tuple[Tensor, Tensor]:
    line = torch.arange(-half, half + 1, dtype=torch.float64)
    return line[:, None], line[None, :]


def _splat(points: Tensor, size: int) -> Tensor:
    """Drop unit weights at points (2, n) of rows and columns, shared among four pixels each."""
    corner = points.floor().long()
    right = points - corner
    kernel = torch.zeros(size, size, dtype=torch.float64)
    for row in (0, 1):
        for column in (0, 1):
            offset = torch.tensor([[row], [column]])
            weight = torch.where(offset == 1, right, 1 - right).prod(0)
            kernel.index_put_(tuple(corner + offset), weight, accumulate=True)
    return kernel


def _half(size: int, least: int = 1) -> int:
    if not least <= size < 8 * LARGEST or size % 2 == 0:
        raise ValueError(f"size: got {size}; pass an odd number of pixels >= {least}")
    return size // 2


def _require_positive(name: str, value: float) -> None:
    if not 0 < value <= LARGEST:
        raise ValueError(f"{name}: got {value}; pass a number of pixels > 0, up to {LARGEST}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


FORMS = "gaussian:SIGMA, motion:LENGTH,DEGREES, disk:RADIUS, walk:SIZE,INTENSITY,SEED"

_FAMILIES: dict[str, Callable[..., Tensor]] = {
    "gaussian": _sized_gaussian,
    "motion": motion,
    "disk": disk,
    "walk": _walk,
}


def as_kernel(kernel: str | Path | Tensor | Any) -> Tensor:
    """A kernel (kh, kw), or those of a grid (R, C, kh, kw), from its description, file or array;
    ValueError in one line when it is none."""
    if isinstance(kernel, str | os.PathLike):
        return parse(os.fspath(kernel))
    return normalised(torch.as_tensor(kernel, dtype=torch.float32))
