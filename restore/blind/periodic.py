"""Planes that go on from edge to edge, so that spectra are theirs, and their differences."""

import math

import torch
from torch import Tensor


def periodic(plane: Tensor, reach: int) -> Tensor:
    """Extend (..., H, W) below and to the right by at least reach, from edge to opposite edge
    linearly."""
    for axis in (-2, -1):
        n = plane.shape[axis]
        margin = 2 * fast_length((n + reach + 1) // 2) - n
        shape = [-1, 1] if axis == -2 else [1, -1]
        share = (torch.arange(1, margin + 1).to(plane) / (margin + 1)).reshape(shape)
        last, first = plane.narrow(axis, n - 1, 1), plane.narrow(axis, 0, 1)
        plane = torch.cat([plane, (1 - share) * last + share * first], axis)
    return plane


def gradient(x: Tensor) -> Tensor:
    """Give the periodic forward differences (..., 2, H, W) along rows and columns."""
    return torch.stack([x.roll(-1, -1) - x, x.roll(-1, -2) - x], -3)


def gradient_transfer(shape: torch.Size) -> Tensor:
    """Give what `gradient` multiplies the spectrum of a picture of that shape with."""
    down, right = torch.fft.fftfreq(shape[-2])[:, None], torch.fft.rfftfreq(shape[-1])[None]
    axes = torch.broadcast_tensors(right, down)
    turns = torch.stack(axes) * (2 * math.pi)
    return torch.polar(torch.ones_like(turns), turns) - 1


def fast_length(length: int) -> int:
    """The least length from that on whose transform is fast: twice a prime takes ten times."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(length, real=True))
