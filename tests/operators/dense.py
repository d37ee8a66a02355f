"""The matrix of a linear operator, column by column: the oracle of small cases."""

import torch
from torch import Tensor

from operators import LinearOperator, Shape


def matrix(operator: LinearOperator, image_shape: Shape) -> Tensor:
    """Give the matrix (m, n), in float64, of an operator on single images (1, C, H, W)."""
    count = torch.Size(image_shape[1:]).numel()
    basis = torch.eye(count, dtype=torch.float64).reshape(count, *image_shape[1:])
    return torch.cat([operator(column[None]).flatten()[:, None] for column in basis], dim=1)
