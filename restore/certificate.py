"""Does a restored picture explain the photo? Its residual must be as large as the noise.

    chi^2 = 1/m sum_i (y_i - A(x)_i)^2 / variance_i        over the m values that were measured

The true picture, and a draw from the exact posterior, have chi^2 = 1 +- sqrt(2 / m). A mean of the
posterior has less, for it leans towards y by an unknown number of degrees of freedom. The same
over parts of the photo tells where it is not explained: what moved by itself, burnt out, or lies
at another distance. Over parts of the frequencies it tells whether what is left is noise, which
has as much in each of them: a kernel that is nearly right leaves a residual of the right size, but
all of it where the photo has its edges and this kernel passes nothing. No picture explains power
there, so the parts are of like frequency and of like response. Of a blur the photo itself tells
more: kernels like the given one may be far likelier (`restore.blind.given`).
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from operators.base import Operator
from operators.linearised import expected, linearised, upright
from operators.measurement import Measurement
from restore.blind.given import Likelier, Pictured, likelier
from restore.solvers.base import QUANTISATION

CONSISTENT = "consistent with the photo"
UNEXPLAINED = "does not explain the photo: kernel, noise or mask may be wrong"
STRUCTURED = "does not explain the photo: what it leaves is not noise; the kernel may be wrong"
PARTLY = "does not explain {:.1%} of the photo: what was estimated may be wrong"
UNLIKELY = "does not explain the photo: its spectrum speaks against the kernel"
OVERFITTED = "follows the noise (over-fitted)"

_DEVIATIONS = 4.0
# How far a sigma that was estimated may be off.
_SIGMA_TOLERANCE = 0.1
_LEAST = 0.1
_PARTS, _PART_SIDE = 16, 16
# Frequencies of the first ring, around the lowest, each further one having as many as all before;
# and parts of a ring by the operator's response.
_FIRST, _RESPONSES = 64, 8
# Of the photo's power at a frequency, what solvers and autoencoders leave of it without any noise.
_LEFT = 4e-5
# Times as much as of noise there is of the rounding of a smooth picture, along its contours.
_CONTOURS = 1.7
# Share of parts that may be unexplained where the noise was taken from what an estimate leaves.
_UNEXPLAINED = 0.2
# Below one level of 8 bits no noise is seen, and following the photo to the letter is right.
_VISIBLE_SIGMA = 1 / 255


@dataclass(frozen=True)
class Certificate:
    """The verdict on each image of a batch.

    chi_square is the mean squared residual in units of the noise variance; band holds the lowest
    and the highest value that is accepted. Acceptance is necessary, not sufficient: a kernel that
    is too narrow, above all, leaves a picture that explains the photo and is not sharp. map holds
    the chi-square of each part of the measurement, rows from the top, at most 16 x 16 parts of at
    least 16 pixels, None where nothing was measured; unexplained is the share of parts above their
    band. structure is the chi-square of that part of the frequencies which exceeds most what is
    accepted of it, and this; None where the noise is not white, as in a JPEG. likelier: of a blur
    the likeliest kernel like that which was given; None where a photo does not tell of it. sigma:
    of the noise that is supposed, on [0, 1].
    """

    chi_square: list[float]
    band: tuple[float, float]
    accepted: list[bool]
    verdict: list[str]
    map: list[list[list[float | None]]]
    unexplained: list[float]
    structure: list[tuple[float, float] | None]
    likelier: list[Likelier | None]
    sigma: float

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as JSON-able values."""
        return {**asdict(self), "band": list(self.band)}


@torch.no_grad()
def certify(
    measurement: Measurement[Operator],
    x: Tensor,
    *,
    by_size: bool = False,
    removed: float = 0.0,
    pictured: Pictured | None = None,
) -> Certificate:
    """Judge restored pictures x (B, C, H, W) in [0, 1] against the measurement.

    The noise is taken as no smaller than the rounding of 8 bits. Values that do not depend on the
    picture, as under a mask, do not count. The upper end of the band is four standard deviations
    of the noise's chance plus a sigma that may be 10 % too small; the lower end is 0.1, and 0
    where sigma is below 1/255. by_size: to look at no more than the size of what is left, as where
    a kernel was estimated, whose errors count as noise, but are none; nor are those noise that lie
    in some parts alone, of which a fifth are accepted at most. removed: sigma of noise that may be
    gone: smooth errors as large are accepted. pictured: as for `likelier`. ValueError: x's shape.
    """
    _require_shape(x, measurement)
    chance, given, measurement = expected(measurement, x), measurement, linearised(measurement, x)
    clean = measurement.operator(x)
    variance = measurement.noise.variance(clean).clamp(min=QUANTISATION**2) + removed**2
    measured = _measured(measurement.operator, x)
    residual = (measurement.y - clean) / variance.sqrt() * measured
    squares, measured = residual.square(), chance * measured
    count = measured.flatten(1).sum(1).clamp(min=1)
    chi_square = (squares.flatten(1).sum(1) / count).tolist()
    lowest = _LEAST * (measurement.sigma >= _VISIBLE_SIGMA and not removed)
    band = (lowest, float(_highest(count.min())))
    parts, unexplained = _parts(*(upright(given, one) for one in (squares, measured)))
    white = not removed and (not isinstance(chance, Tensor) or chance.ndim == 0)
    nothing: list[Any] = [None] * len(x)
    sizes = (residual, clean, variance, count)
    structure = nothing if by_size or not white else _structures(measurement.operator, x, *sizes)
    others = nothing if by_size else likelier(given, pictured, changed=removed > 0)
    each = zip(chi_square, unexplained, structure, others, strict=True)
    judged = [_verdict(*one, band, _UNEXPLAINED if by_size else 1) for one in each]
    accepted = [one.startswith(CONSISTENT) for one in judged]
    found = (chi_square, band, accepted, judged, parts, unexplained, structure, others)
    return Certificate(*found, math.hypot(given.sigma, removed))


def _require_shape(x: Tensor, measurement: Measurement[Operator]) -> None:
    shape, wanted = tuple(x.shape), tuple(measurement.image_shape)
    if shape != wanted:
        raise ValueError(f"x: shape {shape}; the measurement is one of {wanted}")


def _highest(count: Tensor) -> Tensor:
    """The largest chi-square that is accepted, of so many values."""
    return (1 + _DEVIATIONS * (2 / count).sqrt()) * (1 + _SIGMA_TOLERANCE) ** 2


def _parts(squares: Tensor, measured: Tensor) -> tuple[list[list[list[float | None]]], list[float]]:
    """Chi-square of the parts of each image, and the share of those parts that exceed their band.

    squares, measured: (B, C, h, w).
    """
    height, width = squares.shape[2:]
    rows, columns = (max(1, min(_PARTS, side // _PART_SIDE)) for side in (height, width))
    grid = (rows, columns)
    size = height * width / (rows * columns)
    counts = size * adaptive_avg_pool2d(measured.sum(1), grid)
    parts = size * adaptive_avg_pool2d(squares.sum(1), grid) / counts.clamp(min=1)
    failed = (parts > _highest(counts.clamp(min=1))) & (counts >= 1)
    share = failed.flatten(1).sum(1) / (counts >= 1).flatten(1).sum(1).clamp(min=1)
    values = parts.masked_fill(counts < 1, math.nan).tolist()
    return [
        [[None if math.isnan(one) else round(one, 3) for one in row] for row in image]
        for image in values
    ], share.tolist()


def _structures(
    operator: Operator,
    x: Tensor,
    residual: Tensor,
    clean: Tensor,
    variance: Tensor,
    count: Tensor,
) -> list[tuple[float, float] | None]:
    """`_structure` of each image, where the noise is white; residual in units of the noise."""
    contrast = (clean - clean.mean((2, 3), keepdim=True)) / variance.sqrt() * (residual != 0)
    powers = (_power(one) for one in (residual, contrast, _response(operator, x)))
    found = [_structure(*each) for each in zip(*powers, count.cpu(), strict=True)]
    times = _CONTOURS if variance.max() < (1.2 * QUANTISATION) ** 2 else 1.0
    return [(left, times * most) for left, most in found]


def _structure(
    residual: Tensor, contrast: Tensor, response: Tensor, count: Tensor
) -> tuple[float, float]:
    """The chi-square of the part of the frequencies that exceeds most what is accepted, and this.

    residual, contrast, which may leave a share of its own, and response to a point: powers (h, w),
    those in units of the noise; count: of the values that were measured.
    """
    parts = _like(response).flatten()
    share = count / parts.numel()
    sizes = parts.bincount().clamp(min=1)
    left, allowed = (parts.bincount(one.flatten().double()) / sizes for one in (residual, contrast))
    found, most = left / (share + _LEFT * allowed), _highest(share * sizes)
    worst = (found / most).argmax()
    return float(found[worst]), float(most[worst])


def _like(response: Tensor) -> Tensor:
    """The part (h, w) that each frequency belongs to: rings, each split by the response."""
    height, width = response.shape
    down, right = (torch.fft.fftfreq(n, device=response.device) for n in (height, width))
    inside = torch.pi * (down[:, None] ** 2 + right**2) * response.numel() / _FIRST
    rings = inside.clamp(min=1).log2().ceil().long()
    parts = torch.zeros_like(rings)
    for ring in range(int(rings.max()) + 1):
        within = rings == ring
        values = response[within]
        splits = max(1, min(_RESPONSES, len(values) // _FIRST))
        some = values[:: max(1, len(values) // 10000)].sort().values
        edges = some[[len(some) * n // splits for n in range(1, splits)]]
        parts[within] = ring * _RESPONSES + torch.bucketize(values, edges, right=True)
    return parts


def _power(image: Tensor) -> Tensor:
    """Power (B, h, w) at each frequency, summed over channels."""
    spectra = (torch.fft.fft2(one, norm="ortho") for one in image.unbind(1))
    return torch.stack([one.abs().square() for one in spectra]).sum(0).cpu()


def _response(operator: Operator, x: Tensor) -> Tensor:
    """What a white point in the middle of the picture becomes."""
    point = torch.zeros_like(x)
    point[..., x.shape[2] // 2, x.shape[3] // 2] = 1
    return operator(point) - operator(torch.zeros_like(x))


def _verdict(
    chi_square: float,
    unexplained: float,
    structure: tuple[float, float] | None,
    other: Likelier | None,
    band: Sequence[float],
    most: float,
) -> str:
    if chi_square < band[0]:
        return OVERFITTED
    cure = other.cure() if other is not None else ""
    if not chi_square <= band[1]:
        return UNEXPLAINED + cure
    if unexplained > most:
        return PARTLY.format(unexplained)
    if structure is not None and structure[0] > structure[1]:
        return STRUCTURED + cure
    if other is not None and other.far:
        return UNLIKELY + cure
    return f"{CONSISTENT}, but for {unexplained:.1%} of it" if unexplained else CONSISTENT


def _measured(operator: Operator, x: Tensor) -> Tensor:
    """Tell which values of a measurement depend on the picture: the response to another one."""
    generator = torch.Generator().manual_seed(0)
    probe = 0.5 + torch.rand(x.shape[1:], generator=generator) / 2
    response = operator(probe.to(x).expand_as(x)).abs()
    # Blurs by FFT leave rounding errors, not zeros, in the middle of a hole.
    return (response > 1e-5 * response.max()).to(x)
