"""What bins, of a JPEG file or of few levels, say of a picture that is known to some extent.

A value of the picture, or a coefficient, is taken as normal about that of an estimate; that it was
rounded into a bin makes it a truncated normal, whose mean and variance are met by a normal
likelihood, other for every value and estimate. Of a bin that is far wider than the estimate is
wrong, as of most coefficients that were rounded to 0, it says nothing; of a narrow one it has the
centre and step^2 / 12.
"""

import torch
from torch import Tensor

from operators.coefficients import Coefficients
from operators.rounding import inside

NOISE, WIDER, FIRM, LEAST = 0.5, 4.0, 4.0, 1e-4
"""Measured on photos: of the error of a decoded file the share down to which it is denoised; how
many times wider than the picture its coefficients spread, as a denoiser errs in what was lost; how
many times what bins say counts, as it is no noise; and the least by which it is something."""
FEW, ALIKE = 6, 0.25
"""Bits up to which levels are bins; and how many times what they say counts, as the errors of
neighbours are alike where a picture is smooth. Measured on photos of 2 to 5 bits."""


def within(
    file: Coefficients, sigma: float | Tensor, y: Tensor, found: Tensor, spread: float
) -> tuple[Tensor, Tensor]:
    """Give values and their variance, by which the bins of y pull a picture's coefficients `found`.

    sigma: noise before the rounding; spread: of the picture, both on [0, 1]. Blocks that the border
    cuts have no bins, but what is lost of them is taken to be as in others.
    """
    early = before(file, sigma, y).square()
    supposed = file.deviations(WIDER * spread, y).square() + early
    read, half = file.read(y), file.steps(y) / 2
    values, variance = _pulled(found, supposed.expand_as(found), read - half, read + half)
    return values, (variance + early) / FIRM


def among(
    bits: int, sigma: float, y: Tensor, found: Tensor, spread: float
) -> tuple[Tensor, Tensor]:
    """Give values and their variance, by which the levels y pull a picture's values `found`.

    sigma: noise and rounding; spread: of the picture, both on [0, 1]. Black and white have no ends.
    """
    half = 0.5 / ((1 << bits) - 1)
    early = max(sigma**2 - half**2 / 3, 0.0)
    low = (y - half).masked_fill(y <= 0, -torch.inf)
    high = (y + half).masked_fill(y >= 1, torch.inf)
    values, variance = _pulled(found, torch.full_like(found, spread**2 + early), low, high)
    return values, (variance + early) / ALIKE


def _pulled(c: Tensor, square: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the likelihood that makes N(c, square) what it is within the bounds."""
    values, variance = torch.empty_like(c), torch.empty_like(c)
    for plane in range(c.shape[1]):  # one by one: the quadrature takes many times their memory
        here, supposed = c[:, plane], square[:, plane]
        mean, left = inside(here, supposed.sqrt(), low[:, plane], high[:, plane])
        share = (left / supposed).clamp_(max=1 - LEAST)
        values[:, plane] = here + (mean - here) / (1 - share)
        variance[:, plane] = supposed * share / (1 - share)
    return values, variance


def before(file: Coefficients, sigma: float | Tensor, y: Tensor) -> Tensor:
    """Give the spread of coefficients before rounding: noise, and the planes' whole levels."""
    return (file.deviations(sigma, y).square() + 1 / (12 * 255**2)).sqrt()


def bounds(
    file: Coefficients, sigma: float | Tensor, y: Tensor, reach: float
) -> tuple[Tensor, Tensor]:
    """Give the bounds of the bins, wider by so many deviations of what came before the rounding."""
    margin = reach * before(file, sigma, y)
    low, high = file.interval(y)
    return low - margin, high + margin


def weights(file: Coefficients, sigma: float | Tensor, y: Tensor) -> tuple[Tensor, float]:
    """Give what makes the errors of all coefficients as large as one noise of pixels, and that
    noise.
    """
    unit, spread = file.deviations(1.0, y), before(file, sigma, y)
    steps = file.steps(y)
    variance = (spread.square() + steps.square() / 12) / unit[:, :1].square()
    known = (steps > 0).expand_as(variance)
    noise = float((known / variance).sum() / known.sum()) ** -0.5
    return noise / variance.sqrt() / unit[:, :1] * known, noise
