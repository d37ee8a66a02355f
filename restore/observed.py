"""What is measured of a file by any operator: its channels, and the camera that does as it does."""

from dataclasses import replace

from torch import Tensor

from operators.base import Composed, Identity, LinearOperator, Operator
from operators.colour import Grayscale, Mosaic
from operators.exposure import Camera, Exposure
from operators.jpeg import Jpeg
from operators.linearised import Bent
from operators.tone import Clip, Quantize
from restore import solvers
from restore.camera import small_sigma
from restore.images import Photo, PhotoError
from restore.solvers import Solver

GREY = 4 / 255
"""Most by which the channels of a grey picture in an RGB file differ, as after JPEG."""


def measured(photo: Photo, operator: Operator) -> tuple[Photo, Tensor]:
    """The photo in whose manner the result is given, and what was measured (B, C, H, W).

    Where the operator leaves one channel, that of a grey photo, whose result is in colour;
    PhotoError for a photo in colour. Where a compression is undone, its quality is not kept.
    """
    if any(map(_compressed, _parts(operator))):
        photo = replace(photo, tables=None)
    single = [part for part in _parts(operator) if isinstance(part, Grayscale | Mosaic)]
    if not single:
        return photo, photo.pixels
    pixels = photo.pixels
    if float((pixels.amax(1) - pixels.amin(1)).max()) > GREY:
        raise PhotoError(
            f"{photo.name}: is in colour, and {single[0]!r} leaves one channel; give a grey picture"
        )
    axes = {"HW": "HWC" if photo.kind == "array" else "CHW"}.get(photo.axes, photo.axes)
    icc = None if photo.grey else photo.icc  # a profile of greys describes no colours
    return replace(photo, grey=False, icc=icc, axes=axes), pixels.mean(1, keepdim=True)


def own(operator: Operator, photo: Photo | None) -> Operator:
    """The operator with the photo's compression, as file or pixels tell it, where none is told.

    PhotoError where they tell none.
    """
    if isinstance(operator, Composed):
        return own(operator.outer, photo) @ own(operator.inner, photo)
    if not isinstance(operator, Jpeg) or operator.quality is not None:
        return operator
    found = None if photo is None else photo.jpeg
    if found is None:
        name = "tensor" if photo is None else photo.name
        raise PhotoError(f"{name}: shows no compression; tell its quality: jpeg:75")
    return found


def fitted(operator: Operator, solver: Solver) -> Operator:
    """The operator, or a camera that does the same where the solver takes only that.

    A camera clips, quantises and compresses, in this order, what a linear operator made. It also
    knows the bins of a JPEG, and is for solvers that would take that as it is.
    """
    kinds = solvers.kinds(solver)
    rest = _parts(operator)
    compressed = isinstance(rest[0], Jpeg)
    if Bent not in kinds or (isinstance(operator, kinds) and not compressed):
        return operator
    found = {}
    for kind in (Jpeg, Quantize, Clip):
        if rest and isinstance(rest[0], kind):
            found[kind] = rest.pop(0)
    light: Operator = Identity()
    for part in rest:
        light = part if isinstance(light, Identity) else light @ part
    if not isinstance(light, LinearOperator):
        return operator
    jpeg, quantize = found.get(Jpeg), found.get(Quantize)
    bits = quantize.bits if isinstance(quantize, Quantize) else 8 if jpeg else 16
    known = jpeg if isinstance(jpeg, Jpeg) else None
    return Exposure(light, Camera(curve=False, clip=Clip in found, bits=bits, jpeg=known))


def _compressed(part: Operator) -> bool:
    return isinstance(part, Jpeg) or (isinstance(part, Exposure) and part.camera.jpeg is not None)


def hidden_noise(operator: Operator, pixels: Tensor) -> float | None:
    """The noise that a camera's JPEG hides, on [0, 1]; None where there is none."""
    return small_sigma(pixels, operator.camera) if isinstance(operator, Exposure) else None


def _parts(operator: Operator) -> list[Operator]:
    """What a chain is made of, the last that happened first."""
    if isinstance(operator, Composed):
        return [*_parts(operator.outer), *_parts(operator.inner)]
    return [operator]
