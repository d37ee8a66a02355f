"""Small exact problems for solvers: priors in closed form, operators, and instruments."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from operators.base import Operator, Shape
from operators.blur import Blur
from operators.mask import Mask, random_mask
from operators.resize import Downsample
from priors.analytic import GaussianPrior, LinearDecoder
from priors.base import Prior
from priors.schedule import Flow, Level, Schedule
from restore.bench.toy import Dense as Dense
from restore.bench.toy import OneStream as OneStream
from restore.bench.toy import cosine as cosine
from restore.bench.toy import draw as draw
from restore.bench.toy import last as last

SCHEDULES: dict[str, Schedule] = {"vp": cosine(), "flow": Flow()}
KERNEL = torch.tensor([[0.05, 0.1, 0.0], [0.1, 0.5, 0.05], [0.0, 0.1, 0.1]])


@dataclass(frozen=True, eq=False)
class Curve(Operator):
    """y = x + x^2 / 4: smooth, and not linear."""

    def __call__(self, x: Tensor) -> Tensor:
        return x + x.square() / 4

    def image_shape(self, y_shape: Shape) -> Shape:
        return y_shape


OPERATORS: dict[str, tuple[Operator, Shape]] = {
    "blur": (Blur(KERNEL), (3, 5, 7)),
    "downsample": (Downsample(3, "bicubic"), (3, 9, 9)),
    "mask": (Mask(random_mask(5, 7, 0.4, seed=1)), (3, 5, 7)),
    "curve": (Curve(), (3, 5, 7)),
}
"""Each with the (C, H, W) of its pictures: odd, prime or not square."""


def smooth_covariance(shape: Shape, reach: float = 3.0) -> Tensor:
    """Of pictures with standard deviation 0.25, whose pixels correlate over `reach`."""
    channels, height, width = shape
    grid = torch.cartesian_prod(torch.arange(height), torch.arange(width)).double()
    near = torch.exp(-torch.cdist(grid, grid) / reach)
    colours = 0.2 * torch.eye(channels, dtype=torch.float64) + 0.8
    return 0.25**2 * torch.kron(colours, near)


def pixel_prior(shape: Shape, schedule: Schedule) -> GaussianPrior:
    """Smooth pictures around grey."""
    count = math.prod(shape)
    grey = torch.full((count,), 0.5, dtype=torch.float64)
    return GaussianPrior(grey, smooth_covariance(shape), schedule)


def latent_prior(shape: Shape, schedule: Schedule, size: int = 40) -> GaussianPrior:
    """The same pictures in their first principal components, in units of half the range."""
    values, vectors = torch.linalg.eigh(smooth_covariance(shape))
    grey = torch.full((math.prod(shape),), 0.5, dtype=torch.float64)
    decoder = LinearDecoder(0.5 * vectors[:, -size:], grey, shape)
    return GaussianPrior(
        torch.zeros(size, dtype=torch.float64), torch.diag(4 * values[-size:]), schedule, decoder
    )


class Mixed(Prior):
    """States (B, 2, H, W) are two mixtures of the three colours, from a decoder that bends.

    The encoder is linear, so that solvers may put P = its transpose in the decoder's place.
    """

    rows = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0]]) / torch.tensor([[3.0], [2.0]]).sqrt()
    unit = 0.5

    def __init__(self, shape: Shape, schedule: Schedule) -> None:
        self.shape, self.schedule = (2, *shape[1:]), schedule
        colours = torch.kron(2 * self.rows, torch.eye(math.prod(shape[1:]))).double()
        mean = colours @ torch.full((math.prod(shape),), 0.5, dtype=torch.float64)
        covariance = colours @ smooth_covariance(shape) @ colours.T
        self.inner = GaussianPrior(mean, covariance, schedule)

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        return self.inner.denoise(x, level)

    def encode(self, image: Tensor) -> Tensor:
        mixed: Tensor = torch.einsum("kc,bchw->bkhw", 2 * self.rows.to(image), image)
        return mixed

    def decode(self, x: Tensor) -> Tensor:
        plain: Tensor = torch.einsum("kc,bkhw->bchw", self.rows.to(x) / 2, x)
        lost = torch.linalg.cross(self.rows[0], self.rows[1]).to(x)
        bend: Tensor = 0.02 * x[:, :1].sin() * lost[:, None, None]
        return plain + bend

    def state_shape(self, image_shape: Shape) -> Shape:
        return (image_shape[0], 2, *image_shape[2:])


PRIORS: dict[str, Callable[[Shape, Schedule], Prior]] = {
    "pixel": pixel_prior,
    "latent": latent_prior,
    "linear": Mixed,
}


def picture(shape: Shape, count: int, seed: int = 0) -> Tensor:
    """Pictures (count, C, H, W) of the smooth prior, float32."""
    return draw(pixel_prior(shape, Flow()), count, seed).view(count, *shape).float()


class Counting(Prior):
    """A prior that counts its evaluations, times the images of the batch apart."""

    def __init__(self, inner: Prior) -> None:
        self.inner, self.evaluations = inner, 0
        self.schedule, self.unit, self.multiple = inner.schedule, inner.unit, inner.multiple

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        self.evaluations += 1
        return self.inner.denoise(x, level)

    def encode(self, image: Tensor) -> Tensor:
        return self.inner.encode(image)

    def decode(self, x: Tensor) -> Tensor:
        return self.inner.decode(x)

    def state_shape(self, image_shape: Shape) -> Shape:
        return self.inner.state_shape(image_shape)
