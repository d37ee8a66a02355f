"""Blocks of 8 x 8 pixels, their cosine transform II, and their way back into a plane."""

import math

import torch
from torch import Tensor
from torch.nn import functional

SIDE = 8


def padded(plane: Tensor, rows: int, columns: int) -> Tensor:
    """A plane (B, C, H, W) with its last row and column repeated up to multiples of both."""
    height, width = plane.shape[-2:]
    return functional.pad(plane, (0, -width % columns, 0, -height % rows), mode="replicate")


def cosines(plane: Tensor) -> Tensor:
    """The coefficients (B, C, rows, columns, 8, 8) of a plane, padded to whole blocks."""
    plane, basis = padded(plane, SIDE, SIDE), _basis(plane)
    return basis @ blocks(plane) @ basis.mT


def pixels(coefficients: Tensor) -> Tensor:
    """The plane (B, C, 8 rows, 8 columns) of coefficients."""
    basis = _basis(coefficients)
    return plane(basis.mT @ coefficients @ basis)


def blocks(plane: Tensor) -> Tensor:
    """A plane of whole blocks as (B, C, rows, columns, 8, 8)."""
    batch, channels, height, width = plane.shape
    shape = (batch, channels, height // SIDE, SIDE, width // SIDE, SIDE)
    return plane.reshape(shape).transpose(-3, -2)


def plane(blocks: Tensor) -> Tensor:
    """Blocks (B, C, rows, columns, 8, 8) side by side, as (B, C, 8 rows, 8 columns)."""
    return blocks.transpose(-3, -2).flatten(-2).flatten(-3, -2)


def _basis(like: Tensor) -> Tensor:
    """Give the orthonormal cosine transform II of eight points."""
    frequency = torch.arange(SIDE, dtype=torch.float64)[:, None]
    place = torch.arange(SIDE, dtype=torch.float64)[None, :]
    basis = torch.cos(math.pi * (2 * place + 1) * frequency / 16) / 2
    basis[0] /= math.sqrt(2)
    return basis.to(like)
