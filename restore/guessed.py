"""Results of blur by what had to be guessed: the camera, and the noise that a kernel's errors are.

Whether light was blurred, as a camera does it, or the coded values, as programs do, is decided by
trials, restorations of few steps, where the file does not tell: taken is what makes photo and
picture likeliest, the one by chi-square, the other by the prior (`restore.improbable`). What is
wrong with an estimated kernel counts as noise. How much that is, is told by the trial's residual,
which is within a tenth of what the whole leaves.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple, Protocol

from operators.exposure import Camera
from operators.noise import Noise
from restore import solvers
from restore.blind import Blind
from restore.certificate import by_size
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
LEAST = 0.2
"""Chi-square of a trial below which there is less noise: at half of it the whole would be taken to
follow the noise."""

Cost = Callable[[Result], float]
"""Nats a value by which the prior finds a result improbable."""


class Run(Protocol):
    """Restores the photo, wholly or as a trial."""

    def __call__(
        self, camera: Camera | None, noise: float | Noise | None, /, *, trial: bool = False
    ) -> Result:
        """By a camera's chain or a plain blur, with a noise on [0, 1]."""


class Trial(NamedTuple):
    """A camera or none, the result of few steps, and the nats of each that was compared with it."""

    camera: Camera | None
    result: Result
    compared: dict[str, float]

    @property
    def chi_square(self) -> float:
        """Of what the result leaves."""
        return _chi_square(self.result)


class Plan(NamedTuple):
    """A camera or none, the noise to restore with, and the trial that says so."""

    camera: Camera | None
    noise: float | Noise
    compared: dict[str, float]


def trial_options(options: dict[str, Any], solver: Solver) -> dict[str, Any]:
    """Those of a trial with the same prior, on the same device: few steps of dpir.

    solver: that of the whole; where it goes through dpir it does the trial, for who watches it.
    """
    own = {name: value for name, value in options.items() if name in OWN}
    if solvers.title(solver) == "tradeoff":
        steps = STEPS + STEPS // 4  # of five the last is not of dpir, and left out
        return {**own, "solver": solver, "steps": steps, "fidelity": 1.0}
    return {**own, "solver": "dpir", "steps": STEPS}


def with_kernel(
    noise: float | Noise | None, hidden: Mapping[Camera | None, float | None], run: Run, cost: Cost
) -> Result:
    """The result of a known kernel by the likeliest camera; arguments as of `with_estimate`."""
    first, *_ = rounds(hidden)
    if len(first) == 1:
        return run(first[0], noise)
    best = _best(first, noise, run, cost)
    return _compared(run(best.camera, noise), best.compared)


def with_estimate(
    found: Blind,
    noise: float | Noise | None,
    hidden: Mapping[Camera | None, float | None],
    run: Run,
    cost: Cost,
) -> Result:
    """The result of an estimated kernel, whose errors count as noise where none is given.

    hidden: the cameras that come into question, and the noise that the file hides by each. Of those
    by the file's JPEG the likeliest is taken if it explains the photo, else the likeliest of the
    others. Where the whole is refused nevertheless, it is done again with the noise that it lacks.
    """
    seen = {one: replace(found, noise=max(found.noise, hidden[one] or 0)) for one in hidden}
    plan = _chosen(seen, noise, run, cost)
    result = run(plan.camera, plan.noise)
    if noise is None and isinstance(plan.noise, float) and not result.accepted:
        result = run(plan.camera, _fitting(plan.noise, result))
    names = ("family", "parameters", "confidence", "noise")
    told = {name: getattr(seen[plan.camera], name) for name in names}
    judged = by_size(result.report["certificate"])
    report = {**result.report, "certificate": judged, "blur": {**told, **found.report}}
    return _compared(replace(result, kernel=found.kernel.cpu(), report=report), plan.compared)


def rounds(cameras: Mapping[Camera | None, Any]) -> list[list[Camera | None]]:
    """Cameras that can be compared with each other, in order: those of one compression."""
    return [list(group) for _, group in groupby(cameras, lambda one: bool(one and one.jpeg))]


def _chosen(
    seen: Mapping[Camera | None, Blind], noise: float | Noise | None, run: Run, cost: Cost
) -> Plan:
    *others, last = rounds(seen)
    for cameras in others:
        plan, explains = _told(cameras, seen[cameras[0]], noise, run, cost)
        if explains or (noise is None and run(plan.camera, plan.noise, trial=True).accepted):
            return plan
    if noise is not None and len(last) == 1:
        return Plan(last[0], noise, {})
    return _told(last, seen[last[0]], noise, run, cost)[0]


def _told(
    cameras: Sequence[Camera | None],
    found: Blind,
    noise: float | Noise | None,
    run: Run,
    cost: Cost,
) -> tuple[Plan, bool]:
    """The plan with the best of some cameras and the noise that there has to be; whether that
    surely explains the photo."""
    if noise is not None:
        best = _best(cameras, noise, run, cost)
        return Plan(best.camera, noise, best.compared), best.result.accepted
    least = max(found.noise, KERNEL_ERROR if found.kernel.ndim == 2 else PARTS_ERROR)
    best = _best(cameras, least, run, cost)
    if best.result.accepted and LEAST <= best.chi_square <= SAFE:
        return Plan(best.camera, least, best.compared), True
    fitting = _fitting(least, best.result)
    return Plan(best.camera, fitting, best.compared), best.chi_square <= NEAR


def _best(
    cameras: Sequence[Camera | None], noise: float | Noise | None, run: Run, cost: Cost
) -> Trial:
    """The trial with the camera that makes photo and picture likeliest; ties for the first."""
    results = [run(camera, noise, trial=True) for camera in cameras]
    if len(results) == 1:
        return Trial(cameras[0], results[0], {})
    nats = [_chi_square(result) / 2 + cost(result) for result in results]
    best = min(range(len(nats)), key=nats.__getitem__)
    compared = dict(zip(map(_title, cameras), nats, strict=True))
    return Trial(cameras[best], results[best], compared)


def _title(camera: Camera | None) -> str:
    if camera is None:
        return "none"
    return ("srgb" if camera.curve else "values") + (" and jpeg" if camera.jpeg else "")


def _compared(result: Result, compared: dict[str, float]) -> Result:
    """The result, with the nats of the cameras that were compared, if any were, in its report."""
    if not compared:
        return result
    return replace(result, report={**result.report, "camera_trials": compared})


def _fitting(noise: float, result: Result) -> float:
    """The noise that a residual says there was, of which LEAST may be left."""
    chi_square = _chi_square(result)
    return noise * math.sqrt(chi_square if chi_square > 1 else min(chi_square / LEAST, 1))


def _chi_square(result: Result) -> float:
    return float(max(result.report["certificate"]["chi_square"]))
