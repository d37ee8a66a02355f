"""How alike and how wide kernels are, and one of several: not all are wrong in the same way.

Of models that explain the data about as well the mean by their evidence predicts better than the
best (Hoeting, Madigan, Raftery and Volinsky, Statistical Science 1999).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from restore.blind.free import centred, cut

SOFT = 10.0
"""Nats less that weigh one by 1/e: evidence of a spectrum counts what is wrong with its model."""
CUT = 0.02
"""Share of the largest weight below which one is none, in a mean and in a refined kernel: finer
than in a single start, whose faint weights are its errors; without those of the truth a kernel ends
too soon."""


def averaged(kernels: Sequence[Tensor], evidence: Sequence[float]) -> Tensor:
    """Give the mean of kernels (k, k) of odd sides, each moved by whole pixels to where it agrees
    most with the likeliest, weighted by their evidence, in nats; of the largest side, centred."""
    side = max(len(one) for one in kernels)
    nats = torch.tensor(evidence)
    shares = torch.softmax(nats / SOFT, 0)
    framed = [pad(one, 4 * [(side - len(one)) // 2]) for one in kernels]
    likeliest = framed[int(nats.argmax())]
    moved = torch.stack([_moved(one, likeliest) for one in framed])
    return centred(cut((shares.to(moved)[:, None, None] * moved).sum(0), CUT))


def correlation(one: Tensor, other: Tensor) -> float:
    """Give the largest normalised cross-correlation of two kernels over shifts, in [0, 1]."""
    return float(_products(one, other).max() / (one.double().norm() * other.double().norm()))


def _products(one: Tensor, other: Tensor) -> Tensor:
    """Inner products of one kernel, moved cyclically by each shift, with another: a grid with the
    sides of both together, where they do not meet twice."""
    shape = [sum(sides) for sides in zip(one.shape, other.shape, strict=True)]
    spectra = [torch.fft.rfft2(kernel.double(), s=shape) for kernel in (one, other)]
    products: Tensor = torch.fft.irfft2(spectra[0].conj() * spectra[1], s=shape)
    return products


def _moved(kernel: Tensor, to: Tensor) -> Tensor:
    """A kernel (n, n) where its correlation with another is largest; what leaves is lost."""
    side = len(kernel)
    shift = divmod(int(_products(kernel, to).argmax()), 2 * side)
    return pad(kernel, (0, side, 0, side)).roll(shift, (0, 1))[:side, :side]


def spread(kernel: Tensor) -> float:
    """Give the standard deviation of a centred kernel in pixels, the mean of both directions."""
    down, right = (torch.arange(n).to(kernel) - n // 2 for n in kernel.shape)
    return math.sqrt(float((kernel * (down[:, None] ** 2 + right**2)).sum()) / 2)
