"""A prior and a solver, ready to restore measurements."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from operators.base import Operator
from operators.measurement import Measurement
from operators.noise import Noise
from priors.base import Prior, Shape
from priors.tiled import Tiled
from restore import device as devices
from restore import solvers
from restore.declared import as_bytes
from restore.images import read
from restore.memory import PICTURE, TILES, NotEnoughMemory, fitting_tile, room
from restore.preparation import (
    CALL,
    OWN,
    CountedPrior,
    check_fit,
    check_measured,
    checked_tile,
    image_seeds,
    loaded,
    noise_model,
    with_text,
)
from restore.restoration import Restoration
from restore.result import Result
from restore.solvers import Solver

TILE_ABOVE = 1024 * 1024
"""Pictures of more pixels than this are tiled when `tile` is "auto"."""


class Restorer:
    """Restores measurements with one prior and one solver; reusable, and holds the networks.

    prior: "embedded", a diffusers directory, a hub id, or a `Prior`. solver: a name,
    "module:function" or a function. device: auto, cpu, cuda, cuda:N, mps. dtype of the networks:
    auto, float32, bfloat16, float16. tile: side of the windows in pixels, 0 for none, "auto" for
    windows of 512 above a megapixel. max_memory: bytes, or "6GB", that this process may take, or of
    the memory of a graphics card; by default what is free. Windows shrink to fit. prompt, negative,
    guidance: what the picture shows, and what it does not; 1 is the prior's own, more follows the
    prompt more closely (`Prior.with_text`). low_memory: keep less of a large prior at hand, and
    compute again instead. options: of the solver, defaults of every call.
    ValueError and TypeError name, first of all, what is unknown and what is near; TypeError for a
    prompt where the prior reads none; PriorError.
    """

    def __init__(
        self,
        prior: str | Prior = "embedded",
        solver: str | Solver = "tradeoff",
        *,
        prompt: str | None = None,
        negative: str | None = None,
        guidance: float = 1.0,
        device: str = "auto",
        dtype: str = "auto",
        tile: int | str = "auto",
        max_memory: int | str | None = None,
        low_memory: bool = False,
        offline: bool = False,
        **options: Any,
    ) -> None:
        self.solver = solvers.get(solver) if isinstance(solver, str) else solver
        solvers.check_options(self.solver, options, also=OWN)
        self.device = devices.device(device)
        self.prior_name = prior if isinstance(prior, str) else type(prior).__name__
        self.tile = checked_tile(tile)
        self.max_memory = None if max_memory is None else as_bytes(max_memory)
        self.options = options
        precision = devices.dtype(dtype, self.device)
        self.prior = (
            loaded(prior, precision, str(self.device), offline, low_memory)
            if isinstance(prior, str)
            else prior
        )
        self.prior = with_text(self.prior, self.prior_name, prompt or "", negative or "", guidance)
        text = {"prompt": prompt, "negative": negative, "guidance": guidance}
        self.text = text if prompt or negative else {}
        self.dtype = str(precision).removeprefix("torch.") if isinstance(prior, str) else "its own"

    def __call__(
        self,
        y: Any,
        operator: Operator,
        *,
        noise: float | Noise | None = None,
        seed: int | Sequence[int] = 0,
        samples: int = 1,
        polish: bool = True,
        **options: Any,
    ) -> Result:
        """Restore y, observed through `operator`; arguments as of `stream`."""
        job = self.stream(
            y, operator, noise=noise, seed=seed, samples=samples, polish=polish, **options
        )
        for _ in job:
            pass
        return job.result()

    def stream(
        self,
        y: Any,
        operator: Operator,
        *,
        noise: float | Noise | None = None,
        seed: int | Sequence[int] = 0,
        samples: int = 1,
        polish: bool = True,
        by_size: bool = False,
        judged_by: Noise | None = None,
        removed: float = 0.0,
        **options: Any,
    ) -> Restoration:
        """A restoration to iterate step by step; leaving the loop cancels it.

        y: a picture (path, bytes, PIL, array) or a measurement tensor (B, C, h, w). noise: standard
        deviation on [0, 1], or a noise model; estimated from y when None; 0 is that of 8 bits, but
        refused by solvers whose likelihood needs more. seed: of the first image (the next take the
        following ones), or one an image. samples: how many are drawn; their mean and spread are
        reported. polish: end with a projection onto the data. by_size: judge by the size of what is
        left alone, as of an estimated operator; judged_by, removed: by other noise. ValueError for
        a negative noise, samples < 1, a y that is not finite or not the operator's; TypeError for
        an operator or option that the solver does not take; PhotoError; later solvers.Divergence.
        """
        solvers.check_options(self.solver, options, also=CALL)
        chosen = {**self.options, **options}
        solvers.check(self.solver, operator, chosen)
        photo = None if isinstance(y, Tensor) else read(y)
        check_measured(pixels := y if photo is None else photo.pixels)
        if samples < 1:
            raise ValueError(f"samples: got {samples}; at least 1 is needed")
        shape = operator.image_shape(tuple(pixels.shape))
        if math.prod(shape) > TILE_ABOVE:  # before noise and fit are looked at, which takes memory
            self.fitted_prior(shape, samples)
        model, estimated = noise_model(noise, pixels)
        check_fit(measurement := Measurement(pixels.float(), operator, model).to(self.device))
        seeds = image_seeds(seed, len(pixels))
        asked = (seeds, samples, polish, by_size, judged_by or model, removed, chosen, estimated)
        return Restoration(self, measurement, photo, *asked)

    def at_once(self, shape: Shape, samples: int, each: int = PICTURE) -> int:
        """How many of so many samples of pictures of a shape are drawn as one batch.

        One on a processor, where more gain nothing, and of several pictures, whose operators may
        have parts for each; else as many as the memory is said to hold, fewer if that proves wrong.
        """
        if self.device.type == "cpu" or shape[0] > 1:
            return 1
        within, count = room(self.device, self.max_memory), samples
        while count > 1:
            try:
                fitting_tile((count, *shape[1:]), samples, self._sides(shape)[:1], within, each)
                return count
            except NotEnoughMemory:
                count //= 2
        return 1

    def fitted_prior(self, shape: Shape, samples: int = 1, each: int = PICTURE) -> "CountedPrior":
        """The prior for so many pictures of a shape, its evaluations counted; each: bytes a value.

        Tiled where they are large or the memory small. NotEnoughMemory where it is too small.
        """
        sides = self._sides(shape)
        tile = fitting_tile(shape, samples, sides, room(self.device, self.max_memory), each)
        if self.tile == 0:
            return CountedPrior(self.prior.sized(shape))
        try:
            return CountedPrior(Tiled(self.prior, tile).sized(shape))
        except ValueError:  # its states are no grids
            if self.tile or tile < max(shape[2:]):
                raise
            return CountedPrior(self.prior.sized(shape))

    def _sides(self, shape: Shape) -> tuple[int, ...]:
        """Of windows for pictures of a shape: the one that is wished for, and smaller ones."""
        whole = max(shape[2:])
        if self.tile == 0:
            return (whole,)
        wanted = self.tile or (TILES[0] if shape[2] * shape[3] > TILE_ABOVE else whole)
        return (wanted, *(side for side in TILES if side < wanted))
