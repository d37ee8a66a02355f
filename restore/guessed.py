"""Results whose kernel was estimated: what is wrong with it counts as noise."""

import math
from collections.abc import Callable
from dataclasses import replace

from operators.noise import Noise
from restore.blind import Blind
from restore.result import Result

KERNEL_ERROR = 0.01
"""Least noise of a photo whose kernel was estimated: with that of the photo alone a kernel's
errors become stripes."""


def with_estimate(
    found: Blind, noise: float | Noise | None, run: Callable[[float | Noise | None], Result]
) -> Result:
    """The result of an estimated kernel, whose errors count as noise where none is given."""
    least = max(found.noise, KERNEL_ERROR)
    result = run(least if noise is None else noise)
    certificate = result.report["certificate"]
    if noise is None and not result.accepted:
        least *= math.sqrt(max(certificate["chi_square"]))
        result = run(least)
    told = {name: getattr(found, name) for name in ("family", "parameters", "confidence", "noise")}
    report = {**result.report, "blur": {**told, **found.report}}
    return replace(result, kernel=found.kernel.cpu(), report=report)
