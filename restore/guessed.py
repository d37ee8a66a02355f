"""Results of blur by what had to be guessed: camera, kernel, and the noise that its errors are.

Whether light was blurred, as a camera does it, or the coded values, as programs do, is decided by
trials, restorations of few steps, where the file does not tell: taken is what makes photo and
picture likeliest, the one by chi-square, the other by the prior (`restore.improbable`). Of kernels
estimated of light and of values (`restore.blurred`), and of several families, by chi-square, and
by evidence where several explain the photo. What is wrong with an estimated kernel counts as noise.
How much that is, is told by the trial's residual, which is within a tenth of what the whole leaves.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple, Protocol

from operators.exposure import Camera
from operators.noise import Noise
from restore.blind import Blind, Unknowable
from restore.improbable import TRIAL
from restore.lacking import lacking
from restore.preparation import OWN
from restore.result import Result

KERNEL_ERROR, PARTS_ERROR = 0.01, 0.02
"""Least noise of a photo whose kernel was estimated: with that of the photo alone its errors become
stripes. Kernels of parts are less certain, and between them blur is a mixture."""
SAFE, NEAR = 1.15, 1.5
"""Chi-square of a trial from which on the whole might be refused; and up to which as much noise as
it lacks made the whole consistent wherever it was tried."""
LOST = 3.0
"""Times the least noise from which on a kernel explains nothing: sharp print was taken for blur."""
LEAST = 0.2
"""Chi-square of a trial below which there is less noise: with half of it the whole is refused."""
TOLD = ("family", "parameters", "confidence", "noise", "light")
FOLLOWED, ALIKE = 0.9, 1.05
"""Chi-square below which a trial follows the noise, which makes no kernel likelier; and up to how
many times the least, or that, a kernel explains the photo as well."""

Cost = Callable[[Result], float]
"""Nats a value by which the prior finds a result improbable."""


class Guess(NamedTuple):
    """A camera, or none for a plain blur, and the estimate of the blur, none if it is known."""

    camera: Camera | None
    blur: Blind | None = None

    @property
    def family(self) -> str:
        """Of the estimate."""
        return "" if self.blur is None else self.blur.family

    @property
    def gain(self) -> float:
        """Nats of evidence for the estimate of light, or of values."""
        return 0.0 if self.blur is None else self.blur.gain


class Run(Protocol):
    """Restores the photo, wholly or as a trial."""

    def __call__(
        self, guess: Guess, noise: float | Noise | None, /, *, trial: bool = False
    ) -> Result:
        """By a guess, with a noise on [0, 1]."""


class Trial(NamedTuple):
    """A guess, the result of few steps, and what was compared, for the report."""

    guess: Guess
    result: Result
    compared: dict[str, dict[str, float]]

    @property
    def chi_square(self) -> float:
        """Of what the result leaves."""
        return _chi_square(self.result)


class Plan(NamedTuple):
    """A guess, the noise to restore with, and the trial that says so."""

    guess: Guess
    noise: float | Noise
    compared: dict[str, dict[str, float]]


def trial_options(options: dict[str, Any]) -> dict[str, Any]:
    """Those of a trial with the same prior, on the same device: few steps of dpir."""
    own = {name: value for name, value in options.items() if name in OWN}
    return {**own, **TRIAL, "solver": "dpir"}


def with_kernel(
    noise: float | Noise | None, hidden: Mapping[Camera | None, float | None], run: Run, cost: Cost
) -> Result:
    """The result of a known kernel by the likeliest camera; arguments as of `with_estimate`."""
    guesses = [Guess(camera) for camera in rounds(hidden)[0]]
    if len(guesses) == 1:
        return run(guesses[0], noise)
    best = _best(guesses, noise, run, cost)
    if noise is None and (more := lacking(best.result)):  # else only errors would be compared
        best = _best(guesses, more, run, cost)
    result = run(best.guess, noise)
    return replace(result, report=result.report | best.compared)


def with_estimate(
    found: Sequence[Blind],
    noise: float | Noise | None,
    hidden: Mapping[Camera | None, float | None],
    run: Run,
    cost: Cost,
) -> Result:
    """The result of an estimated kernel, whose errors count as noise where none is given.

    found: of light, of values, or of both, the likelier first, with their rivals, which are tried
    as well. hidden: the cameras that come into question, and the noise that the file hides by each;
    each is tried with what was found of what it blurs. Of those by the file's JPEG the likeliest is
    taken if it explains the photo, else the likeliest of the others. Where the whole is refused
    nevertheless, it is done again with the noise that it lacks. Unknowable where none explains it.
    """
    plan = _chosen(found, noise, hidden, run, cost)
    if noise is None and not _explained(plan):
        raise Unknowable(
            f"image: the likeliest blur, {plan.guess.family}, leaves {plan.noise:.3f} of the range"
            " unexplained; if there is another, say which by its kernel"
        )
    result = run(plan.guess, plan.noise)
    if noise is None and isinstance(plan.noise, float) and not result.accepted:
        result = run(plan.guess, _fitting(plan.noise, result))
    blur = plan.guess.blur or found[0]
    told = {name: getattr(blur, name) for name in TOLD}
    report = {**result.report, "blur": {**told, **blur.report}}
    return replace(result, kernel=blur.kernel.cpu(), report=report | plan.compared)


def rounds(cameras: Mapping[Camera | None, Any]) -> list[list[Camera | None]]:
    """Cameras that can be compared with each other, in order: those of one compression."""
    return [list(group) for _, group in groupby(cameras, lambda one: bool(one and one.jpeg))]


def _chosen(
    found: Sequence[Blind],
    noise: float | Noise | None,
    hidden: Mapping[Camera | None, float | None],
    run: Run,
    cost: Cost,
) -> Plan:
    every = (
        [
            Guess(one, replace(blur, noise=max(blur.noise, hidden[one] or 0), rivals=()))
            for one in cameras
            for likeliest in found
            if likeliest.light == bool(one and one.curve)
            for blur in (likeliest, *likeliest.rivals)
        ]
        for cameras in rounds(hidden)
    )
    *others, last = filter(None, every)
    for guesses in others:
        plan, explains = _told(guesses, noise, run, cost)
        unsure = noise is None and not explains and _explained(plan)
        if explains or (unsure and run(plan.guess, plan.noise, trial=True).accepted):
            return plan
    if noise is not None and len(last) == 1:
        return Plan(last[0], noise, {})
    return _told(last, noise, run, cost)[0]


def _told(
    guesses: Sequence[Guess], noise: float | Noise | None, run: Run, cost: Cost
) -> tuple[Plan, bool]:
    """The plan with the best guess and the noise there has to be; whether it surely will do."""
    if noise is not None:
        best = _best(guesses, noise, run, cost)
        return Plan(best.guess, noise, best.compared), best.result.accepted
    least = max(_least(guess) for guess in guesses)
    best = _best(guesses, least, run, cost)
    if best.result.accepted and LEAST <= best.chi_square <= SAFE:
        return Plan(best.guess, least, best.compared), True
    plan = Plan(best.guess, _fitting(least, best.result), best.compared)
    return plan, best.chi_square <= NEAR


def _explained(plan: Plan) -> bool:
    """Whether what its kernel leaves may be noise and its own errors."""
    return not isinstance(plan.noise, float) or plan.noise <= LOST * _least(plan.guess)


def _least(guess: Guess) -> float:
    """The noise that a photo has at least, with what is wrong with an estimate."""
    if guess.blur is None:
        return KERNEL_ERROR
    return max(guess.blur.noise, KERNEL_ERROR if guess.blur.kernel.ndim == 2 else PARTS_ERROR)


def _best(guesses: Sequence[Guess], noise: float | Noise | None, run: Run, cost: Cost) -> Trial:
    """The trial with the best guess; ties for the first.

    Of cameras with a known kernel that which makes photo and picture likeliest. The prior prefers
    kernels that sharpen less: of estimates for a camera that explain the photo about as well as any
    the first is taken, of most evidence, and of those for several the one of most; a free one,
    whose many weights follow noise, only where no other does.
    """
    trials = [Trial(guess, run(guess, noise, trial=True), {}) for guess in guesses]
    if len(trials) == 1:
        return trials[0]
    if trials[0].guess.blur is None:
        nats = [one.chi_square / 2 + cost(one.result) for one in trials]
        best = trials[nats.index(min(nats))]
    else:
        groups = groupby(trials, lambda trial: trial.guess.camera)
        trials = [_explaining(list(group)) for _, group in groups]
        nats = [one.chi_square / 2 for one in trials]
        best = _explaining(trials)
    if len(trials) == 1:
        return best
    told = {_title(one.guess.camera): each for one, each in zip(trials, nats, strict=True)}
    return best._replace(compared=best.compared | {"camera_trials": told})


def _explaining(trials: Sequence[Trial]) -> Trial:
    """Of trials with estimates that which explains the photo, families of one look in order."""
    most = ALIKE * min(max(one.chi_square, FOLLOWED) for one in trials)
    explain = [one for one in trials if one.chi_square <= most]
    best = min(explain, key=lambda one: (one.guess.family == "free", -one.guess.gain))
    left = {one.guess.family: one.chi_square for one in trials}
    return best._replace(compared={"blur_trials": left, **best.compared})


def _title(camera: Camera | None) -> str:
    if camera is None:
        return "none"
    return ("srgb" if camera.curve else "values") + (" and jpeg" if camera.jpeg else "")


def _fitting(noise: float, result: Result) -> float:
    """The noise that a residual says there was, of which LEAST may be left."""
    chi_square = _chi_square(result)
    return noise * math.sqrt(chi_square if chi_square > 1 else min(chi_square / LEAST, 1))


def _chi_square(result: Result) -> float:
    return float(max(result.report["certificate"]["chi_square"]))
