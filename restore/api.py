"""Restoring photos in one call: deblur, upscale, inpaint, restore."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from operators import kernels
from operators.base import LinearOperator, Operator
from operators.convolution import Boundary
from operators.exposure import Camera, Exposure
from operators.mask import Mask
from operators.noise import Gaussian, Noise
from operators.resize import Downsample, Filter
from operators.varying import blur_by
from restore.asked import Asked, check_names, made
from restore.blind import NotBlurred, Unknowable
from restore.blurred import blurs_by, changed_since
from restore.camera import (
    camera_of,
    camera_of_small,
    file_sigma,
    part_of,
    rivals,
    small_sigma,
)
from restore.guessed import with_estimate, with_kernel
from restore.images import Photo, read, read_mask
from restore.improbable import cost_by
from restore.noise_level import estimate_sigma
from restore.observed import fitted, hidden_noise, measured, own
from restore.result import Result
from restore.solvers.base import QUANTISATION
from restore.trials import Guess, trial_options

KNOWN_ERROR = 0.01
"""Noise that a solver is told of exact pixels where fewer than half are known: of pixels that are
trusted exactly, what an autoencoder cannot say is made up for beside them."""
Source = Any
"""A photo: path, bytes of a file, PIL image, array (H, W, C), tensor (3, H, W) or (B, 3, H, W)."""


def deblur(
    photo: Source,
    *,
    kernel: str | Path | Tensor | Any | None = None,
    boundary: Boundary = "valid",
    camera: str | Camera = "auto",
    noise: float | Noise | None = None,
    seed: int | Sequence[int] = 0,
    samples: int = 1,
    polish: bool = True,
    **options: Any,
) -> Result:
    """Remove a blur from a photo.

    kernel: "motion:17,32" (length in pixels, angle in degrees), "disk:4", "gaussian:2", a file, or
    an array (h, w), normalised to sum to one; (R, C, h, w): one for each of R x C equal parts.
    None: estimated (`restore.blind`), for all or parts: the result's `kernel` and report's "blur";
    a noise of None is then 0.01 or more, for parts 0.02, as trials tell (`restore.guessed`), else
    what shows, more where more is left (`restore.lacking`), 0.02 where noise was removed since.
    boundary: beyond the frame: "valid" supposes nothing; others are for simulated blur. camera:
    "auto", of a file, bytes or PIL image by trials: light was blurred, clipped, coded, compressed,
    or values were; else "none", values; "srgb", light, no JPEG; a `Camera`. All else: `Restorer`.
    PhotoError, PriorError, ValueError.
    What was enlarged by interpolation is deblurred as it was before; if sharp, done by `upscale`.
    """
    check_names(options, samples, "kernel", "boundary", "camera")
    seen, asked = read(photo), Asked(noise, seed, samples, polish, options)
    if kernel is not None or seen.enlargement is None:
        return _by_kernel(seen, kernel, boundary, camera, asked)
    try:
        before = _by_kernel(seen.before, None, boundary, camera, asked)
    except (NotBlurred, Unknowable):
        return _by_size(seen, 1, "bicubic", camera, asked)
    return before.enlarged(seen.enlargement).of(seen)


def upscale(
    photo: Source,
    factor: int = 4,
    *,
    filter: Filter = "bicubic",
    camera: str | Camera = "auto",
    noise: float | Noise | None = None,
    seed: int | Sequence[int] = 0,
    samples: int = 1,
    polish: bool = True,
    **options: Any,
) -> Result:
    """Enlarge a photo `factor` times: find the picture that shrinks to it.

    filter: how the small picture was made: bicubic, lanczos or box. camera: "auto", the tables of a
    JPEG, which was compressed when it had been made small; "srgb": light, not values, was shrunk,
    and not compressed; "none"; a `Camera`. Everything else as of `deblur`. A photo that programs
    enlarged before is restored from what it was made from (`restore.enlargement`).
    """
    check_names(options, samples, "factor", "filter", "camera")
    asked = Asked(noise, seed, samples, polish, options)
    return _by_size(read(photo), factor, filter, camera, asked)


def inpaint(
    photo: Source,
    mask: Source,
    *,
    noise: float | Noise | None = None,
    seed: int | Sequence[int] = 0,
    samples: int = 1,
    polish: bool = True,
    **options: Any,
) -> Result:
    """Fill what is white in the mask; with noise=None every other pixel keeps its exact value.

    mask: a picture of the photo's size, white = unknown, or a bool tensor (H, W), True = unknown.
    With a noise (standard deviation on [0, 1]) the known pixels are denoised too. Everything else
    as of `deblur`. PhotoError where the mask has another size, or leaves nothing to do.
    """
    check_names(options, samples, "mask")
    seen = read(photo)
    unknown = read_mask(mask, *seen.pixels.shape[2:])
    given = seen.pixels.masked_fill(unknown, 0)
    exact = KNOWN_ERROR if float(unknown.float().mean()) > 0.5 else 0.0
    told = exact if noise is None else noise
    result = Asked(told, seed, samples, polish, options).run(seen, Mask(unknown), given, None)
    if noise is not None:
        return result
    kept = torch.where(unknown, result.pixels, seen.pixels)
    drawn = torch.where(unknown, result.samples, seen.pixels)
    return replace(result, pixels=kept, samples=drawn)


def restore(
    y: Source,
    operator: Operator,
    *,
    noise: float | Noise | None = None,
    seed: int | Sequence[int] = 0,
    samples: int = 1,
    polish: bool = True,
    **options: Any,
) -> Result:
    """Restore what any operator made, Jpeg() as the photo's own file; all else as of `Restorer`."""
    check_names(options, samples, "operator")
    seen = None if isinstance(y, Tensor) else read(y)
    asked = Asked(noise, seed, samples, polish, options)
    operator = fitted(own(operator, seen), asked.solver)
    photo, pixels = (None, y) if seen is None else measured(seen, operator)
    return asked.told(asked.run(photo, operator, pixels, hidden_noise(operator, pixels)))


def _by_kernel(
    seen: Photo,
    kernel: Any,
    boundary: Boundary,
    camera: str | Camera,
    asked: Asked,
) -> Result:
    """The result by a kernel, or by one that is estimated; NotBlurred, Unknowable."""
    likeliest = camera_of(seen, camera, asked.solver)
    cameras = rivals(likeliest) if camera == "auto" else [likeliest]
    restorer, _ = made(asked.options)
    found = [] if kernel is not None else blurs_by(seen, cameras, asked.noise, restorer)
    given = found[0].kernel if found else kernels.as_kernel(kernel)
    whole = replace(asked, options={**asked.options, "by_size": bool(found)})
    short = replace(asked, samples=1, polish=True, options=trial_options(asked.options))

    def run(
        guess: Guess,
        noise: float | Noise | None,
        *,
        trial: bool = False,
        judged_by: float | None = None,
        removed: float = 0.0,
    ) -> Result:
        weights = guess.blur.kernel if guess.blur else given
        of = part_of(seen, weights, boundary, known=not found) if trial else seen
        wanted = replace(short if trial else whole, noise=noise)
        if judged_by is not None:
            verdict = {"judged_by": Gaussian(judged_by), "removed": removed}
            wanted = replace(wanted, options={**wanted.options, **verdict})
        return _deblurred(of, weights, boundary, guess.camera, wanted)

    hidden = {one: file_sigma(seen.pixels, one) for one in cameras}
    if not found:
        changed = partial(_left, seen, given, hidden)
        return asked.told(with_kernel(asked.noise, hidden, run, cost_by(restorer), changed, given))
    again = partial(blurs_by, seen, cameras, asked.noise, restorer, changed=True)
    return asked.told(with_estimate(found, asked.noise, hidden, run, cost_by(restorer), again))


def _left(
    seen: Photo, kernel: Tensor, hidden: dict[Camera | None, float | None], guess: Guess
) -> float | None:
    """The noise of a photo whose weak detail was changed since a kernel blurred it, else None."""
    if not changed_since(seen, kernel, light=bool(guess.camera and guess.camera.curve)):
        return None
    return hidden[guess.camera] or max(float(estimate_sigma(seen.pixels)), QUANTISATION)


def _by_size(
    seen: Photo,
    factor: int,
    filter: Filter,
    camera: str | Camera,
    asked: Asked,
) -> Result:
    """The result for a photo `factor` times as large, from what it was made from if it was enlarged
    by interpolation."""
    small, how = seen.before, seen.enlargement
    model = camera_of_small(small, camera, asked.solver)
    light: LinearOperator = Downsample(factor, filter)
    if how is not None:
        light = how.shrinking(factor, filter)
    hidden = small_sigma(small.pixels, model)
    result = asked.run(seen, _taken(light, model), small.pixels, hidden)
    if how is not None:
        result = replace(result, report=result.report | {"enlarged": how.told})
    return asked.told(result)


def _deblurred(
    seen: Photo,
    kernel: Tensor,
    boundary: Boundary,
    model: Camera | None,
    asked: Asked,
) -> Result:
    """The result in the photo's window."""
    light = blur_by(kernel, seen.pixels, boundary)
    hidden = file_sigma(seen.pixels, model)
    result = asked.run(seen, _taken(light, model), seen.pixels, hidden)
    height, width = seen.pixels.shape[2:]
    margins = (result.pixels.shape[2] - height) // 2, (result.pixels.shape[3] - width) // 2
    return result.window(*margins, height, width)


def _taken(light: LinearOperator, model: Camera | None) -> Operator:
    """The operator with the camera's chain, if there is one."""
    return light if model is None else Exposure(light, model)
