"""Results of blur by what had to be guessed: camera, kernel, and the noise that its errors are.

Cameras, and kernels that were estimated, are told by trials (`restore.trials`). What is wrong with
an estimated kernel counts as noise. How much that is, is told by the trial's residual, which is
within a tenth of what the whole leaves. Where weak detail was changed since (`restore.misled`)
strong detail alone tells the kernel, and what does not show is allowed for.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from operators.exposure import Camera
from operators.noise import Noise, Uneven
from restore.blind import Blind, Unknowable
from restore.lacking import lacking
from restore.misled import CHANGED, EXACT, misled, uneven, wide
from restore.result import Result
from restore.trials import (
    Cost,
    Guess,
    Run,
    chi_square,
    guesses_of,
    likeliest,
    once,
    rounds,
    tried,
)

KERNEL_ERROR, PARTS_ERROR = 0.01, 0.02
"""Least noise of a photo whose kernel was estimated: with that of the photo alone its errors become
stripes. Kernels of parts are less certain, and between them blur is a mixture."""
NATS, SURELY = 20.0, 1.1
"""Nats from which on nothing is left of what a kernel takes away; and times the nats for values
from which on it was light that a program blurred."""
SPARED = 1.25
"""Times the noise that is allowed for from which on noise was left somewhere."""
SAFE, NEAR = 1.15, 1.5
"""Chi-square of a trial from which on the whole might be refused; and up to which as much noise as
it lacks made the whole consistent wherever it was tried."""
LOST = 3.0
"""Times the least noise from which on a kernel explains nothing: sharp print was taken for blur."""
LEAST = 0.2
"""Chi-square of a trial below which there is less noise: with half of it the whole is refused."""
TOLD = ("family", "parameters", "confidence", "noise", "light", "changed")


class Plan(NamedTuple):
    """A guess, the noise to restore with, and the trial that says so."""

    guess: Guess
    noise: float | Noise
    compared: dict[str, dict[str, float]]


def with_kernel(
    noise: float | Noise | None,
    hidden: Mapping[Camera | None, float | None],
    run: Run,
    cost: Cost,
    changed: Callable[[Guess], float | None],
    kernel: Tensor | None = None,
) -> Result:
    """The result of a known kernel by the likeliest camera; arguments as of `with_estimate`.

    changed: the noise that a photo has left, if it may be that weak detail was changed since the
    blur of a guess. Where trials tell so, too, as much as may have been removed is allowed for, in
    the verdict, too.
    """
    guesses, compared = [Guess(camera) for camera in rounds(hidden)[0]], {}
    left = _left_since(guesses, changed, run, kernel) if noise is None else None
    allowed = noise if left is None else CHANGED
    best, *others = guesses
    if others:
        trial = likeliest(tried(guesses, allowed, run), cost)
        if allowed is None and (more := lacking(trial.result)):  # else errors would be compared
            trial = likeliest(tried(guesses, more, run), cost)
        best, compared = trial.guess, trial.compared
    restored = partial(run, best, judged_by=left, removed=0.0 if left is None else CHANGED)
    result = restored(allowed)
    if left is not None:
        result = _locally(result, CHANGED, restored)
    return replace(result, report=result.report | compared | {"changed": left is not None})


def with_estimate(
    found: Sequence[Blind],
    noise: float | Noise | None,
    hidden: Mapping[Camera | None, float | None],
    run: Run,
    cost: Cost,
    again: Callable[[], Sequence[Blind]] | None = None,
) -> Result:
    """The result of an estimated kernel, whose errors count as noise where none is given.

    found: of light, of values, or of both, the likelier first, with their rivals, which are tried
    as well. hidden: the cameras that come into question, and the noise that the file hides by each;
    each is tried with what was found of what it blurs. Of those by the file's JPEG the likeliest is
    taken if it explains the photo, else the likeliest of the others. again: what is found by strong
    detail alone, taken where trials say that the weak misled. Where the whole is refused
    nevertheless, it is done again with the noise that it lacks. Unknowable where none explains it,
    and, as NotBlurred, what `again` raises.
    """
    run, changed = once(run), False
    exact = _exact(found, hidden, run) if noise is None else None
    plan = exact or _chosen(found, noise, hidden, run, cost)
    if noise is None and again is not None and exact is None:
        changed = misled(plan.guess, _least(plan.guess), run, cost)
        if changed and not (plan.guess.blur and plan.guess.blur.changed):
            plan = _chosen(again(), noise, hidden, run, cost)
            # Not where it was another kernel, or light, that misled.
            changed = misled(plan.guess, _least(plan.guess), run, cost)
    if noise is None and not _explained(plan):
        raise Unknowable(
            f"image: the likeliest blur, {plan.guess.family}, leaves {plan.noise:.3f} of the range"
            " unexplained; if there is another, say which by its kernel"
        )
    if noise is None and isinstance(plan.noise, float):
        result = _whole(plan.guess, plan.noise, changed, run)
    else:
        result = run(plan.guess, plan.noise)
    blur = plan.guess.blur or found[0]
    told = {name: getattr(blur, name) for name in TOLD}
    report = {**result.report, "blur": {**told, **blur.report}}
    return replace(result, kernel=blur.kernel.cpu(), report=report | plan.compared)


def _left_since(
    guesses: Sequence[Guess],
    changed: Callable[[Guess], float | None],
    run: Run,
    kernel: Tensor | None,
) -> float | None:
    """The noise that a photo has left whose weak detail was changed by any guess, else None."""
    left = [changed(one) for one in guesses]
    own = max((one for one in left if one is not None), default=0.0)
    told = None not in left and all(uneven(one, run, own, kernel) for one in guesses)
    return own if told else None


def _whole(guess: Guess, left: float, changed: bool, run: Run) -> Result:
    """The result with a noise that was told by trials, again with what it lacks where refused."""
    allowing = partial(_allowing, CHANGED if changed else 0.0, run, guess)
    result = allowing(left)
    if not result.accepted:
        left = _fitting(left, result)
        result = allowing(left)
    if not changed:
        return result
    return _locally(result, max(CHANGED, left), partial(run, guess, judged_by=left))


def _locally(result: Result, allowed: float, again: Callable[[Noise], Result]) -> Result:
    """The result, done again with more noise where what was allowed for is far less than is left.

    Filters leave noise in some places, such as dark ones of bright colours. As long as the verdict,
    which is still by the noise elsewhere, accepts that.
    """
    told = result.report["certificate"]
    parts = torch.tensor([[part or 0.0 for part in row] for row in told["map"][0]])
    factors = (told["sigma"] / allowed * parts.sqrt()).clamp(min=1)
    if float(factors.max()) < SPARED:
        return result
    other = again(Uneven(allowed, factors[None, None]))
    return other if other.accepted or not result.accepted else result


def _allowing(least: float, run: Run, guess: Guess, noise: float) -> Result:
    """The result with a noise that was told by trials, or with the least that is allowed for."""
    return run(guess, noise) if noise >= least else run(guess, least, judged_by=noise)


def _exact(
    found: Sequence[Blind], hidden: Mapping[Camera | None, float | None], run: Run
) -> Plan | None:
    """The plan for a photo that a program blurred, which some guess explains with no noise."""
    found = [blur for one in found for blur in one.whole or (one,)]
    exact = [one for one in found if one.report.get("exact", 0) > NATS and wide(one.kernel)]
    if not exact or len(rounds(hidden)) > 1:  # a JPEG has more than the rounding
        return None
    most = max(one.gain for one in exact)
    exact.sort(key=lambda one: (SURELY * one.gain < most, one.light))
    every = (guess for one in exact for guesses in guesses_of([one], hidden) for guess in guesses)
    explain = (guess for guess in every if run(guess, EXACT, trial=True).accepted)
    return next((Plan(guess, EXACT, {}) for guess in explain), None)


def _chosen(
    found: Sequence[Blind],
    noise: float | Noise | None,
    hidden: Mapping[Camera | None, float | None],
    run: Run,
    cost: Cost,
) -> Plan:
    *others, last = guesses_of(found, hidden)
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
        best = likeliest(tried(guesses, noise, run), cost)
        return Plan(best.guess, noise, best.compared), best.result.accepted
    least = max(_least(guess) for guess in guesses)
    changed = any(guess.blur and guess.blur.changed for guess in guesses)
    allowed = max(least, CHANGED) if changed else least  # else kernels that follow errors win
    best = likeliest(tried(guesses, allowed, run), cost)
    if changed:
        left = max(least, allowed * math.sqrt(best.chi_square))
        return Plan(best.guess, left, best.compared), best.chi_square <= SAFE
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


def _fitting(noise: float, result: Result) -> float:
    """The noise that a residual says there was, of which LEAST may be left."""
    left = chi_square(result)
    return noise * math.sqrt(left if left > 1 else min(left / LEAST, 1))
