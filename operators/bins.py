"""What the bins of a JPEG file say of a picture that is known to some extent.

A coefficient of the picture is taken as normal about that of an estimate; that it was rounded into
a bin makes it a truncated normal, whose mean and variance are met by a normal likelihood, other for
every coefficient and estimate. Of a bin that is far wider than the estimate is wrong, as of most
that were rounded to 0, it says nothing; of a narrow one it has the centre and step^2 / 12.
"""

import torch
from torch import Tensor

from operators.coefficients import Coefficients
from operators.rounding import inside

NOISE, WIDER, FIRM, LEAST = 0.5, 4.0, 4.0, 1e-4
"""Measured on photos: of the error of a decoded file the share down to which it is denoised; how
many times wider than the picture its coefficients spread, as a denoiser errs in what was lost; how
many times what bins say counts, as it is no noise; and the least by which it is something."""


def within(
    file: Coefficients, sigma: float, y: Tensor, found: Tensor, spread: float
) -> tuple[Tensor, Tensor]:
    """Give values and their variance, by which the bins of y pull a picture's coefficients `found`.

    sigma: noise before the rounding; spread: of the picture, both on [0, 1]. Blocks that the border
    cuts have no bins, but what is lost of them is taken to be as in others.
    """
    early = before(file, sigma, y).square()
    supposed = file.deviations(WIDER * spread, y).square() + early
    read, half = file.read(y), file.steps(y) / 2
    values, variance = torch.empty_like(found), torch.empty_like(found)
    for plane in range(found.shape[1]):  # one by one: the quadrature takes many times their memory
        c, middle, reach = (each[:, plane] for each in (found, read, half))
        square = supposed[:, plane]
        mean, left = inside(c, square.sqrt(), middle - reach, middle + reach)
        share = (left / square).clamp_(max=1 - LEAST)
        values[:, plane] = c + (mean - c) / (1 - share)
        variance[:, plane] = (square * share / (1 - share) + early[:, plane]) / FIRM
    return values, variance


def before(file: Coefficients, sigma: float, y: Tensor) -> Tensor:
    """Give the spread of coefficients before rounding: noise, and the planes' whole levels."""
    return (file.deviations(sigma, y).square() + 1 / (12 * 255**2)).sqrt()
