"""Separable operators y = W_h x W_w^T: their Gram matrix is solved on each axis by itself."""

from dataclasses import dataclass

import torch
from torch import Tensor

from operators.solve import damped_reciprocal


@dataclass(frozen=True, eq=False)
class SeparableGram:
    """The matrix W_h W_h^T (x) W_w W_w^T by the eigenvalues and eigenvectors of its factors."""

    row_values: Tensor
    row_vectors: Tensor
    column_values: Tensor
    column_vectors: Tensor

    def solve(self, r: Tensor, damping: Tensor) -> Tensor:
        """Apply (A A^T + damping I)^-1, or (A A^T)^+ where damping is 0, to r (B, C, H, W)."""
        inverse = damped_reciprocal(torch.outer(self.row_values, self.column_values), damping)
        inside = self.row_vectors.mT @ r @ self.column_vectors
        return self.row_vectors @ (inside * inverse) @ self.column_vectors.mT


def separable_gram(rows: Tensor, columns: Tensor, like: Tensor) -> SeparableGram:
    """Decompose W_h (m, n) and W_w, in float64; the result has the dtype and device of like."""
    parts = []
    for matrix in (rows.double(), columns.double()):
        values, vectors = torch.linalg.eigh(matrix @ matrix.mT)
        parts += [values.clamp(min=0).to(like), vectors.to(like)]
    return SeparableGram(*parts)
