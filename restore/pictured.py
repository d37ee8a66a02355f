"""Whether a picture speaks against a kernel: by another one, both it and the photo are likelier.

A wrong kernel leaves rings or stripes that explain the photo, and that a prior finds improbable
(`restore.improbable`). Two restorations of few steps, of a part, tell which kernel leaves less of
them. Kernels that blur less sharpen less, which a prior likes too: what is asked is not which
kernel is the likeliest, only whether one that the photo's spectrum prefers is likelier.
"""

from copy import copy
from typing import TYPE_CHECKING, Any

from torch import Tensor

from operators.blur import Blur
from operators.exposure import Exposure
from operators.measurement import Measurement
from restore.blind.given import Pictured
from restore.camera import SMALL, cut
from restore.improbable import TRIAL, improbability
from restore.solvers.dpir import dpir

if TYPE_CHECKING:
    from restore.restorer import Restorer

MARGIN = 0.002
"""Nats a value by which it has to be likelier."""


def pictured_by(restorer: "Restorer", measurement: Measurement[Any]) -> Pictured:
    """What asks pictures of a measurement by a blur, with a restorer's prior on its device."""
    quick, operator = copy(restorer), measurement.operator
    quick.solver, quick.options = dpir, {}
    camera = operator.camera if isinstance(operator, Exposure) else None
    blur: Any = operator if camera is None else operator.light
    jpeg = None if camera is None else camera.jpeg

    def cost(y: Tensor, kernel: Tensor) -> float:
        part = Blur(kernel, "valid")  # whatever is supposed beyond the photo's frame
        taken = part if camera is None else Exposure(part, camera)
        result = quick(y, taken, noise=measurement.noise, **TRIAL)
        seen = _within(result.pixels, *y.shape[2:]).to(restorer.device)
        improbable = improbability(seen, restorer.prior)
        return float(result.report["certificate"]["chi_square"][0]) / 2 + improbable

    def pictured(place: int, kernel: Tensor) -> bool:
        y = cut(measurement.y[place : place + 1], SMALL, 1 if jpeg is None else jpeg.orientation)
        return cost(y, kernel) < cost(y, blur.kernel) - MARGIN

    return pictured


def _within(pixels: Tensor, height: int, width: int) -> Tensor:
    """The middle: what lies around it is seen less, and more of it by the larger kernel."""
    top, left = (pixels.shape[2] - height) // 2, (pixels.shape[3] - width) // 2
    return pixels[..., top : top + height, left : left + width]
