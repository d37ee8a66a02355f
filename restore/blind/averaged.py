"""One kernel of several of the same blur: what is wrong with one is not wrong with all.

Of models that explain the data about as well the mean by their evidence predicts better than the
best (Hoeting, Madigan, Raftery and Volinsky, Statistical Science 1999).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from restore.blind.free import centred, cut

SOFT = 10.0
"""Nats less that weigh one by 1/e: evidence of a spectrum counts what is wrong with its model."""
CUT = 0.02
"""Share of the largest weight below which one is none."""


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


def _moved(kernel: Tensor, to: Tensor) -> Tensor:
    """A kernel (n, n) where its correlation with another is largest; what leaves is lost."""
    side = len(kernel)
    spectra = [torch.fft.rfft2(one, s=(2 * side, 2 * side)) for one in (kernel, to)]
    best = int(torch.fft.irfft2(spectra[0].conj() * spectra[1], s=(2 * side, 2 * side)).argmax())
    wide = pad(kernel, (0, side, 0, side)).roll((best // (2 * side), best % (2 * side)), (0, 1))
    return wide[:side, :side]
