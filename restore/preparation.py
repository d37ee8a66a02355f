"""What a restoration needs before its first step: prior, noise, padding, a count of evaluations."""

import math
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from operators.base import Operator
from operators.mask import Crop
from operators.measurement import Measurement, require_finite
from operators.noise import Gaussian, Noise
from priors.base import Prior, Shape
from priors.schedule import Level
from priors.tiled import Tiled, is_out_of_memory
from restore import solvers
from restore.noise_level import estimate_sigma
from restore.solvers import Divergence, Solver

OWN = (
    *("prior", "prompt", "negative", "guidance", "solver", "device", "dtype", "tile"),
    *("max_memory", "low_memory", "offline"),
)
"""Options of a restorer that are none of the solver's."""
CALL = ("noise", "seed", "samples", "polish")
"""Those of a call."""
MOST = 256
"""Values of the picture for each that was measured: enlarging 16 times."""


class CountedPrior(Prior):
    """A prior that counts how often its network is asked, and remembers the last level."""

    def __init__(self, prior: Prior, counter: "CountedPrior | None" = None) -> None:
        """counter: which counts and remembers for this one too."""
        self.prior, self.evaluations = prior, 0
        self.at_once = 1
        self.counter = counter or self
        self.level: Level | None = None
        self.schedule, self.multiple, self.unit = prior.schedule, prior.multiple, prior.unit

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """As the prior; one evaluation more, of each sample."""
        self.counter.evaluations += self.counter.at_once
        self.counter.level = level
        return self.prior.denoise(x, level)

    @property
    def embedding(self) -> Tensor | None:
        """As the prior."""
        return self.prior.embedding

    def with_embedding(self, embedding: Tensor) -> "CountedPrior":
        """The prior with another embedding, counted here."""
        return CountedPrior(self.prior.with_embedding(embedding), self.counter)

    def encode(self, image: Tensor) -> Tensor:
        """As the prior."""
        return self.prior.encode(image)

    def decode(self, x: Tensor) -> Tensor:
        """As the prior."""
        return self.prior.decode(x)

    def state_shape(self, image_shape: Shape) -> Shape:
        """As the prior."""
        return self.prior.state_shape(image_shape)

    def halve(self, error: Exception, shape: Shape) -> bool:
        """Halve the windows of pictures of a shape if memory was short; whether that was done."""
        tiled = self.prior
        return isinstance(tiled, Tiled) and is_out_of_memory(error) and tiled.halve(max(shape[2:]))

    def windows(self, shape: Shape) -> dict[str, int]:
        """Side of the windows of pictures of a shape, 0 for none; how often memory halved it."""
        if not isinstance(self.prior, Tiled):
            return {"tile": 0, "halved": 0}
        tile = self.prior.tile
        return {"tile": tile if tile < max(shape[2:]) else 0, "halved": self.prior.halvings}


@lru_cache(maxsize=2)
def loaded(
    name: str, precision: torch.dtype, where: str, offline: bool, low_memory: bool = False
) -> Prior:
    """A prior by name on a device, kept for the next call."""
    from priors.hub import load

    saving = dict.fromkeys(("slicing", "checkpointing", "offload"), low_memory)
    prior: Any = load(name, dtype=precision, offline=offline, **saving)
    moved: Prior = prior.to(where)
    return moved


def with_text(prior: Prior, name: str, prompt: str, negative: str, guidance: float) -> Prior:
    """The prior given a text, or as it is without one; TypeError where it reads none."""
    if not prompt and not negative and guidance == 1:
        return prior
    try:
        return prior.with_text(prompt, negative, guidance)
    except TypeError as error:
        raise TypeError(
            f"prompt: the prior {name} reads no text; leave the prompt out, or take one that does"
        ) from error


def noise_model(noise: float | Noise | None, pixels: Tensor) -> tuple[Noise, bool]:
    """The noise of a measurement, and whether it had to be estimated.

    ValueError when it is a number that is negative, NaN or infinite; TypeError for no noise at all.
    """
    if noise is None:
        return Gaussian(float(estimate_sigma(at_least(16, pixels.float())).mean())), True
    given: Any = noise  # also a number of numpy
    if isinstance(given, Real):
        sigma = float(given)
        if not 0 <= sigma < math.inf:
            raise ValueError(
                f"noise: got {sigma}; give its standard deviation sigma on [0, 1], a finite number "
                ">= 0 (0: exact but for the rounding of 8 bits), or None to have it estimated"
            )
        return Gaussian(sigma), False
    if not hasattr(given, "variance"):
        raise TypeError(f"noise: got {given!r}; give a number, a noise model or None")
    return given, False


def image_seeds(seed: int | Sequence[int], count: int) -> tuple[int, ...]:
    """One seed an image: those given, or counted up from one; ValueError for another count."""
    seeds = tuple(range(seed, seed + count)) if isinstance(seed, int) else tuple(seed)
    if len(seeds) != count:
        raise ValueError(f"seed: got {len(seeds)} for {count} images; give one an image")
    return seeds


def check_measured(y: Tensor) -> None:
    """ValueError unless y is a floating-point measurement (B, C, h, w) of finite values."""
    if y.ndim != 4 or 0 in y.shape or not y.is_floating_point():
        raise ValueError(
            f"y: got {tuple(y.shape)} of {str(y.dtype).removeprefix('torch.')}; give a "
            "floating-point tensor (B, C, h, w) on the [0, 1] scale"
        )
    require_finite("y", y)


@torch.no_grad()
def check_fit(measurement: Measurement[Operator]) -> None:
    """ValueError when the operator gives no measurement of y's shape: mask, kernel, factor."""
    y, operator = measurement.y, measurement.operator
    shape = tuple(y.shape)
    if math.prod(measurement.image_shape) > max(2**20, MOST * y.numel()):
        raise ValueError(f"y: shape {shape} is too small for {operator!r}; check its kernel")
    try:
        found = tuple(operator(y.new_zeros(measurement.image_shape)).shape)
    except ValueError as error:
        raise ValueError(f"y: shape {shape} does not fit {operator!r} ({error})") from error
    if found != shape:
        raise ValueError(f"y: shape {shape} where {operator!r} gives {found}; one of them is wrong")


def at_least(side: int, pixels: Tensor) -> Tensor:
    """Thin pictures, edges repeated until both sides reach `side`."""
    rows, columns = (max(0, side - length) for length in pixels.shape[2:])
    return torch.nn.functional.pad(pixels, (0, columns, 0, rows), mode="replicate")


def padding(shape: Shape, multiple: int) -> Crop | None:
    """The window that a picture is of one whose sides the prior takes; None where it takes them."""
    height, width = shape[2:]
    tall, wide = (-(-side // multiple) * multiple for side in (height, width))
    if (tall, wide) == (height, width):
        return None
    return Crop((tall - height) // 2, (wide - width) // 2, height, width, tall, wide)


def checked_tile(tile: int | str) -> int | None:
    """The side of the windows, 0 for none, None for "auto"; ValueError otherwise."""
    if tile == "auto":
        return None
    try:
        side = int(tile)
    except ValueError:
        side = -1
    if side != 0 and side < 64:
        raise ValueError(f'tile: got {tile!r}; give 0 for none, "auto", or at least 64 pixels')
    return side


def explained(error: Divergence, solver: Solver, prior: CountedPrior, dtype: str) -> Divergence:
    """The error with the solver, the noise level, and what of this restoration may be changed."""
    level = prior.level
    noise = "" if level is None else f" at noise level {level.ratio * prior.unit:.3g} of [0, 1]"
    strengths = [name for name in ("gamma", "lambda_", "zeta") if name in solvers.options(solver)]
    advice = f" ({', '.join(strengths)})" if strengths else ""
    advice += f", or dtype float32 for {dtype}" if dtype in ("float16", "bfloat16") else ""
    return Divergence(f"{solvers.title(solver)}{noise}, {error}{advice}")


def installed_version() -> str:
    """The version of photomend, or "unknown" when it runs uninstalled."""
    try:
        return version("photomend")
    except PackageNotFoundError:
        return "unknown"
