"""Linear codes of pictures, learned in closed form: principal components, regressions, codebooks.

z = P^T patch        patch = P z        P orthonormal, most energetic components first
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

RIDGE = 1e-6
"""Ridge of regressions, as a share of the mean energy of what they regress on."""


def unshuffle(x: Tensor, factor: int) -> Tensor:
    """Nested pixel unshuffles by two: (B, C, H, W) to (B, C f^2, H / f, W / f), f a power of two.

    The entries of a patch are ordered (channel, inner, outer), as networks that halve sides do.
    """
    while factor > 1:
        x = F.pixel_unshuffle(x, 2)
        factor //= 2
    return x


def patch_basis(pictures: Tensor, factor: int) -> Tensor:
    """Eigenvectors of the uncentred covariance of f x f patches: columns of (3 f^2, 3 f^2).

    pictures: (N, 3, H, W) with sides that are multiples of f.
    """
    return principal(unshuffle(part, factor) for part in pictures.split(64))


def principal(parts: Iterable[Tensor]) -> Tensor:
    """Columns (C, C): principal components of the channels of feature maps (B, C, h, w)."""
    total: Tensor | float = 0.0
    for part in parts:
        rows = part.movedim(1, -1).flatten(0, -2).double()
        total = total + rows.T @ rows
    _, vectors = torch.linalg.eigh(torch.as_tensor(total))
    basis: Tensor = vectors.flip(1).float()
    return basis


def project(basis: Tensor, features: Tensor) -> Tensor:
    """Coefficients (B, c, h, w) of features (B, C, h, w) on the columns of a basis (C, c)."""
    return torch.einsum("pc,bphw->bchw", basis, features)


def regression(features: Iterable[Tensor], targets: Iterable[Tensor], size: int) -> Tensor:
    """The convolution (n, m, size, size) of m channels that is closest to n target channels.

    Ridge regression on the neighbourhoods of features (B, m, H, W), padded with zeros; targets are
    (B, n, H, W); both come in parts that need not be in memory together.
    """
    square: Tensor | float = 0.0
    product: Tensor | float = 0.0
    shape = (0, 0)
    for feature, target in zip(features, targets, strict=True):
        shape = (target.shape[1], feature.shape[1])
        seen = F.unfold(feature, size, padding=size // 2).movedim(1, 0).flatten(1)
        wanted = target.movedim(1, 0).flatten(1)
        square, product = square + (seen @ seen.T).double(), product + (seen @ wanted.T).double()
    square, product = torch.as_tensor(square), torch.as_tensor(product)
    ridge = RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=torch.float64)
    kernel: Tensor = torch.linalg.solve(square + ridge, product).T.float()
    return kernel.reshape(*shape, size, size)


def codebook(vectors: Tensor, codes: int, generator: torch.Generator, steps: int = 8) -> Tensor:
    """Entries (codes, C) by k-means: some of the vectors (N, C), moved to the means of their cells.

    Lloyd's algorithm on at most 16 vectors an entry; an entry with an empty cell stays where it is.
    """
    order = torch.randperm(len(vectors), generator=generator)[: 16 * codes]
    drawn = vectors[order]
    entries = drawn[torch.arange(codes) % len(drawn)].clone()
    for _ in range(steps):
        cells = torch.cat([torch.cdist(part, entries).argmin(1) for part in drawn.split(4096)])
        count = torch.bincount(cells, minlength=codes)
        means = torch.zeros_like(entries).index_add_(0, cells, drawn)
        entries = torch.where(count[:, None] > 0, means / count[:, None].clamp_min(1), entries)
    return entries
