"""What the probability-flow ODE makes of a photo: the way to noise and back, and its bits."""

from torch import Tensor

from operators import Seeds, kernels
from operators.blur import Blur
from priors import picture_bits
from priors.base import Prior
from restore.sampling import round_trip

PHOTOS, SIDE, STEPS = 1, 128, 20
"""Photos a set, side of their middles, steps a way: some twenty seconds a photo on one core."""
BLUR = 2.0
"""Standard deviation of the blur in pixels."""


def figures(prior: Prior, x: Tensor, seeds: Seeds) -> dict[str, float]:
    """round_trip in dB, bits per dimension of the photo, and those of the photo blurred.

    x (1, 3, H, W), of which the middle is taken. The same probe serves both pictures.
    """
    sides = [min(side, SIDE) // prior.multiple * prior.multiple for side in x.shape[2:]]
    top, left = ((whole - side) // 2 for whole, side in zip(x.shape[2:], sides, strict=True))
    middle = x[:, :, top : top + sides[0], left : left + sides[1]]
    blurred = Blur(kernels.gaussian(BLUR), "reflect")(middle)
    back, _ = round_trip(prior, middle, STEPS)
    photo, soft = (
        picture_bits(prior, picture, Seeds(*seeds.seeds), steps=STEPS).item()
        for picture in (middle, blurred)
    )
    return {"round_trip": back.item(), "bits": photo, "bits_blurred": soft}
