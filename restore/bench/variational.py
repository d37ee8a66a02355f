"""Classical estimates that are not linear: total variation, biharmonic and OpenCV inpainting."""

from functools import lru_cache
from typing import cast

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import splu
from torch import Tensor

from operators import Identity, LinearOperator, Measurement
from operators.mask import Mask
from restore.bench.linear import bicubic, gradient, gradient_adjoint, observation


def total_variation(
    measurement: Measurement[LinearOperator], weight: float, *, iterations: int = 150
) -> Tensor:
    """Minimise |A x - y|^2 / 2 + weight TV(x), with the exact operator.

    TV is isotropic with coupled channels. Primal-dual of Chambolle and Pock (JMIV 2011), A and
    the gradient both dualised, so that an iteration is one A and one A^T.
    """
    operator, y = measurement.operator, measurement.y
    x = relaxed = observation(measurement, weight)
    q, p = torch.zeros_like(y), torch.zeros_like(gradient(x))
    # |A|^2 <= 4: rows of weights sum to one, columns by reflection to at most four; |grad|^2 <= 8.
    tau, sigma = _PRIMAL_SHARE / 12**0.5, 1 / (_PRIMAL_SHARE * 12**0.5)
    for _ in range(iterations):
        q = (q + sigma * (operator(relaxed) - y)) / (1 + sigma)
        p = p + sigma * gradient(relaxed)
        p = p / (p.square().sum((0, 2), keepdim=True).sqrt() / weight).clamp(min=1)
        previous = x
        x = x - tau * (operator.adjoint(q) + gradient_adjoint(p))
        relaxed = 2 * x - previous
    return x


def tv_bicubic(measurement: Measurement[LinearOperator], weight: float) -> Tensor:
    """Denoise the small y by total variation, then enlarge it by cubic convolution."""
    small = Measurement[LinearOperator](measurement.y, Identity(), measurement.noise)
    smooth = total_variation(small, weight)
    return bicubic(Measurement(smooth, measurement.operator, measurement.noise), weight)


def biharmonic(measurement: Measurement[LinearOperator], weight: float) -> Tensor:
    """Fill unknown pixels with the smoothest surface: Laplacian squared = 0 there."""
    unknown = cast(Mask, measurement.operator).unknown.reshape(measurement.y.shape[-2:])
    hidden = unknown.flatten().numpy()
    operator = _biharmonic_matrix(*unknown.shape)[hidden]
    pixels = measurement.y[0].flatten(1).double().numpy().T.copy()
    # The matrix is symmetric positive definite: without pivoting its factors stay sparse.
    solver = splu(
        operator[:, hidden].tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    pixels[hidden] = solver.solve(-(operator[:, ~hidden] @ pixels[~hidden]))
    return torch.from_numpy(pixels.T.copy()).to(measurement.y).reshape(measurement.y.shape)


def biharmonic_tv(measurement: Measurement[LinearOperator], weight: float) -> Tensor:
    """Fill by `biharmonic`, then denoise the whole picture by total variation."""
    filled = biharmonic(measurement, weight)
    noisy = Measurement[LinearOperator](filled, Identity(), measurement.noise)
    return total_variation(noisy, weight)


def telea(measurement: Measurement[LinearOperator], weight: float) -> Tensor:
    """Fill unknown pixels by OpenCV's fast marching (Telea, JGT 2004), radius `weight` pixels."""
    return _opencv(measurement, weight, "INPAINT_TELEA")


def navier_stokes(measurement: Measurement[LinearOperator], weight: float) -> Tensor:
    """Fill unknown pixels by OpenCV's Navier-Stokes (Bertalmio et al., CVPR 2001)."""
    return _opencv(measurement, weight, "INPAINT_NS")


_PRIMAL_SHARE = 10.0


@lru_cache(maxsize=2)
def _biharmonic_matrix(height: int, width: int) -> sp.csr_matrix:
    lines = [
        sp.diags([-np.ones(n - 1), 2 - np.eye(n)[0] - np.eye(n)[-1], -np.ones(n - 1)], [-1, 0, 1])
        for n in (height, width)
    ]
    laplacian = sp.kron(lines[0], sp.eye(width)) + sp.kron(sp.eye(height), lines[1])
    return (laplacian @ laplacian).tocsr()


def _opencv(measurement: Measurement[LinearOperator], weight: float, method: str) -> Tensor:
    import cv2

    unknown = cast(Mask, measurement.operator).unknown.reshape(measurement.y.shape[-2:])
    pixels = (measurement.y[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    filled = cv2.inpaint(
        np.ascontiguousarray(pixels), unknown.byte().numpy(), weight, getattr(cv2, method)
    )
    return torch.from_numpy(filled).permute(2, 0, 1)[None].to(measurement.y) / 255
