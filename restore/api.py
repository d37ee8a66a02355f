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
from operators.noise import Noise
from operators.resize import Downsample, Filter
from operators.varying import blur_by
from restore import solvers
from restore.blurred import blurs_by
from restore.camera import (
    camera_of,
    camera_of_small,
    file_sigma,
    part_of,
    rivals,
    small_sigma,
)
from restore.guessed import Guess, trial_options, with_estimate, with_kernel
from restore.images import Photo, read, read_mask
from restore.improbable import cost_by
from restore.lacking import with_noise
from restore.observed import fitted, hidden_noise, measured, own
from restore.preparation import CALL, OWN
from restore.restorer import Restorer
from restore.result import Result
from restore.solvers import Solver

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
    what shows, or more where more is left (`restore.lacking`). boundary: beyond the frame: "valid"
    supposes nothing; others are for simulated blur. camera: "auto", of a file, bytes or PIL image
    by trials: light was blurred, clipped, coded, compressed, or values were; else "none", values;
    "srgb", light, no JPEG; a `Camera`. All else: `Restorer`. PhotoError, PriorError, ValueError.
    """
    check_names(options, samples, "kernel", "boundary", "camera")
    seen, solver = read(photo), chosen_solver(options, samples)
    likeliest = camera_of(seen, camera, solver)
    cameras = rivals(likeliest) if camera == "auto" else [likeliest]
    found = [] if kernel is not None else blurs_by(seen, cameras, noise, made(options)[0])
    given = found[0].kernel if found else kernels.as_kernel(kernel)
    whole = {**options, "by_size": bool(found)}

    def run(guess: Guess, noise: float | Noise | None, *, trial: bool = False) -> Result:
        weights = guess.blur.kernel if guess.blur else given
        of = part_of(seen, weights, boundary, known=not found) if trial else seen
        asked = (1, True, trial_options(options)) if trial else (samples, polish, whole)
        return _deblurred(of, weights, boundary, guess.camera, noise, seed, *asked)

    hidden = {one: file_sigma(seen.pixels, one) for one in cameras}
    by = partial(with_estimate, found) if found else with_kernel
    return _told(by(noise, hidden, run, cost_by(made(options)[0])), noise)


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
    and not compressed; "none"; a `Camera`. Everything else as of `deblur`.
    """
    check_names(options, samples, "factor", "filter", "camera")
    seen = read(photo)
    model = camera_of_small(seen, camera, chosen_solver(options, samples))
    operator = _taken(Downsample(factor, filter), model)
    hidden = small_sigma(seen.pixels, model)
    asked = (seed, samples, polish, options)
    return _told(_run(seen, operator, seen.pixels, noise, hidden, *asked), noise)


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
    result = _run(seen, Mask(unknown), given, told, None, seed, samples, polish, options)
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
    operator = fitted(own(operator, seen), chosen_solver(options, samples))
    photo, pixels = (None, y) if seen is None else measured(seen, operator)
    hidden, asked = hidden_noise(operator, pixels), (seed, samples, polish, options)
    return _told(_run(photo, operator, pixels, noise, hidden, *asked), noise)


def _deblurred(
    seen: Photo,
    kernel: Tensor,
    boundary: Boundary,
    model: Camera | None,
    noise: float | Noise | None,
    seed: int | Sequence[int],
    samples: int,
    polish: bool,
    options: dict[str, Any],
) -> Result:
    """The result in the photo's window."""
    light = blur_by(kernel, seen.pixels, boundary)
    hidden, asked = file_sigma(seen.pixels, model), (seed, samples, polish, options)
    result = _run(seen, _taken(light, model), seen.pixels, noise, hidden, *asked)
    height, width = seen.pixels.shape[2:]
    margins = (result.pixels.shape[2] - height) // 2, (result.pixels.shape[3] - width) // 2
    return result.window(*margins, height, width)


def _taken(light: LinearOperator, model: Camera | None) -> Operator:
    """The operator with the camera's chain, if there is one."""
    return light if model is None else Exposure(light, model)


def _told(result: Result, noise: float | Noise | None) -> Result:
    """The result with whether there was a camera, and whether its noise was estimated."""
    used = {**result.report["noise"], "estimated": noise is None}
    return replace(result, report={"camera": None, **result.report, "noise": used})


def _run(
    photo: Photo | None,
    operator: Operator,
    y: Tensor,
    noise: float | Noise | None,
    hidden: float | None,
    seed: int | Sequence[int],
    samples: int,
    polish: bool,
    options: dict[str, Any],
) -> Result:
    """The result with a noise, or with what there has to be; hidden: what the file hides."""
    restorer, rest = made(options, samples)
    asked = {"seed": seed, "samples": samples, "polish": polish, **rest}
    result = with_noise(restorer, y, operator, noise, hidden, asked)
    return result if photo is None else result.of(photo)


def check_names(options: dict[str, Any], samples: int, *others: str) -> None:
    """Refuse an unknown solver (ValueError) or option (TypeError) before anything is read.

    others: what the task takes besides, to be named where it is nearest.
    """
    given = [name for name, value in options.items() if name not in OWN and value is not None]
    solvers.check_options(chosen_solver(options, samples), given, also=(*OWN, *CALL, *others))


def made(options: dict[str, Any], samples: int = 1) -> tuple[Restorer, dict[str, Any]]:
    """A restorer from the options that are its own, and those that are left for the solver."""
    taken = {name: options[name] for name in OWN if name in options}
    taken["solver"] = chosen_solver(options, samples)
    rest = {name: value for name, value in options.items() if name not in OWN and value is not None}
    return Restorer(**taken), rest


def chosen_solver(options: dict[str, Any], samples: int) -> Solver:
    """The solver that the options name; of none named the one for what is asked."""
    solver = options.get("solver")
    if solver is None:
        solver = solvers.default(samples, options.get("fidelity"))
    return solvers.get(solver) if isinstance(solver, str) else solver
