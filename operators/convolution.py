"""What convolutions are made of: borders and their transposes, kernels on a Fourier grid."""

from collections.abc import Callable
from itertools import product
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Boundary = Literal["circular", "reflect", "replicate", "valid"]
Size = tuple[int, int]

LARGE, LARGE_CPU = 2**21, 2**18
"""Values from which on planes are filtered one by one: that takes a third of the memory between,
and less time where a processor's cache holds no more."""


def pad(x: Tensor, before: Size, after: Size, boundary: Boundary) -> Tensor:
    """Extend x (B, C, H, W) by rows and columns; reflect does not repeat the edge.

    ValueError when the image is too small to be reflected so far.
    """
    if boundary in ("circular", "valid"):
        return x
    reach = (max(before[0], after[0]), max(before[1], after[1]))
    if boundary == "reflect" and (reach[0] >= x.shape[-2] or reach[1] >= x.shape[-1]):
        height, width = x.shape[-2:]
        raise ValueError(
            f"boundary: 'reflect' reaches {reach[0]} x {reach[1]} pixels out of an image of"
            f" {height} x {width}; use 'replicate' or a smaller kernel"
        )
    if not x.requires_grad:
        return functional.pad(x, (before[1], after[1], before[0], after[0]), mode=boundary)
    # The gradient of torch's own adds in any order on a graphics card: two runs would differ.
    for axis in (0, 1):
        x = _pad_axis(x, before[axis], after[axis], axis - 2, boundary)
    return x


def fold(z: Tensor, before: Size, after: Size, boundary: Boundary) -> Tensor:
    """Apply the transpose of pad: border values return to the pixels they were copied from."""
    if boundary in ("circular", "valid"):
        return z
    for axis in (0, 1):
        z = _fold_axis(z, before[axis], after[axis], axis - 2, boundary)
    return z


def embedded(kernel: Tensor, size: Size) -> Tensor:
    """Place the kernel on a periodic grid with its centre at the origin, wrapped where too big."""
    rows, columns = (
        (torch.arange(n, device=kernel.device) - n // 2) % period
        for n, period in zip(kernel.shape, size, strict=True)
    )
    places = (rows[:, None], columns[None, :])
    return kernel.new_zeros(size).index_put(places, kernel, accumulate=True)


def filtered(x: Tensor, spectrum: Tensor, size: Size) -> Tensor:
    """Multiply the spectrum of x, zero-padded to the periodic grid of that size.

    Half precision, which FFTs do not know everywhere, is computed in float32.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    transformed = torch.fft.rfft2(wide, s=size)
    if torch.is_grad_enabled():
        transformed = transformed * spectrum
    else:
        transformed *= spectrum
    result: Tensor = torch.fft.irfft2(transformed, s=size)
    return result.to(x.dtype)


def by_plane(apply: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Give apply(x) of what treats planes (H, W) alike; of a large x (B, C, H, W) one by one."""
    if x.numel() < (LARGE_CPU if x.device.type == "cpu" else LARGE) or x.requires_grad:
        return apply(x)
    result: Tensor | None = None
    for image, channel in product(*map(range, x.shape[:2])):
        plane = apply(x[image : image + 1, channel : channel + 1])
        if result is None:
            result = plane.new_empty(*x.shape[:2], *plane.shape[2:])
        result[image, channel] = plane[0, 0]
    return apply(x) if result is None else result


def _pad_axis(x: Tensor, before: int, after: int, dim: int, boundary: Boundary) -> Tensor:
    n = x.shape[dim]
    if boundary == "reflect":
        head, tail = x.narrow(dim, 1, before).flip(dim), x.narrow(dim, n - 1 - after, after)
        return torch.cat([head, x, tail.flip(dim)], dim)
    spread = [*x.shape]
    spread[dim] = before
    head = x.narrow(dim, 0, 1).expand(spread)
    spread[dim] = after
    return torch.cat([head, x, x.narrow(dim, n - 1, 1).expand(spread)], dim)


def _fold_axis(z: Tensor, before: int, after: int, dim: int, boundary: Boundary) -> Tensor:
    n = z.shape[dim] - before - after
    head, tail = z.narrow(dim, 0, before), z.narrow(dim, before + n, after)
    body = z.narrow(dim, before, n).clone()
    if boundary == "reflect":
        body.narrow(dim, 1, before).add_(head.flip(dim))
        body.narrow(dim, n - 1 - after, after).add_(tail.flip(dim))
    else:
        body.narrow(dim, 0, 1).add_(head.sum(dim, keepdim=True))
        body.narrow(dim, n - 1, 1).add_(tail.sum(dim, keepdim=True))
    return body
