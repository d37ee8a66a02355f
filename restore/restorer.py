"""A prior and a solver, ready to restore measurements."""

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
from restore.memory import TILES, fitting_tile, room
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
    the memory of a graphics card; by default what is free. Windows shrink to fit. options: of the
    solver, defaults of every call.
    ValueError and TypeError name, first of all, what is unknown and what is near; PriorError.
    """

    def __init__(
        self,
        prior: str | Prior = "embedded",
        solver: str | Solver = "tradeoff",
        *,
        device: str = "auto",
        dtype: str = "auto",
        tile: int | str = "auto",
        max_memory: int | str | None = None,
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
            loaded(prior, precision, str(self.device), offline) if isinstance(prior, str) else prior
        )
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
        **options: Any,
    ) -> Restoration:
        """A restoration to iterate step by step; leaving the loop cancels it.

        y: a picture (path, bytes, PIL, array) or a measurement tensor (B, C, h, w). noise: standard
        deviation on [0, 1], or a noise model; estimated from y when None; 0 is that of 8 bits, but
        refused by solvers whose likelihood needs more. seed: one integer for the first image (the
        next take the following ones), or one an image. samples: how many are drawn; their mean and
        spread are reported. polish: end with a projection onto the data. ValueError for a negative
        noise, samples < 1, a y that is not finite or not the operator's; TypeError for an operator
        or option that the solver does not take; PhotoError. solvers.Divergence while iterating.
        """
        solvers.check_options(self.solver, options, also=CALL)
        chosen = {**self.options, **options}
        solvers.check(self.solver, operator, chosen)
        photo = None if isinstance(y, Tensor) else read(y)
        pixels = y if photo is None else photo.pixels
        check_measured(pixels)
        if samples < 1:
            raise ValueError(f"samples: got {samples}; at least 1 is needed")
        model, estimated = noise_model(noise, pixels)
        measurement = Measurement(pixels.float(), operator, model).to(self.device)
        seeds = image_seeds(seed, len(pixels))
        check_fit(measurement)
        return Restoration(self, measurement, photo, seeds, samples, polish, chosen, estimated)

    def fitted_prior(self, shape: Shape, samples: int = 1) -> "CountedPrior":
        """The prior for so many pictures of a shape, its evaluations counted.

        Tiled where they are large or the memory small. NotEnoughMemory where it is too small.
        """
        whole = max(shape[2:])
        within = room(self.device, self.max_memory)
        if self.tile == 0:
            fitting_tile(shape, samples, (whole,), within)
            return CountedPrior(self.prior)
        wanted = self.tile or (TILES[0] if shape[2] * shape[3] > TILE_ABOVE else whole)
        smaller = [side for side in TILES if side < wanted]
        tile = fitting_tile(shape, samples, (wanted, *smaller), within)
        try:
            return CountedPrior(Tiled(self.prior, tile))
        except ValueError:  # its states are no grids
            if self.tile or tile < whole:
                raise
            return CountedPrior(self.prior)
