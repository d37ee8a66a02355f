"""What a photo tells of itself, as a job: its noise, its blur, and the seconds of a trial on it."""

import time
from pathlib import Path
from typing import Any

from torch import Tensor

from restore import compression
from restore.commands.progress import Progress
from restore.images import Photo, read, write

PARTS = 3
"""Noise, blur, trial: a job that is not wanted any more ends between two of them."""
SIDE, LEAST = 128, 16
"""Of the part that is tried, and of a photo worth a trial, in pixels."""
NOISY = 1536
"""Side of the part whose noise is looked at, in pixels; twelve megapixels would take 20 s."""
STEPS, KERNEL = 5, "gaussian:1"
"""Of the trial."""


def estimate(
    source: Path, prior: Any, device: str, place: Path, progress: Progress
) -> dict[str, Any]:
    """Compression, enlargement, noise, blur and a trial's pace, JSON-able; the kernel beside it, as
    a picture.

    prior: its name, or the prior itself. PhotoError; errors of the library.
    """
    photo = read(source)
    height, width = photo.pixels.shape[2:]
    told = {
        "task": "estimate",
        "size": [width, height],
        "format": photo.format,
        "depth": photo.depth,
        "jpeg": None if photo.jpeg is None else compression.told(photo.jpeg),
        "enlarged": photo.enlargement and photo.enlargement.told,
        "noise": _noise(photo.before),
    }
    progress.step(1, PARTS)
    began = time.monotonic()
    blur, kernel = _blur(photo)
    looked = time.monotonic() - began
    if kernel is not None:
        write(kernel, place / "result.kernel.png")
    progress.step(2, PARTS)
    tried = _tried(photo.pixels, prior, device)
    progress.step(3, PARTS)
    return {**told, **blur, "trial": tried, "blur_seconds": looked}


def _noise(photo: Photo) -> dict[str, float | None]:
    """sigma: as a deblurring takes it, at least what the file's own coding hides. confidence: by
    how far two halves of the photo agree with that, in [0, 1]."""
    from operators.noise import PoissonGaussian
    from restore.camera import camera_of, file_sigma
    from restore.noise_level import estimate_noise, estimate_sigma
    from restore.preparation import at_least
    from restore.solvers import tradeoff

    enough = at_least(16, _middle(photo))
    hidden = file_sigma(enough, camera_of(photo, "auto", tradeoff)) or 0.0
    model = estimate_noise(enough)
    gain, read_sigma = None, None
    if isinstance(model, PoissonGaussian):
        gain, read_sigma = float(model.gain), float(model.sigma)
    sigma = max(hidden, float(estimate_sigma(enough)))
    axis = 2 if enough.shape[2] > enough.shape[3] else 3
    halves = [float(estimate_sigma(at_least(16, half))) for half in enough.chunk(2, axis)]
    most = max(*halves, hidden)
    told = {"sigma": sigma, "confidence": min(halves) / most if most else 1.0}
    return {**told, "gain": gain, "read_sigma": read_sigma}


def _middle(photo: Photo) -> Tensor:
    """The middle of a large photo, cut between the blocks of a JPEG."""
    height, width = photo.pixels.shape[2:]
    if photo.orientation != 1 or max(height, width) <= NOISY:
        return photo.pixels  # turned, the blocks begin elsewhere
    top, left = (max(0, side - NOISY) // 2 // 16 * 16 for side in (height, width))
    return photo.pixels[:, :, top : top + NOISY, left : left + NOISY]


def _blur(photo: Photo) -> tuple[dict[str, Any], Photo | None]:
    """The blur in words and its picture; or why there is none.

    Of an enlarged photo in the pixels that it was made from, so that nobody can give the kernel.
    One kernel: those of parts take several times as long. may_vary: the job itself looks for them.
    """
    from restore.blind import NotBlurred, Unknowable
    from restore.blind.varying import STEP
    from restore.blurred import blur_of

    try:
        found = blur_of(photo, parts=False)
    except (NotBlurred, Unknowable) as error:
        return {"blur": None, "why": " ".join(str(error).split())}, None
    numbers = ",".join(f"{value:.4g}" for value in found.parameters.values())
    told = {
        "family": found.family,
        "parameters": dict(found.parameters),
        "light": found.light,
        "changed": found.changed,
        "confidence": found.confidence,
        "kernel": f"{found.family}:{numbers}" if numbers and not photo.enlargement else None,
        "kernel_size": list(found.kernel.shape),
        "may_vary": found.report["reduction"] == 1 and max(photo.pixels.shape[2:]) >= 2 * STEP,
    }
    weights = (found.kernel / found.kernel.max() * 65535).round().cpu().numpy()
    return {"blur": told, "why": None}, read(weights.astype("uint16"))


def _tried(pixels: Tensor, prior: Any, device: str) -> dict[str, float] | None:
    """Work and seconds of the better of two runs of the default solver on the photo's middle."""
    from restore import api

    height, width = pixels.shape[2:]
    if min(height, width) < LEAST:
        return None
    top, left = max(0, height - SIDE) // 2, max(0, width - SIDE) // 2
    part = pixels[:, :, top : top + SIDE, left : left + SIDE]
    options: dict[str, Any] = {"steps": STEPS, "prior": prior, "device": device}
    runs = [api.deblur(part, kernel=KERNEL, noise=0.02, **options) for _ in range(2)]
    work = part.shape[2] * part.shape[3] / 1e6 * STEPS
    return {"work": work, "seconds": min(float(run.report["seconds"]) for run in runs)}
