"""The camera that took a photo, as far as its file tells."""

import math
from dataclasses import replace
from statistics import NormalDist

import torch
from torch import Tensor

from operators.colour import ycc
from operators.convolution import Boundary
from operators.exposure import Camera
from operators.linearised import Bent
from restore import solvers
from restore.blind.seen import window_of
from restore.images import Photo
from restore.noise_level import estimate_sigma
from restore.solvers import Solver

CAMERAS = ("auto", "none", "srgb")
FILES = ("path", "bytes", "pil")
"""Kinds of photos that a camera may have taken."""
LEAST_BLOCKS = 64
"""As many have to be flat for the noise of a JPEG to be told from them."""
PART, SMALL = 512, 192
"""Sides of the part of a photo by which its camera is told, in pixels, where the kernel's errors
are to be told as well, and where it is known; multiples of blocks'."""
LOW = (1, 8, 9)
"""The coefficients that tell whether a block is flat."""
TOLD, REACH = 3.0, 8.0
"""Times a noise that a step is finer than where coefficients tell the noise; and in deviations how
far from the least of them those are that have no more than noise."""


def camera_of(photo: Photo, given: str | Camera, solver: Solver) -> Camera | None:
    """The camera of a photo; None for none: blur is then taken to happen to the coded values.

    given: "auto", the whole camera with the tables of a JPEG for a file, its bytes or a Pillow
    image, where the solver takes one, and none for arrays and tensors; "none"; "srgb", without
    JPEG; or a Camera. ValueError for another word.
    """
    if isinstance(given, Camera):
        return given
    if given not in CAMERAS:
        raise ValueError(f"camera: got {given!r}; use one of {', '.join(CAMERAS)}, or a Camera")
    taken = photo.kind in FILES and Bent in solvers.kinds(solver)
    if given == "none" or (given == "auto" and not taken):
        return None
    bits = min(photo.depth, 16)
    return Camera(bits=bits, jpeg=photo.jpeg if given == "auto" else None)


def rivals(likeliest: Camera | None) -> list[Camera | None]:
    """The cameras that a photo may have, if nothing but its file tells, the likeliest first.

    Programs blur coded values; and a file may have been made otherwise than by its last tables.
    """
    if likeliest is None:
        return [None]
    coded = [] if likeliest.jpeg is None else [replace(likeliest, curve=False)]
    return [likeliest, *coded, None]


def part_of(photo: Photo, kernel: Tensor, boundary: Boundary, *, known: bool = False) -> Photo:
    """The part of a large photo with the strongest edges, its blocks those of a JPEG: as much as
    tells its camera.

    known: not estimated. The whole where its frame is supposed, or a kernel is large or has its
    place in it.
    """
    if boundary != "valid" or kernel.ndim > 2 or max(kernel.shape) > PART // 4:
        return photo
    extent = SMALL if known and max(kernel.shape) <= SMALL // 4 else PART
    return replace(photo, pixels=cut(photo.pixels, extent, photo.orientation))


def cut(pixels: Tensor, extent: int, orientation: int = 1) -> Tensor:
    """The part of pixels (1, C, H, W) of sides up to extent with the strongest edges, which begins
    with whole blocks of a JPEG of such an orientation."""
    ends = (orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7))
    cuts = []
    for side, start, last in zip(
        pixels.shape[2:], window_of(pixels.mean(1)[0], extent), ends, strict=True
    ):
        length = min(side, extent)
        skipped = (side - start - length if last else start) // 16 * 16  # blocks begin at this end
        first = side - skipped - length if last else skipped
        cuts.append(slice(first, first + length))
    return pixels[:, :, cuts[0], cuts[1]]


def camera_of_small(photo: Photo, given: str | Camera, solver: Solver) -> Camera | None:
    """The camera of a photo that was made small: that of `camera_of`, but "auto" is its JPEG alone.

    Programs shrink coded values, not light.
    """
    found = camera_of(photo, given, solver)
    if given != "auto" or found is None:
        return found
    return replace(found, curve=False) if found.jpeg else None


def file_sigma(pixels: Tensor, camera: Camera | None) -> float | None:
    """The noise that a JPEG had before it was compressed, on [0, 1]; pixels (B, 3, H, W).

    None where there is no JPEG, or too little of it. Of the coefficients of Y but the lowest, over
    the flattest quarter of the blocks: each has had the spread that, rounded to its step, has the
    mean square that is seen; the least of them is the noise, as detail only adds, but for chance.
    Where all were rounded to 0 it is the largest spread for which that could be.
    """
    if camera is None or camera.jpeg is None:
        return None
    energy = camera.jpeg.read(pixels)[0].flatten(4).flatten(0, 3).square()
    count = len(energy) // 4
    if count < LEAST_BLOCKS:
        return None
    flattest = energy[energy[:, LOW].sum(1).argsort()[:count]].mean(0)
    steps = camera.jpeg.tables(pixels)[0].flatten()
    # One block in all of the first level could be chance: less than that cannot be told from 0.
    spread = _unrounded(torch.maximum(flattest, steps.square() / count), steps)
    high = [k for k in range(64) if k not in (0, *LOW)]
    least, chance = spread[high].min(), math.sqrt(2 / count)
    told = steps[high] < TOLD * least
    alike = told & (spread[high].square() < (1 + REACH * chance) * least.square())
    # of so many mean squares of count values the least is that much smaller by chance
    fallen = 1 + _least_of(max(int(alike.sum()), 1)) * chance
    return float(least / math.sqrt(fallen) / (255 * ycc(pixels)[0].norm()))


def _least_of(count: int) -> float:
    """The expected least of so many standard normal values (Blom, 1958)."""
    return NormalDist().inv_cdf(0.625 / (count + 0.25))


def small_sigma(pixels: Tensor, camera: Camera | None) -> float | None:
    """The noise to go by where a JPEG is enlarged, on [0, 1]; None where `file_sigma` is.

    The geometric mean of that, which bounds it from above, and of what the compression has left,
    from below. In a deblurred picture too little noise becomes stripes; here it only sharpens.
    """
    most = file_sigma(pixels, camera)
    return None if most is None else math.sqrt(most * float(estimate_sigma(pixels).mean()))


def _unrounded(square: Tensor, steps: Tensor) -> Tensor:
    """The spreads of normal values that have mean squares when rounded to multiples of steps."""
    spreads = torch.logspace(-2, 2, 400).to(square)[:, None]
    half = torch.arange(0.5, 40).to(square)[:, None, None] * steps / spreads
    # The mean square is a sum over levels k of (2 k - 1) times the share beyond k - 1/2.
    odd = torch.arange(1, 80, 2).to(square)[:, None, None]
    rounded = (2 * odd * torch.special.ndtr(-half)).sum(0) * steps.square()
    rounded = torch.where(spreads < 6 * steps, rounded, spreads.square() + steps.square() / 12)
    index = torch.searchsorted(rounded.T.contiguous(), square[:, None])
    return spreads[index[:, 0].clamp(max=len(spreads) - 1), 0]
