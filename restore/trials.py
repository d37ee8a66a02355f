"""Restorations of few steps that tell which of several guesses of a blur a photo bears out.

Whether light was blurred, as a camera does it, or the coded values, as programs do, is told by what
makes photo and picture likeliest, the one by chi-square, the other by the prior
(`restore.improbable`). Of kernels estimated of light and of values (`restore.blurred`), and of
several families, by chi-square, and by evidence where several explain the photo.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple, Protocol

from operators.exposure import Camera
from operators.noise import Noise
from restore.blind import Blind
from restore.improbable import TRIAL
from restore.preparation import OWN
from restore.result import Result

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


def rounds(cameras: Mapping[Camera | None, Any]) -> list[list[Camera | None]]:
    """Cameras that can be compared with each other, in order: those of one compression."""
    return [list(group) for _, group in groupby(cameras, lambda one: bool(one and one.jpeg))]


def guesses_of(
    found: Sequence[Blind], hidden: Mapping[Camera | None, float | None]
) -> list[list[Guess]]:
    """What was found, with its rivals, by the cameras that blur it, in `rounds`; hidden: the noise
    that the file hides by each."""
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
    return list(filter(None, every))


class Run(Protocol):
    """Restores the photo, wholly or as a trial."""

    def __call__(
        self,
        guess: Guess,
        noise: float | Noise | None,
        /,
        *,
        trial: bool = False,
        judged_by: float | None = None,
        removed: float = 0.0,
    ) -> Result:
        """By a guess, with a noise on [0, 1]; the verdict by another one, if there is, and as much
        that may have been removed."""


class Trial(NamedTuple):
    """A guess, the result of few steps, and what was compared, for the report."""

    guess: Guess
    result: Result
    compared: dict[str, dict[str, float]]

    @property
    def chi_square(self) -> float:
        """Of what the result leaves."""
        return chi_square(self.result)


def trial_options(options: dict[str, Any]) -> dict[str, Any]:
    """Those of a trial with the same prior, on the same device: few steps of dpir."""
    own = {name: value for name, value in options.items() if name in OWN}
    return {**own, **TRIAL, "solver": "dpir"}


def once(run: Run) -> Run:
    """As run does, but no trial twice."""
    done: dict[tuple[Guess, float | Noise | None], Result] = {}

    def remembering(
        guess: Guess, noise: float | Noise | None, /, *, trial: bool = False, **verdict: Any
    ) -> Result:
        if not trial or verdict:
            return run(guess, noise, trial=trial, **verdict)
        if (guess, noise) not in done:
            done[guess, noise] = run(guess, noise, trial=True)
        return done[guess, noise]

    return remembering


def tried(guesses: Sequence[Guess], noise: float | Noise | None, run: Run) -> list[Trial]:
    """A trial of each, with a noise on [0, 1]."""
    return [Trial(guess, run(guess, noise, trial=True), {}) for guess in guesses]


def likeliest(trials: Sequence[Trial], cost: Cost) -> Trial:
    """The trial with the best guess; ties for the first.

    Of cameras with a known kernel that which makes photo and picture likeliest. The prior prefers
    kernels that sharpen less: of estimates for a camera that explain the photo about as well as any
    the first is taken, of most evidence, and of those for several the one of most; a free one,
    whose many weights follow noise, only where no other does.
    """
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
    families = [one for one in explain if one.guess.family != "free"] or explain
    best = max(families, key=_weight)
    left = {one.guess.family: one.chi_square for one in trials}
    return best._replace(compared={"blur_trials": left, **best.compared})


def _weight(trial: Trial) -> float:
    """How much speaks for a guess: nats of evidence.

    Of changed detail, where more noise is allowed for than there is, every family explains the
    photo, but one leaves less than another, which tells as well: nats for the family over the root
    of chi-square.
    """
    blur = trial.guess.blur
    if blur is None or not blur.changed:
        return trial.guess.gain
    return blur.own / math.sqrt(trial.chi_square)


def _title(camera: Camera | None) -> str:
    if camera is None:
        return "none"
    return ("srgb" if camera.curve else "values") + (" and jpeg" if camera.jpeg else "")


def chi_square(result: Result) -> float:
    """Of what a result leaves, the largest of a batch."""
    return float(max(result.report["certificate"]["chi_square"]))
