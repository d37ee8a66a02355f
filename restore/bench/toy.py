"""Problems small enough to be solved exactly, on which solvers are measured apart from photos.

States have 6 dimensions and pictures 12 values, of which 5 mixtures are seen in white noise of 0.1.
The decoder is an isometry times 0.5 and the denoiser exact: what is left is what the solver does.
For solvers of masks the states are pictures of 2 x 3 pixels, three of them hidden.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from operators.base import LinearOperator, Shape
from operators.mask import Mask
from operators.measurement import A, Measurement, simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from priors.analytic import GaussianMixturePrior, GaussianPrior, LinearDecoder
from priors.base import Prior
from priors.schedule import VP, Schedule
from restore import solvers
from restore.solvers import Solver, State

DOUBLE = torch.float64
SIZE, SIGMA = 6, 0.1
HOLES = Mask(torch.tensor([[False, True, False], [True, False, True]]))
HOLES_SHAPE = (1, 2, 3)
BATCH = 4000
"""Draws at a time."""


@dataclass(frozen=True, eq=False)
class Dense(LinearOperator):
    """y = matrix @ x, shaped (B, 1, 1, m)."""

    matrix: Tensor
    shape: Shape

    def __call__(self, x: Tensor) -> Tensor:
        """The product."""
        return (x.flatten(1) @ self.matrix.to(x).T)[:, None, None]

    def image_shape(self, y_shape: Shape) -> Shape:
        """The given shape."""
        return (y_shape[0], *self.shape)

    def adjoint(self, y: Tensor) -> Tensor:
        """The product with the transpose."""
        flat: Tensor = y.flatten(1) @ self.matrix.to(y)
        return flat.reshape((-1, *self.shape))


class OneStream(Seeds):
    """All images from one generator: draws of thousands of images in one call."""

    def __init__(self, seed: int, count: int = 1) -> None:
        super().__init__(seed)
        self.count = count

    def __len__(self) -> int:
        return self.count

    def _draw(self, x: Tensor, sample: Callable[[Tensor, torch.Generator], Tensor]) -> Tensor:
        return sample(x.detach(), self._generators[0]).to(x)


@cache
def cosine() -> VP:
    """The cosine chain of 1000 times (Nichol & Dhariwal 2021, arXiv:2102.09672)."""
    power = [math.cos((k / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for k in range(1001)]
    chain = [1.0]
    for k in range(1000):
        chain.append(chain[-1] * max(power[k + 1] / power[k], 0.001))
    return VP(tuple(chain[1:]))


def random(*shape: int, seed: int) -> Tensor:
    """Standard normal numbers, float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def picture_shape(size: int) -> Shape:
    """(C, H, W) of the pictures of states of so many dimensions, at least as many values."""
    return (3, 2, 2) if size <= 12 else (3, 4, 4)


def observed(size: int, decoded: bool) -> Dense:
    """The operator: size - 1 random mixtures of a picture, or of a state as a picture."""
    shape = picture_shape(size) if decoded else (size, 1, 1)
    values = math.prod(shape)
    count = math.prod(picture_shape(size))
    return Dense(random(size - 1, values, seed=size - 2) / count**0.5, shape)


def gaussian(schedule: Schedule, decoded: bool = True, size: int = SIZE) -> GaussianPrior:
    """A Gaussian of some correlation, with a decoder or with states that are pictures."""
    root = random(size, size, seed=1) / size**0.5
    covariance = root @ root.T + 0.05 * torch.eye(size, dtype=DOUBLE)
    decoder = None
    if decoded:
        shape = picture_shape(size)
        basis = torch.linalg.qr(random(math.prod(shape), size, seed=0))[0]
        offset = torch.full((len(basis),), 0.5, dtype=DOUBLE)
        decoder = LinearDecoder(0.5 * basis, offset, shape)
    return GaussianPrior(0.5 * random(size, seed=2), covariance, schedule, decoder)


def mixture(wide: GaussianPrior, operator: LinearOperator, shape: Shape) -> GaussianMixturePrior:
    """Three narrower Gaussians: the second is off along the null space, the third is well seen.

    A measurement of pictures of the shape hence leaves the odds of the first two, 5 : 3.
    """
    unit = torch.eye(wide.means.shape[1], dtype=DOUBLE).view(wide.state_shape((-1, *shape)))
    seen = (operator(wide.decode(unit)) - operator(wide.decode(0 * unit))).flatten(1)
    directions = torch.linalg.svd(seen.T)[2]
    seen_most, unseen = directions[0], directions[-1]
    apart = torch.stack([0 * unseen, 2 * unseen, seen_most / 2 - 2 * unseen])
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=DOUBLE)
    covariances = (wide.covariances / 4).expand(3, -1, -1)
    means = wide.means + apart
    return GaussianMixturePrior(weights, means, covariances, wide.schedule, wide.decoder)


def draw(prior: GaussianMixturePrior, count: int, seed: int = 0) -> Tensor:
    """States (count, D) of the prior, in float64."""
    generator = torch.Generator().manual_seed(seed)
    roots = torch.linalg.cholesky(prior.covariances.double())
    noise = torch.randn(count, roots.shape[-1], generator=generator, dtype=DOUBLE)
    odds = prior.weights.double().expand(count, -1)
    mode = torch.multinomial(odds, 1, generator=generator)[:, 0]
    states: Tensor = prior.means[mode] + (roots[mode] @ noise[..., None])[..., 0]
    return states


def measured(
    prior: GaussianMixturePrior, states: Tensor, operator: A, shape: Shape, seed: int
) -> Measurement[A]:
    """The measurements of clean states (B, D), pictures of the shape; seed: of the noise."""
    shaped = states.view(prior.state_shape((len(states), *shape)))
    return simulate(operator, Gaussian(SIGMA), prior.decode(shaped), OneStream(seed, len(states)))


KINDS = {"gaussian": 5, "mixture": 4}
"""Of priors, and the seed of the state that is measured: one that leaves all three modes open."""


def problem(
    schedule: Schedule,
    decoded: bool = True,
    *,
    kind: str = "gaussian",
    size: int = SIZE,
    masked: bool = False,
) -> tuple[GaussianMixturePrior, Measurement[Any]]:
    """A prior of one of the KINDS and one measurement; masked: by a mask, with no decoder."""
    prior: GaussianMixturePrior
    prior = wide = gaussian(schedule, decoded and not masked, size)
    operator: LinearOperator = HOLES if masked else observed(size, decoded)
    shape = HOLES_SHAPE if masked else observed(size, decoded).shape
    if kind == "mixture":
        prior = mixture(wide, operator, shape)
    return prior, measured(prior, draw(prior, 1, KINDS[kind]), operator, shape, seed=3)


def last(
    solver: Solver, measurement: Measurement[Any], prior: Prior, seeds: Seeds, **options: Any
) -> State:
    """The last state of a solver."""
    *_, state = solver(measurement, prior, seeds, **options)
    return state


def sample(
    solver: str | Solver,
    prior: Prior,
    measurement: Measurement[Any],
    count: int,
    seed: int = 0,
    **options: Any,
) -> Tensor:
    """`count` draws (B count, ...) of a solver for every measurement, next to each other.

    seed: of the first BATCH of them; the next take the following ones.
    """
    chosen = solvers.get(solver) if isinstance(solver, str) else solver
    y = measurement.y.repeat_interleave(count, dim=0)
    found = []
    for k, part in enumerate(y.split(BATCH)):
        some, seeds = replace(measurement, y=part), OneStream(seed + k, len(part))
        found.append(last(chosen, some, prior, seeds, **options).x)
    return torch.cat(found)
