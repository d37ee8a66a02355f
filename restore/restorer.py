"""A prior and a solver, ready to restore measurements: pads, runs, polishes, certifies, reports."""

import time
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from operators.base import LinearOperator, Operator
from operators.measurement import Measurement
from operators.noise import Noise
from operators.seeds import Seeds
from priors.base import Prior, Shape
from restore import device as devices
from restore import solvers
from restore.certificate import certify
from restore.images import Photo, read
from restore.preparation import (
    CALL,
    OWN,
    CountedPrior,
    check_fit,
    check_measured,
    checked_tile,
    explained,
    image_seeds,
    installed_version,
    loaded,
    noise_model,
    padding,
)
from restore.result import Result
from restore.solvers import Divergence, Solver, State
from restore.solvers.base import ADVICE, QUANTISATION

TILE_ABOVE = 1024 * 1024
"""Pictures of more pixels than this are tiled when `tile` is "auto"."""


class Restorer:
    """Restores measurements with one prior and one solver; reusable, and holds the networks.

    prior: "embedded", a diffusers directory, a hub id, or a `Prior`. solver: a name,
    "module:function" or a function. device: auto, cpu, cuda, cuda:N, mps. dtype of the networks:
    auto, float32, bfloat16, float16. tile: side of the windows in pixels, 0 for none, "auto" for
    windows of 512 above a megapixel. options: of the solver, defaults of every call.
    ValueError and TypeError name, first of all, what is unknown and what is near; PriorError.
    """

    def __init__(
        self,
        prior: str | Prior = "embedded",
        solver: str | Solver = "dpir",
        *,
        device: str = "auto",
        dtype: str = "auto",
        tile: int | str = "auto",
        offline: bool = False,
        **options: Any,
    ) -> None:
        self.solver = solvers.get(solver) if isinstance(solver, str) else solver
        solvers.check_options(self.solver, options, also=OWN)
        self.device = devices.device(device)
        self.prior_name = prior if isinstance(prior, str) else type(prior).__name__
        self.tile = checked_tile(tile)
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
    ) -> "Restoration":
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

    def fitted_prior(self, shape: Shape) -> "CountedPrior":
        """The prior for pictures of a shape: tiled if they are large, its evaluations counted."""
        tile = self.tile
        if tile is None:
            tile = 512 if shape[2] * shape[3] > TILE_ABOVE else 0
        if not tile:
            return CountedPrior(self.prior)
        from priors.tiled import Tiled

        tiled = Tiled(self.prior, tile, overlap=min(64, tile // 4))
        return CountedPrior(tiled)


class Restoration(Iterator[State]):
    """A restoration under way: iterate for the states, then ask for the result."""

    def __init__(
        self,
        restorer: Restorer,
        measurement: Measurement[Operator],
        photo: Photo | None,
        seeds: tuple[int, ...],
        samples: int,
        polish: bool,
        options: dict[str, Any],
        estimated: bool,
    ) -> None:
        self.restorer, self.measurement, self.photo = restorer, measurement, photo
        self.seeds, self.samples, self.polish = seeds, samples, polish
        self.options, self.estimated = options, estimated
        self.shape = measurement.image_shape
        self.prior = restorer.fitted_prior(self.shape)
        self.frame = padding(self.shape, self.prior.multiple)
        padded = measurement.operator @ self.frame if self.frame else measurement.operator
        self.padded = Measurement(measurement.y, padded, measurement.noise)
        self._pictures: list[Tensor] = []
        self._states = self._run()
        self._state: State | None = None
        self._seconds = 0.0

    def __next__(self) -> State:
        began = time.perf_counter()
        try:
            self._state = next(self._states)
        except Divergence as error:
            raise explained(error, self.restorer.solver, self.prior, self.restorer.dtype) from error
        self._seconds += time.perf_counter() - began
        return self._state

    def close(self) -> None:
        """Stop now; what was finished is kept."""
        self._states.close()

    @torch.no_grad()
    def preview(self) -> Tensor:
        """The picture (B, 3, H, W) in [0, 1] of the last state; ValueError before it."""
        if self._state is None:
            raise ValueError("preview: no step is done yet; iterate first")
        return self._picture(self._state, polish=False)

    @torch.no_grad()
    def result(self) -> Result:
        """The restored picture; ValueError unless the restoration was iterated to its end."""
        if len(self._pictures) < self.samples:
            raise ValueError("result: the restoration is not finished; iterate it to the end")
        samples = torch.stack(self._pictures)
        pixels = samples.mean(0)
        spread = samples.std(0).cpu() if self.samples > 1 else None
        report = self._report(pixels)
        return Result(pixels.cpu(), samples.cpu(), spread, report, self.photo)

    def _run(self) -> Generator[State]:
        for k in range(self.samples):
            # one stream of numbers an image and sample; far apart, so that images do not share them
            seeds = Seeds(*(seed + 1_000_003 * k for seed in self.seeds))
            state = None
            solver = self.restorer.solver(self.padded, self.prior, seeds, **self.options)
            for state in solver:
                done = k * state.steps + state.step
                yield state._replace(step=done, steps=self.samples * state.steps)
            if state is None:
                raise ValueError("solver: it ended without a single state")
            self._pictures.append(self._picture(state, polish=self.polish))

    @torch.no_grad()
    def _picture(self, state: State, *, polish: bool) -> Tensor:
        picture = self.prior.decode(state.x0)
        if self.frame:
            picture = self.frame(picture)
        operator = self.measurement.operator
        if polish and isinstance(operator, LinearOperator):
            picture = operator.prox(picture, self.measurement.y, self._polish_weight())
        if not bool(picture.isfinite().all()):
            raise Divergence(
                f"step {state.step} of {state.steps}: its picture is NaN or infinite; {ADVICE}"
            )
        return picture.clamp(0, 1)

    def _polish_weight(self) -> float:
        """The data against what the solver leaves open, taken as 0.02 of the range."""
        return (0.02 / max(self.measurement.sigma, QUANTISATION)) ** 2

    def _report(self, pixels: Tensor) -> dict[str, Any]:
        solver = self.restorer.solver
        defaults = {k: p.default for k, p in solvers.options(solver).items()}
        return {
            "photomend": installed_version(),
            "solver": solvers.title(solver),
            "options": {**defaults, **self.options},
            "operator": repr(self.measurement.operator),
            "noise": {"model": repr(self.measurement.noise), "estimated": self.estimated},
            "prior": self.restorer.prior_name,
            "seeds": list(self.seeds),
            "samples": self.samples,
            "polish": self.polish,
            "size": [self.shape[3], self.shape[2]],
            "device": str(self.restorer.device),
            "dtype": self.restorer.dtype,
            "evaluations": self.prior.evaluations,
            "seconds": round(self._seconds, 3),
            "peak_memory_bytes": devices.peak_memory(),
            "certificate": certify(self.measurement, pixels).to_dict(),
        }
