"""What was found of a blur, or that there is none."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from restore.blind.averaged import correlation
from restore.blind.families import FAMILIES, Candidate
from restore.blind.free import centred

_CLEAR = 30.0  # nats


class NotBlurred(ValueError):
    """The photo is as sharp as its pixels; the message says how that shows.

    likeliest: the blur if there is some, None where none is likelier than no blur.
    """

    likeliest: "Blind | None" = None


@dataclass(frozen=True, eq=False)
class Blind:
    """A kernel (kh, kw) that was estimated: odd, centred, non-negative, of sum one.

    family: "motion", "disk", "gaussian" or "free", or "varying" for kernels (R, C, kh, kw) of equal
    parts; parameters: its "length" and "angle", "radius" or "sigma", in pixels and degrees, none
    for a free kernel. noise: standard deviation of the photo's noise on [0, 1]. confidence: in
    [0, 1], the middle correlation with the other free estimates, times 1 - exp(-evidence / 30).
    report: the evidence for every candidate, in nats above no blur, "exact", how many of them say
    that nothing is left of what the kernel takes away, the window (top, left, height, width) that
    was looked at, and by how much it was reduced for that. rivals: the best of other families that
    have nearly as much evidence. light: whether it was light that was blurred, not the values that
    it is coded as. changed: whether weak detail was changed since (`restore.blind.changed`); strong
    detail alone tells it.
    whole: the likeliest by all detail, as if nothing was changed; of light, of values, or of both.
    """

    kernel: Tensor
    family: str
    parameters: dict[str, float]
    noise: float
    confidence: float
    report: dict[str, Any]
    rivals: tuple["Blind", ...] = ()
    light: bool = False
    changed: bool = False
    whole: tuple["Blind", ...] = ()

    @property
    def own(self) -> float:
        """Nats of the best of its family above no blur."""
        named = [v for name, v in self.report["evidence"].items() if name.startswith(self.family)]
        return float(max(named, default=0))

    @property
    def gain(self) -> float:
        """Nats of the most likely candidate above no blur."""
        return float(max(self.report["evidence"].values(), default=0))


def blind(
    ones: list[Candidate],
    found: list[Candidate],
    noise: float,
    more: dict[str, Any],
    *,
    changed: bool = False,
) -> Blind:
    """The first of some candidates, the others its rivals, of all that were found; more: for the
    report."""
    evidence = {_title(one): one.evidence for one in found}
    report = {"evidence": evidence, **more, "reduction": 1}

    def told(one: Candidate) -> Blind:
        sure = confidence(one, found)
        return Blind(one.kernel, one.family, _named(one), noise, sure, report, changed=changed)

    likeliest, *rivals = map(told, ones)
    return replace(likeliest, rivals=tuple(rivals))


def confidence(best: Candidate, found: list[Candidate]) -> float:
    """Give how far free estimates agree with the best, and how clear it is that there is blur."""
    others = [one.kernel for one in found if one.family == "free" and one is not best]
    alike = sorted(correlation(best.kernel, other) for other in others)
    agreement = (alike[len(alike) // 2] + alike[(len(alike) - 1) // 2]) / 2 if alike else 1.0
    return min(agreement, 1.0) * (1 - math.exp(-best.evidence / _CLEAR))


def _named(one: Candidate) -> dict[str, float]:
    if one.family == "free":
        return {}
    return dict(zip(FAMILIES[one.family].names, one.parameters, strict=True))


def _title(one: Candidate) -> str:
    return one.family + ":" + (",".join(f"{p:.4g}" for p in one.parameters) or "mean")


def enlarged(found: Blind) -> Blind:
    """Give what was found at half the size as of the whole, its rivals as well."""
    parameters = {name: v if name == "angle" else 2 * v for name, v in found.parameters.items()}
    if found.family in FAMILIES:
        kernel = FAMILIES[found.family].draw(*parameters.values())
    else:
        size = 2 * len(found.kernel)
        wide = torch.nn.functional.interpolate(
            found.kernel[None, None], (size, size), mode="bilinear"
        )
        # The mean of four neighbours: a grid of an odd side again, with the same centre.
        kernel = centred(torch.nn.functional.avg_pool2d(wide, 2, 1, padding=1)[0, 0])
    window = tuple(2 * pixels for pixels in found.report["window"])
    report = {**found.report, "window": window, "reduction": 2}
    rivals = tuple(map(enlarged, found.rivals))
    return replace(
        found, kernel=kernel, parameters=parameters, report=report, rivals=rivals, whole=()
    )
