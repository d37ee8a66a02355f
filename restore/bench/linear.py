"""Classical estimates that are linear in y, or nearly so: interpolation, Wiener, Tikhonov, RL."""

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from operators import LinearOperator, Measurement, conjugate_gradients
from operators.blur import Blur
from operators.convolution import embedded, filtered
from operators.mask import Mask


def observation(measurement: Measurement[LinearOperator], weight: float) -> Tensor:
    """Show y itself: unknown pixels take the mean of the known ones, small images grow."""
    operator = measurement.operator
    if isinstance(operator, Mask):
        unknown = operator.unknown
        known = (~unknown).expand_as(measurement.y[:, :1]).to(measurement.y)
        total = (measurement.y * known).sum((-2, -1), keepdim=True)
        return torch.where(unknown, total / known.sum((-2, -1), keepdim=True), measurement.y)
    if measurement.image_shape == tuple(measurement.y.shape):
        return measurement.y
    return bicubic(measurement, weight)


def bicubic(measurement: Measurement[LinearOperator], weight: float) -> Tensor:
    """Enlarge y with Pillow's cubic convolution, a = -0.5 (Keys, IEEE TASSP 1981)."""
    return _enlarge(measurement.y, measurement.image_shape, "BICUBIC")


def lanczos(measurement: Measurement[LinearOperator], weight: float) -> Tensor:
    """Enlarge y with Pillow's Lanczos window of three lobes."""
    return _enlarge(measurement.y, measurement.image_shape, "LANCZOS")


def wiener(measurement: Measurement[LinearOperator], weight: float) -> Tensor:
    """Divide spectra, X = conj(K) Y / (|K|^2 + weight |f|^2), y mirrored to twice its size.

    |f| is in cycles a pixel: photos have spectra that fall as 1 / |f|^2 (Field, JOSA A 1987).
    """
    y, kernel = measurement.y, cast(Blur, measurement.operator).kernel
    height, width = y.shape[-2:]
    # Without the edge twice: the mirrored y is periodic, and for a symmetric kernel exact.
    mirrored = F.pad(y, (0, width - 2, 0, height - 2), mode="reflect")
    grid = (2 * height - 2, 2 * width - 2)
    transfer = torch.fft.rfft2(embedded(kernel, grid))
    power = transfer.real**2 + transfer.imag**2
    frequency = torch.fft.fftfreq(grid[0])[:, None] ** 2 + torch.fft.rfftfreq(grid[1]) ** 2
    sharp = filtered(mirrored, transfer.conj() / (power + weight * frequency), grid)
    return sharp[..., :height, :width]


def tikhonov(measurement: Measurement[LinearOperator], weight: float) -> Tensor:
    """Minimise |A x - y|^2 + weight |grad x|^2 by conjugate gradients with the exact operator."""
    operator = measurement.operator
    return conjugate_gradients(
        lambda x: operator.adjoint(operator(x)) + weight * gradient_adjoint(gradient(x)),
        operator.adjoint(measurement.y),
        x0=observation(measurement, weight),
        # Little of the right-hand side is in a hole, which is why the tolerance is so small.
        tolerance=1e-6,
    )


def richardson_lucy(measurement: Measurement[LinearOperator], weight: float) -> Tensor:
    """Multiply by A^T(y / A x) / A^T 1, `weight` times (Richardson 1972, Lucy 1974)."""
    operator = measurement.operator
    # Counts are positive by the method's Poisson model; our noise is not.
    y = measurement.y.clamp(min=1e-3)
    sensitivity = operator.adjoint(torch.ones_like(y))
    x = observation(measurement, weight).clamp(min=1e-3)
    # Pixels that hardly reach the measurement, at a border that a kernel leaves, stay.
    reached = sensitivity > 1e-3
    for _ in range(round(weight)):
        ratio = operator.adjoint(y / operator(x).clamp(min=1e-3)) / sensitivity
        x = x * ratio.where(reached, 1)
    return x


def gradient(x: Tensor) -> Tensor:
    """Forward differences of (B, C, H, W), zero past the border: (2, B, C, H, W)."""
    down = F.pad(x.diff(dim=-2), (0, 0, 0, 1))
    right = F.pad(x.diff(dim=-1), (0, 1))
    return torch.stack([down, right])


def gradient_adjoint(p: Tensor) -> Tensor:
    """The exact transpose of `gradient`: minus the divergence."""
    down = F.pad(p[0][..., :-1, :], (0, 0, 1, 1)).diff(dim=-2)
    right = F.pad(p[1][..., :-1], (1, 1)).diff(dim=-1)
    return -(down + right)


def _enlarge(y: Tensor, shape: tuple[int, ...], window: str) -> Tensor:
    from PIL import Image

    channels = [
        Image.fromarray(channel.numpy()).resize((shape[3], shape[2]), Image.Resampling[window])
        for channel in y[0].float()
    ]
    return torch.from_numpy(np.stack([np.asarray(c) for c in channels]))[None]
