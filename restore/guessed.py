"""Results whose kernel was estimated: what is wrong with it counts as noise.

How much that is, and whether what a camera does explains the photo or only a plain blur does, is
tried before: a restoration of few steps leaves a residual within a tenth of what the whole leaves.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from operators.exposure import Camera
from operators.noise import Noise
from restore import solvers
from restore.blind import Blind
from restore.preparation import OWN
from restore.result import Result
from restore.solvers import Solver

KERNEL_ERROR, PARTS_ERROR = 0.01, 0.02
"""Least noise of a photo whose kernel was estimated: with that of the photo alone a kernel's
errors become stripes. Kernels of parts are less certain, and between them blur is a mixture."""
STEPS = 6
"""Of a trial: fewer misjudge the chi-square of the whole."""
SAFE = 1.15
"""Chi-square of a trial from which on the whole might be refused."""
NEAR = 1.5
"""Up to here as much noise as a trial lacks made the whole consistent wherever it was tried."""


class Run(Protocol):
    """Restores the photo, wholly or as a trial."""

    def __call__(
        self, camera: Camera | None, noise: float | Noise | None, /, *, trial: bool = False
    ) -> Result:
        """By a camera's chain or a plain blur, with a noise on [0, 1]."""


class Plan(NamedTuple):
    """A camera or none, and the noise to restore with."""

    camera: Camera | None
    noise: float | Noise


def trial_options(options: dict[str, Any], solver: Solver) -> dict[str, Any]:
    """Those of a trial with the same prior, on the same device: few steps of dpir.

    solver: that of the whole; where it goes through dpir it does the trial, for who watches it.
    """
    own = {name: value for name, value in options.items() if name in OWN}
    if solvers.title(solver) == "tradeoff":
        steps = STEPS + STEPS // 4  # of five the last is not of dpir, and left out
        return {**own, "solver": solver, "steps": steps, "fidelity": 1.0}
    return {**own, "solver": "dpir", "steps": STEPS}


def with_estimate(
    found: Blind,
    noise: float | Noise | None,
    hidden: Mapping[Camera | None, float | None],
    run: Run,
) -> Result:
    """The result of an estimated kernel, whose errors count as noise where none is given.

    hidden: the cameras that come into question, the likeliest first, and the noise that the file
    hides by each. Of them the first is taken that explains the photo, else the last. Where the
    whole is refused nevertheless, it is done again with as much noise as it lacks.
    """
    seen = {one: replace(found, noise=max(found.noise, hidden[one] or 0)) for one in hidden}
    plan = _chosen(seen, noise, run)
    result = run(plan.camera, plan.noise)
    if noise is None and isinstance(plan.noise, float) and not result.accepted:
        result = run(plan.camera, _lacking(plan.noise, result))
    names = ("family", "parameters", "confidence", "noise")
    told = {name: getattr(seen[plan.camera], name) for name in names}
    report = {**result.report, "blur": {**told, **found.report}}
    return replace(result, kernel=found.kernel.cpu(), report=report)


def _chosen(seen: Mapping[Camera | None, Blind], noise: float | Noise | None, run: Run) -> Plan:
    *others, last = seen
    for camera in others:
        plan = _tried(camera, seen[camera], noise, run)
        if plan is not None:
            return plan
    if noise is not None:
        return Plan(last, noise)
    return _told(last, seen[last], run)[0]


def _tried(
    camera: Camera | None, found: Blind, noise: float | Noise | None, run: Run
) -> Plan | None:
    """The plan with a camera, if it explains the photo."""
    if noise is not None:
        plan, sure = Plan(camera, noise), False
    else:
        plan, sure = _told(camera, found, run)
    return plan if sure or run(*plan, trial=True).accepted else None


def _told(camera: Camera | None, found: Blind, run: Run) -> tuple[Plan, bool]:
    """The plan with a camera and the noise that there has to be; whether that surely explains."""
    least = max(found.noise, KERNEL_ERROR if found.kernel.ndim == 2 else PARTS_ERROR)
    result = run(camera, least, trial=True)
    if result.accepted and _chi_square(result) <= SAFE:
        return Plan(camera, least), True
    return Plan(camera, _lacking(least, result)), _chi_square(result) <= NEAR


def _lacking(noise: float, result: Result) -> float:
    """The noise that a residual says there was."""
    return noise * math.sqrt(_chi_square(result))


def _chi_square(result: Result) -> float:
    return float(max(result.report["certificate"]["chi_square"]))
