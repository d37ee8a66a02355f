"""Blur: y = k * x, a true convolution with a known kernel.

A cross-correlation, as the diffusion papers' codes compute it, is Blur(kernel.flip(0, 1)).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import get_args

import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional

from operators.base import LinearOperator, Shape
from operators.convolution import Boundary, Size, by_plane, embedded, filtered, fold, pad
from operators.separable import SeparableGram, separable_gram
from operators.solve import damped_reciprocal

_Key = tuple[Size, torch.dtype, torch.device]

DIRECT_TAPS = 49
"""Up to 7 x 7 taps a direct convolution is faster than FFTs (256 x 256, one CPU thread)."""
SEPARABLE_SIDE = 1024
"""Larger images do not pay for the eigenvectors of their axes (a second each)."""


@dataclass(frozen=True, eq=False, repr=False)
class Blur(LinearOperator):
    """Convolution of every channel with kernel (kh, kw), odd sides; see operators.kernels.

    boundary: circular, reflect (edge not repeated), replicate, or valid (y is smaller than the
    image by the kernel's side minus one). ValueError for other kernels and boundaries, and for a
    kernel that sums to 0 or is not finite.
    """

    kernel: Tensor
    boundary: Boundary = "reflect"
    _spectra: dict[_Key, Tensor] = field(default_factory=dict, init=False, repr=False)
    _grams: dict[_Key, SeparableGram] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        shape = tuple(self.kernel.shape)
        if len(shape) != 2 or not all(side % 2 for side in shape):
            raise ValueError(f"kernel: got shape {shape}; odd sides needed, see kernels.normalised")
        if self.boundary not in get_args(Boundary):
            raise ValueError(
                f"boundary: got {self.boundary!r}; use one of {', '.join(get_args(Boundary))}"
            )
        _require_sum(self.kernel)

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve images (B, C, H, W)."""
        return by_plane(self._blurred, x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Correlate with the kernel, then fold the border back."""
        return by_plane(self._correlated, y)

    def _blurred(self, x: Tensor) -> Tensor:
        down, right = margin = self._margin
        wide = pad(x, margin, margin, self.boundary)
        height, width = wide.shape[-2] - 2 * down, wide.shape[-1] - 2 * right
        if height < 1 or width < 1:
            raise ValueError(
                f"x: sides {tuple(x.shape[-2:])} are smaller than the kernel's"
                f" {tuple(self.kernel.shape)}; use another boundary than 'valid'"
            )
        if self._direct:
            return _correlate(wide, self.kernel.flip(0, 1))
        grid = self._grid(*wide.shape[-2:])
        blurred = filtered(wide, self._spectrum(grid, x), grid)
        return blurred[..., down : down + height, right : right + width]

    def _correlated(self, y: Tensor) -> Tensor:
        down, right = margin = self._margin
        border = (right, right, down, down)
        wide = functional.pad(y, border)
        if self._direct:
            wide = _correlate(functional.pad(wide, border), self.kernel)
        else:
            height, width = wide.shape[-2:]
            grid = self._grid(height, width)
            spectrum = self._spectrum(grid, y).conj()
            wide = filtered(wide, spectrum, grid)[..., :height, :width]
        return fold(wide, margin, margin, self.boundary)

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape, larger by the kernel's side minus one where the boundary is valid."""
        if self.boundary != "valid":
            return y_shape
        *batch, height, width = y_shape
        down, right = self._margin
        return (*batch, height + 2 * down, width + 2 * right)

    def gram_solve(self, r: Tensor, damping: Tensor, start: Tensor | None = None) -> Tensor:
        """Solve in closed form where circular or separable, else by conjugate gradients."""
        solve = self._closed_form(r)
        return super().gram_solve(r, damping, start) if solve is None else solve(r, damping)

    def pinv(self, y: Tensor) -> Tensor:
        """Apply the pseudo-inverse, in closed form where circular or separable."""
        solve = self._closed_form(y)
        return super().pinv(y) if solve is None else self.adjoint(solve(y, y.new_zeros(())))

    def preconditioner(self, r: Tensor, damping: Tensor) -> Callable[[Tensor], Tensor]:
        """Divide by the power spectrum, on a grid so large that opposite borders do not meet."""
        height, width = r.shape[-2:]
        down, right = self._margin
        grid = self._grid(height + 2 * down, width + 2 * right)
        floor = torch.finfo(r.dtype).eps
        inverse = 1 / (self.power(grid, r) + damping.clamp(min=floor))

        def divided(s: Tensor) -> Tensor:
            return filtered(s, inverse, grid)[..., :height, :width]

        return divided if len(inverse) > 1 else lambda s: by_plane(divided, s)

    def power(self, grid: Size, like: Tensor) -> Tensor:
        """Give |F k|^2 on a periodic grid, at the frequencies of rfft2, in like's dtype."""
        spectrum = self._spectrum(grid, like)
        return spectrum.real**2 + spectrum.imag**2

    def _closed_form(self, r: Tensor) -> Callable[[Tensor, Tensor], Tensor] | None:
        grid = (r.shape[-2], r.shape[-1])
        if self.boundary == "circular":
            return lambda r, damping: filtered(
                r, damped_reciprocal(self.power(grid, r), damping), grid
            )
        if self._factors is None or max(grid) > SEPARABLE_SIDE:
            return None
        key = (grid, r.dtype, r.device)
        if key not in self._grams:
            with torch.inference_mode(False), torch.no_grad():
                rows, columns = map(self._matrix, self._factors, grid)
                self._grams[key] = separable_gram(rows, columns, r)
        return self._grams[key].solve

    @cached_property
    def _factors(self) -> tuple[Tensor, Tensor] | None:
        """The column and the row whose product is the kernel, where it has rank one."""
        if self.kernel.requires_grad:
            return None
        u, s, v = torch.linalg.svd(self.kernel.double().cpu())
        # Kernels are rounded to float32.
        return (s[0] * u[:, 0], v[0]) if bool((s[1:] < 1e-6 * s[0]).all()) else None

    def _matrix(self, factor: Tensor, side: int) -> Tensor:
        """Give the matrix (side, image's side) of the blur along one axis."""
        line = Blur(factor[:, None], self.boundary)
        basis = torch.eye(line.image_shape((side, side))[0], dtype=torch.float64)
        return line(basis[None, None])[0, 0]

    @property
    def _margin(self) -> Size:
        if self.boundary == "circular":
            return (0, 0)
        return (self.kernel.shape[0] // 2, self.kernel.shape[1] // 2)

    @property
    def _direct(self) -> bool:
        return self.boundary != "circular" and self.kernel.numel() <= DIRECT_TAPS

    def _grid(self, height: int, width: int) -> Size:
        if self.boundary == "circular":
            return (height, width)
        return (next_fast_len(height, real=True), next_fast_len(width, real=True))

    def _spectrum(self, grid: Size, like: Tensor) -> Tensor:
        dtype = torch.promote_types(like.dtype, torch.float32)
        key = (grid, dtype, like.device)
        if key in self._spectra:
            return self._spectra[key]
        # A tensor made in inference mode could never again take part in a gradient.
        with torch.inference_mode(False):
            kernel = embedded(self.kernel.to(like.device, dtype), grid)
            spectrum: Tensor = torch.fft.rfft2(kernel)
        if not self.kernel.requires_grad:  # a kernel that is being estimated changes between calls
            self._spectra[key] = spectrum
        return spectrum


def _require_sum(kernel: Tensor) -> None:
    if kernel.is_meta:
        return
    weights = kernel.detach().double()
    total, size = float(weights.sum()), float(weights.abs().sum())
    # A kernel of float32 that should sum to 0 does so up to its rounding.
    if not 1e-6 * size < abs(total) < math.inf:
        raise ValueError(
            f"kernel: its sum is {total:.3g}; pass finite weights that do not cancel, as of"
            " kernels.normalised"
        )


def _correlate(x: Tensor, kernel: Tensor) -> Tensor:
    channels = x.shape[1]
    weight = kernel.to(x).expand(channels, 1, *kernel.shape)
    return functional.conv2d(x, weight, groups=channels)
