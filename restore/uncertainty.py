"""How sure a restoration is: intervals and what nobody measured, from draws of the posterior.

    s^2         <- variance of the draws, averaged over the neighbourhood, + FLOOR^2
    interval    <- mean +- factor sqrt(1 + 1 / N) s      1 / N: the mean of N draws is a draw, too

The draws of a small prior are too narrow: the factor is not that of a normal distribution but the
quantile of |truth - mean| / (sqrt(1 + 1 / N) s) over photographs of one set, and is tested on
others (`photomend bench interval`), as in split conformal prediction (Angelopoulos et al.,
"Image-to-image regression with distribution-free uncertainty quantification and applications in
imaging", ICML 2022, arXiv:2202.05265). Two kinds of pixels have factors of their own, as in
Mondrian conformal prediction (Vovk, Gammerman & Shafer, "Algorithmic learning in a random world",
2005, section 4.5): those in a hole, far from whatever the photo tells, and all others. What is
promised is a share of all pixels of that kind in photographs of that kind, in tasks of that kind;
not of each pixel, nor of each photograph.
"""

import math

import torch
from torch import Tensor

from operators.base import LinearOperator, Operator

WIDTH = 2.0
"""Standard deviation in pixels of the neighbourhood over which variances are averaged."""
FLOOR = 0.005
"""Standard deviation on [0, 1] that is never gone below: a few draws may agree by chance."""
FACTORS = {0.5: 0.91, 0.68: 1.41, 0.9: 2.69, 0.95: 3.50}
"""Of the intervals that hold the truth with that probability."""
HOLE_FACTORS = {0.5: 3.1, 0.68: 5.1, 0.9: 11.0, 0.95: 14.6}
"""The same in a hole, of which small priors think too little."""
REACH = 4
"""Pixels from a hole to the nearest pixel, along rows and columns, that the photo tells of."""


def spread(samples: Tensor) -> Tensor:
    """Standard deviation (B, C, H, W) of samples (N, B, C, H, W), N >= 2, else ValueError.

    Averaged as a variance over the neighbourhood, and at least `FLOOR`.
    """
    if len(samples) < 2:
        raise ValueError(f"samples: got {len(samples)}; a spread needs at least 2")
    return (_averaged(samples.var(0)) + FLOOR**2).sqrt()


def interval(
    samples: Tensor, level: float = 0.9, hole: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Ends (B, C, H, W) in [0, 1] between which the truth lies with the probability `level`.

    samples: (N, B, C, H, W), N >= 2 draws. level: one of those of `FACTORS`, else ValueError. hole:
    bool (B, 1, H, W), as of `holes`; None for none.
    """
    if level not in FACTORS:
        raise ValueError(f"level: got {level}; measured are {', '.join(map(str, FACTORS))}")
    half = FACTORS[level] * math.sqrt(1 + 1 / len(samples)) * spread(samples)
    if hole is not None:
        half = torch.where(hole, half * (HOLE_FACTORS[level] / FACTORS[level]), half)
    mean = samples.mean(0)
    return (mean - half).clamp(0, 1), (mean + half).clamp(0, 1)


def holes(operator: Operator, y: Tensor) -> Tensor | None:
    """Pixels (B, 1, H, W) that are further than `REACH` from all that y (B, C, h, w) tells of.

    Those that a linear operator does not see are where its adjoint is zero whatever was measured;
    None where there are none, or the operator is not linear.
    """
    if not isinstance(operator, LinearOperator):
        return None
    # no sum of random numbers is exactly zero
    random = torch.rand(y.shape, generator=torch.Generator().manual_seed(0)).to(y) + 0.5
    seen = (operator.adjoint(random) != 0).any(1, keepdim=True)
    near = torch.nn.functional.max_pool2d(seen.float(), 2 * REACH + 1, 1, padding=REACH)
    hole = near == 0
    return hole if bool(hole.any()) else None


def undetermined(samples: Tensor) -> Tensor:
    """Share in [0, 1] of each pixel's detail that the photo did not determine, (B, 1, H, W).

    Detail is what a picture has beyond its neighbourhood's mean; undetermined is what the samples
    (N, B, C, H, W), N >= 2, do not have in common: their variance in detail over its mean square.
    0: all draws agree. 1: every draw has its own; it comes from the prior.
    """
    if len(samples) < 2:
        raise ValueError(f"samples: got {len(samples)}; two are needed to differ")
    count, batch = samples.shape[:2]
    pictures = samples.flatten(0, 1)
    detail = (pictures - _averaged(pictures)).unflatten(0, (count, batch))
    own = _averaged(detail.var(0).sum(1, keepdim=True))
    whole = _averaged(detail.square().mean(0).sum(1, keepdim=True))
    # flat pieces have no detail to be in doubt of
    return (own / (whole + FLOOR**2)).clamp(0, 1)


def summary(samples: Tensor, hole: Tensor | None = None) -> dict[str, list[float]]:
    """Means over each picture: of half the width of the interval of 0.9, and of `undetermined`."""
    low, high = interval(samples, hole=hole)
    half, share = (high - low) / 2, undetermined(samples)
    return {
        "interval_90": [round(one, 5) for one in half.flatten(1).mean(1).tolist()],
        "undetermined": [round(one, 4) for one in share.flatten(1).mean(1).tolist()],
    }


def _averaged(pictures: Tensor) -> Tensor:
    from kornia.filters import gaussian_blur2d

    side = 8 * math.ceil(WIDTH) // 2 + 1
    smooth: Tensor = gaussian_blur2d(pictures, (side, side), (WIDTH, WIDTH), "replicate")
    return smooth
