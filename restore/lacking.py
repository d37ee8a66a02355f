"""Restoring a photo whose noise nobody told, and again where the estimate explains too little.

A photo that was compressed in a way that it no longer shows, as WebP, or as a JPEG that was cropped
and saved again, has next to no noise of its own, but errors that are larger: restored as if it were
exact they become stripes. What a first picture leaves beyond the noise tells their size; as they
are smooth, they do more harm than as much noise, and more is allowed for. A wrong kernel leaves as
much; so the verdict stays that of the photo's own noise, and rejects both.
"""

import math
from typing import Any

from torch import Tensor

from operators.base import Operator
from operators.noise import Noise
from restore.preparation import noise_model
from restore.restorer import Restorer
from restore.result import Result
from restore.solvers.base import QUANTISATION

SMOOTH = 3.0
"""Times the noise of the same size that is allowed for."""


def with_noise(
    restorer: Restorer,
    y: Tensor,
    operator: Operator,
    noise: float | Noise | None,
    hidden: float | None,
    asked: dict[str, Any],
) -> Result:
    """The result with a noise, else with what the file hides, else with what is estimated, or, if
    the certificate finds that too little, with what there seems to be.

    asked: of `Restorer.stream`; judged by size alone, nothing is done again.
    """
    told = hidden if noise is None else noise
    result = restorer(y, operator, noise=told, **asked)
    if noise is not None or asked.get("by_size"):
        return result
    more, first = lacking(result), result.report
    if more is None:
        return result
    del result  # its pictures may be large
    own, _ = noise_model(told, y)
    again = restorer(y, operator, noise=more, judged_by=own, **asked)
    return again.after(first, more)


def lacking(result: Result) -> float | None:
    """The noise to allow for; None where a result leaves no more than its certificate supposes."""
    found = result.report["certificate"]
    chi_square, sigma = max(found["chi_square"]), max(found["sigma"], QUANTISATION)
    if chi_square <= found["band"][1]:
        return None
    return float(sigma * math.hypot(1, SMOOTH * math.sqrt(chi_square - 1)))
