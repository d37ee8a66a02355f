"""Whether a photo was enlarged by interpolation, from its pixels, and what it was enlarged from.

    y = E_rows x E_columns^T      `restore.interpolation`

Such a photo is not blurred as a camera blurs: beyond the frequencies of x it holds mirrored ones,
which deblurring would sharpen into stripes. Two signs, along rows and columns alike:

  periods     second differences of interpolated pixels are large and small with the factor's period
              (Gallagher, "Detection of linear and cubic interpolation in JPEG compressed images",
              Canadian Conference on Computer and Robot Vision 2005); their spectrum names factors.
  range       what of y no x explains, as the least squares leave it, is little for the right
              phase and much more for wrong ones. Of what is blurred or noisy all leave as much.
"""

import math
from fractions import Fraction
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.resize import Filter, Resize
from restore.blind.seen import window_of
from restore.interpolation import FILTERS, Axis, needed

FACTORS = (2.0, 3.0, 4.0, 1.5, 8.0)
"""Tried always: of 2 and 4 the periods tell little, nor of any in the blocks of a JPEG."""
LEAST_SIDE = 96
"""Pixels a side of photos that are looked at."""
SHORT, LONG, LINES = 128, 192, 384
"""Of the parts that are explained: pixels along an axis, and lines of them."""
MIDDLE = 1024
"""Lines of a photo that are looked through."""
_DOUBT = 0.8  # of the evidence in a short part
_CLOSE, _ALIKE, _AS_MUCH, _AS_FAR = 0.02, 0.01, 0.95, 1.2
_PEAKS, _AROUND, _LEAST_FREQUENCY = 3, 31, 0.1
_ROUNDING = 0.05 / 255  # a difference below it tells nothing
_RIDGE = 1e-4
_DENOMINATOR, _PHASES = 4, 8
_FIRST = ("bilinear", "nearest")  # one of them tells of any other, too


class Enlargement(NamedTuple):
    """How a photo of height and width `image` was enlarged, along its columns and its rows."""

    down: Axis
    right: Axis
    image: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what it was made from."""
        return self.down.side(self.image[0]), self.right.side(self.image[1])

    @property
    def told(self) -> dict[str, Any]:
        """JSON-able: the factors of width and height, the filter, the size [w, h] before."""
        factors = [round(self.right.factor, 4), round(self.down.factor, 4)]
        return {"factors": factors, "filter": self.right.filter, "size": [*reversed(self.size)]}

    def shrinking(self, times: int, filter: Filter) -> Resize:
        """What makes that of a picture whose sides are `times` the photo's."""
        height, width = (times * side for side in self.image)
        factors = times * self.down.factor, times * self.right.factor
        offsets = times * self.down.start, times * self.right.start
        return Resize((height, width), self.size, filter, factors, offsets)

    def done(self, pixels: Tensor) -> Tensor:
        """Enlarge others (..., h, w) like it."""
        rows, columns = map(_whole, self._matrices(pixels))
        return (rows @ pixels.double() @ columns.mT).to(pixels)

    def undone(self, pixels: Tensor) -> Tensor:
        """What its pixels (..., H, W) were made from, by least squares."""
        rows, columns = map(_inverse, self._matrices(pixels))
        return (rows @ pixels.double() @ columns.mT).to(pixels)

    def _matrices(self, like: Tensor) -> tuple[Tensor, Tensor]:
        down, right = (
            axis.matrix(side).to(like.device)
            for axis, side in zip((self.down, self.right), self.image, strict=True)
        )
        return down, right


def _whole(e: Tensor) -> Tensor:
    """With pixels that lie halfway, of which E tells nothing, as those before them."""
    return torch.where(e.sum(1, keepdim=True) == 0, e.roll(1, 0), e)


def _inverse(e: Tensor) -> Tensor:
    found: Tensor = torch.linalg.solve(e.mT @ e + _RIDGE * torch.eye(e.shape[1]).to(e), e.mT)
    return found


def enlargement(pixels: Tensor) -> Enlargement | None:
    """How a photo (1, C, H, W) in [0, 1] was enlarged; None where it was not, or does not show it.

    Between 1.1 and 10 times, by the filters of `FILTERS`, its pixels as they are or compressed
    little since; sides of at least 96 pixels.
    """
    if min(pixels.shape[2:]) < LEAST_SIDE:
        return None
    right = _axis(_middle(pixels))
    if right.evidence < 1:
        return None
    down = _axis(_middle(pixels.mT))
    if down.evidence < 1 or abs(down.factor / right.factor - 1) > _ALIKE:
        return None
    return Enlargement(down, right, (pixels.shape[2], pixels.shape[3]))


def _middle(pixels: Tensor) -> Tensor:
    """The lines in the middle of a photo (1, C, H, W), whole, as one plane."""
    skipped = max(0, pixels.shape[2] - MIDDLE) // 2
    return pixels[0, :, skipped : skipped + MIDDLE].double().mean(0).cpu()


def _axis(plane: Tensor) -> Axis:
    """The likeliest along the rows of a plane (H, W): found in a short part, sure of a long one."""
    short, long = _part(plane, SHORT), _part(plane, LONG)
    seen = [_seen(*short, factor, name) for factor in _factors(plane) for name in _FIRST]
    near = _apart(sorted(seen, reverse=True))
    if near[0].evidence < _DOUBT:
        return near[0]
    factors = [one.factor for one in near]
    factors += [k * one.factor for one in near if one.filter == "nearest" for k in (2, 3)]
    close = sorted({each for one in factors for each in _close(one, plane.shape[1])})
    sure = [_seen(*long, factor, name) for factor in close for name in FILTERS]
    best = max(sure)
    if best.filter == "nearest":
        # Every other pixel twice is what a factor of 3 / 2 gives as well as one of 3, or 3.01.
        alike = [one for one in sure if one.filter == "nearest"]
        return max(alike, key=lambda one: (one.evidence**_AS_FAR >= best.evidence, *_simple(one)))
    same = [one for one in sure if one.factor == best.factor]
    return next(one for one in same if one.evidence >= _AS_MUCH * best.evidence)


def _simple(one: Axis) -> tuple[bool, float]:
    return len(_offsets(one.factor)) != _PHASES, one.factor


def _apart(seen: list[Axis]) -> list[Axis]:
    """The first two whose factors are no neighbours."""
    first = seen[0].factor
    return [seen[0], *[one for one in seen if abs(one.factor / first - 1) > _CLOSE][:1]]


def _close(factor: float, count: int) -> set[float]:
    """Itself, of whole sides of the whole of `count` pixels, and of simple ratios."""
    sides = [round(count / factor) + k for k in (-1, 0, 1)]
    others = {count / side for side in sides} | {round(_DENOMINATOR * factor) / _DENOMINATOR}
    return {factor, *(one for one in others if one > 1 and abs(one / factor - 1) < _CLOSE)}


def _part(plane: Tensor, side: int) -> tuple[Tensor, int]:
    """Of columns of a plane (H, W) where edges are strongest: means of products, (side, side), of
    each two over lines; and the first column."""
    top, left = window_of(plane.float(), side)
    top = max(min(top, plane.shape[0] - LINES), 0)
    part = plane[top : top + LINES, left : left + side]
    return part.T @ part / len(part), left


def _seen(products: Tensor, start: int, factor: float, name: str) -> Axis:
    """By a factor and a filter: the phase that leaves least of a part that starts at a column."""
    offsets = _offsets(factor)
    each = [Axis(0, factor, name, start + offset) for offset in offsets]
    rests = [one.left(products) + _ROUNDING for one in each]
    least = min(rests)
    others = sorted(rest for rest in rests if least < rest < math.inf)
    contrast = others[len(others) // 2] / least if others else 0.0
    return Axis(contrast / needed(factor), factor, name, offsets[rests.index(least)])


def _offsets(factor: float) -> list[float]:
    """The phases at which whole pixels can have been cropped."""
    ratio = Fraction(factor).limit_denominator(_DENOMINATOR)
    if abs(ratio - Fraction(factor)) < 1e-9:
        return [k / ratio.denominator for k in range(ratio.numerator)]
    return [k * factor / _PHASES for k in range(_PHASES)]


def _factors(plane: Tensor) -> list[float]:
    """Those that are tried: some always, others by the periods of second differences along rows."""
    count = plane.shape[1]
    rough = torch.log(plane.diff(n=2, dim=1).abs().mean(0) + _ROUNDING)
    smooth = torch.nn.functional.avg_pool1d(
        torch.nn.functional.pad(rough[None], (_AROUND // 2,) * 2, mode="replicate"), _AROUND, 1
    )[0]
    power = torch.fft.rfft((rough - smooth) * torch.hann_window(len(rough)).double()).abs()
    first = round(_LEAST_FREQUENCY * len(rough))
    found = set(FACTORS)
    for place in power[first:].topk(_PEAKS).indices.tolist():
        period = len(rough) / (first + place)
        for factor in (period, period / (period - 1)):
            found |= {count / (round(count / factor) + k) for k in (-1, 0, 1)}
    return [factor for factor in found if factor > 1]
