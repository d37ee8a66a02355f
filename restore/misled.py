"""Was weak detail changed since the blur, so that it misled the estimate? What trials say.

Where one with little noise leaves more in some parts than in others, as noise would not, weak
detail was changed (`restore.blind.changed`). A JPEG says so here alone: in its certificate, not in
its spectrum, it is known where compression left nothing. And where the prior finds what a trial
makes of a photo that shows no noise improbable, errors were made into detail.
"""

import torch
from torch import Tensor

from restore.blind.averaged import spread
from restore.blind.changed import FEWEST, UNEVEN, tenths
from restore.blind.spectrum import CALM
from restore.trials import FOLLOWED, Cost, Guess, Run, chi_square

CHANGED = 0.02
"""Noise that is allowed for where weak detail was changed, and in trials of what was: errors as
smooth as that do more harm than as much noise. The verdict is by what there is."""
EXACT, WIDE = 0.0015, 1.2
"""Noise of a trial that explains what a program blurred, which has none but the rounding; and the
standard deviation in pixels of kernels of which that tells: narrow ones explain all photos so."""
LITTLE = 0.005
"""Noise of the trial that tells of it: with more less is left, with none all that is small."""
SOME, FAR = 0.07, 1.75
"""Nats a value from which a picture may be improbable; and by how many times more it is then than
with more noise. Chosen between photos that kept their noise and frames of videos."""


def misled(guess: Guess, least: float, run: Run, cost: Cost) -> bool:
    """Whether what a guess leaves, or what it makes with the least noise that is allowed for, says
    that weak detail was changed."""
    return uneven(guess, run) or _improbable(guess, least, run, cost)


def uneven(guess: Guess, run: Run, own: float | None = None, kernel: Tensor | None = None) -> bool:
    """Whether what a guess leaves is no noise, by a trial with little; own: the photo's. Where next
    to none explains the photo by a wide kernel, nothing was changed, whatever the trial left."""
    own = _noise(guess) if own is None else own
    kernel = guess.blur.kernel if guess.blur else kernel
    if own > LITTLE and not _filed(guess):
        return False  # its noise shows, and was not removed
    trial = run(guess, max(own, LITTLE), trial=True)
    parts = [part for row in trial.report["certificate"]["map"][0] for part in row if part]
    if len(parts) < FEWEST or float(tenths(torch.tensor(parts).sort().values)) <= UNEVEN**2:
        return False
    if _filed(guess) or own > CALM or kernel is None or not wide(kernel):
        return True
    return not run(guess, EXACT, trial=True).accepted


def wide(kernel: Tensor) -> bool:
    """Whether a trial without noise tells of a kernel."""
    return kernel.ndim == 2 and spread(kernel) > WIDE


def _improbable(guess: Guess, least: float, run: Run, cost: Cost) -> bool:
    """Whether the prior finds what a guess makes improbable, and far less so with more noise.

    So it does of photos that kept theirs, too, where as much as that is left.
    """
    if least >= CHANGED or (_noise(guess) > LITTLE and not _filed(guess)):
        return False
    trial = run(guess, least, trial=True)
    if (_filed(guess) and chi_square(trial) > FOLLOWED) or (nats := cost(trial)) < SOME:
        return False
    return nats > FAR * cost(run(guess, CHANGED, trial=True))


def _noise(guess: Guess) -> float:
    """What shows in the photo."""
    return 0.0 if guess.blur is None else guess.blur.noise


def _filed(guess: Guess) -> bool:
    """Whether compression may hide noise."""
    return bool(guess.camera and guess.camera.jpeg)
