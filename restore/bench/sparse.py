"""Deconvolution with sparse gradients: the non-blind solver that the error ratio is defined by.

    x^ = argmin_x |k * x - y|^2 + weight sum |grad x|^0.8

The objective and the weight 0.0068 are of Levin et al. (SIGGRAPH 2007, CVPR 2009), the algorithm is
half-quadratic splitting (Krishnan and Fergus, NIPS 2009): g near grad x, held ever tighter to it.
"""

import torch
from torch import Tensor

from operators.convolution import embedded
from restore.blind.periodic import gradient, gradient_transfer, periodic

WEIGHT = 0.0068
POWER = 0.8
_FIRST, _LAST, _RATIO = 1.0, 256.0, 2**1.5


def sparse(y: Tensor, kernel: Tensor, weight: float = WEIGHT) -> Tensor:
    """Restore y (1, 1, H, W), with edges that run into the opposite ones outside it."""
    plane = periodic(y[0, 0], 3 * max(kernel.shape))
    size = (plane.shape[0], plane.shape[1])
    k, d = torch.fft.rfft2(embedded(kernel, size)), gradient_transfer(plane.shape)
    pull, power = k.conj() * torch.fft.rfft2(plane), k.abs() ** 2
    roughness = (d.abs() ** 2).sum(0)
    x, beta = plane, _FIRST
    while beta < _LAST:
        spectra = d.conj() * torch.fft.rfft2(_shrunk(gradient(x), beta))
        hold = weight * beta / 2
        x = torch.fft.irfft2((pull + hold * spectra.sum(0)) / (power + hold * roughness), s=size)
        beta *= _RATIO
    return x[None, None, : y.shape[2], : y.shape[3]]


def _shrunk(values: Tensor, beta: float) -> Tensor:
    """Minimise |g|^0.8 + beta / 2 (g - values)^2: Newton's steps from values, or zero."""
    size = values.abs()
    g = size.clone()
    for _ in range(4):
        base = g.clamp(min=1e-6)
        slope = POWER * base ** (POWER - 1) + beta * (g - size)
        curvature = POWER * (POWER - 1) * base ** (POWER - 2) + beta
        g = (g - slope / curvature.clamp(min=1e-3)).clamp(min=0)
    better = g**POWER + beta / 2 * (g - size) ** 2 < beta / 2 * size**2
    return torch.where(better, g, 0) * values.sign()
