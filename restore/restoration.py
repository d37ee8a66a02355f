"""A restoration under way: its states to iterate over, then its result, polished and certified."""

import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from operators.base import LinearOperator, Operator
from operators.exposure import Exposure
from operators.linearised import Bent, Diagonal, linearised, projected
from operators.measurement import Measurement
from operators.noise import Noise
from operators.seeds import Seeds
from priors.tiled import is_out_of_memory
from restore import device as devices
from restore import solvers, uncertainty
from restore.certificate import certify
from restore.images import Photo
from restore.memory import COMPRESSED, PICTURE
from restore.metrics import psnr
from restore.pictured import pictured_by
from restore.preparation import explained, installed_version, padding
from restore.result import Result
from restore.solvers import Divergence, State
from restore.solvers.base import ADVICE, QUANTISATION

if TYPE_CHECKING:
    from restore.restorer import Restorer

LOSSLESS = 100.0
"""PSNR in dB beyond which an autoencoder loses nothing but the last bits of floating point."""

OPEN = 0.02
"""What a solver leaves open in a picture, of the range."""


class Restoration(Iterator[State]):
    """A restoration under way: iterate for the states, then ask for the result."""

    def __init__(
        self,
        restorer: "Restorer",
        measurement: Measurement[Operator],
        photo: Photo | None,
        seeds: tuple[int, ...],
        samples: int,
        polish: bool,
        by_size: bool,
        judged_by: Noise,
        removed: float,
        options: dict[str, Any],
        estimated: bool,
    ) -> None:
        self.restorer, self.measurement, self.photo = restorer, measurement, photo
        self.seeds, self.samples, self.polish = seeds, samples, polish
        self.by_size, self.options, self.estimated = by_size, options, estimated
        self.judged, self.removed = replace(measurement, noise=judged_by), removed
        self.shape = measurement.image_shape
        operator = measurement.operator
        filed = isinstance(operator, Exposure) and operator.camera.jpeg is not None
        each = COMPRESSED if filed else PICTURE
        self.prior = restorer.fitted_prior(self.shape, samples, each)
        self.at_once = restorer.at_once(self.shape, samples, each)
        self.frame = padding(self.shape, self.prior.multiple)
        # The prior knows no brighter than white: it is shown such pictures as if exposed less.
        self.headroom = operator.headroom(measurement) if isinstance(operator, Bent) else None
        self._pictures: list[Tensor] = []
        self._states = self._run()
        self._state: State | None = None
        self._seconds = 0.0

    def __next__(self) -> State:
        began = time.perf_counter()
        try:
            with devices.repeatable(self.restorer.device):
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
        return self._picture(self._state, polish=False)[: self.shape[0]].clamp(max=1)

    @torch.no_grad()
    def result(self) -> Result:
        """The restored picture; ValueError unless the restoration was iterated to its end."""
        if len(self._pictures) < self.samples:
            raise ValueError("result: the restoration is not finished; iterate it to the end")
        first, *others = self._pictures
        samples = torch.stack(self._pictures) if others else first[None]
        pixels = samples.mean(0) if others else first
        spread = samples.std(0).cpu() if self.samples > 1 else None
        report = self._report(pixels)
        samples = samples.clamp(max=1)
        pixels = pixels.clamp(max=1) if others else samples[0]  # one picture, held once
        pixels, samples, hole = pixels.cpu(), samples.cpu(), None
        if others:
            hole = uncertainty.holes(self.measurement.operator, self.measurement.y)
            hole = None if hole is None else hole.cpu()
            report["uncertainty"] = uncertainty.summary(samples, hole)
        return Result(pixels, samples, spread, report, self.photo, hole=hole)

    def _run(self) -> Generator[State]:
        while (done := len(self._pictures)) < self.samples:
            state = None
            for state in self._sampled(done):
                step = done * state.steps + state.step * min(self.at_once, self.samples - done)
                yield state._replace(step=step, steps=self.samples * state.steps)
            if state is None:
                raise ValueError("solver: it ended without a single state")
            pictures = self._picture(state, polish=self.polish)
            self._pictures += pictures.split(self.shape[0])

    def _sampled(self, done: int) -> Iterator[State]:
        """The states of the next samples; again from the first, of fewer or in smaller windows,
        if memory is short."""
        while True:
            next_ones = range(done, min(done + self.at_once, self.samples))
            # one stream of numbers an image and sample; far apart, so that images do not share them
            seeds = Seeds(*(seed + 1_000_003 * k for k in next_ones for seed in self.seeds))
            self.prior.at_once = len(next_ones)
            try:
                seen = self._seen(len(next_ones))
                yield from self.restorer.solver(seen, self.prior, seeds, **self.options)
                return
            except (MemoryError, RuntimeError) as error:
                if is_out_of_memory(error) and self.at_once > 1:
                    self.at_once //= 2
                elif not self.prior.halve(error, self.shape):
                    raise

    def _seen(self, count: int) -> Measurement[Operator]:
        """What the solver sees: so many samples of pictures that suit the prior."""
        seen = _repeated(self.measurement, count)
        operator = seen.operator @ self.frame if self.frame else seen.operator
        if self.headroom is not None:
            operator = operator @ Diagonal(self.headroom.repeat(count, 1, 1, 1))
        return Measurement(seen.y, operator, seen.noise)

    @torch.no_grad()
    def _picture(self, state: State, *, polish: bool) -> Tensor:
        picture = self.prior.decode(state.x0)
        if self.frame:
            picture = self.frame(picture)
        count = len(picture) // self.shape[0]
        if self.headroom is not None:
            picture = picture * self.headroom.repeat(count, 1, 1, 1)
        measurement = _repeated(self.measurement, count)
        seen = linearised(measurement, picture, OPEN)
        if polish and isinstance(seen.operator, LinearOperator):
            picture = seen.operator.prox(picture, seen.y, _polish_weight(seen))
            picture = projected(measurement, picture)
        if not bool(picture.isfinite().all()):
            raise Divergence(
                f"step {state.step} of {state.steps}: its picture is NaN or infinite; {ADVICE}"
            )
        # Lights may be brighter than white for a camera, which clips what it sees of them.
        bright = isinstance(self.measurement.operator, Bent)
        return picture.clamp(0, None if bright else 1)

    @torch.no_grad()
    def _ceiling(self, pixels: Tensor) -> list[float | None]:
        """PSNR in dB after a way through the autoencoder, per image; None where it is lossless."""
        frame, framed = self.frame, pixels
        if frame:
            below = frame.image_height - frame.top - frame.height
            right = frame.image_width - frame.left - frame.width
            framed = pad(pixels, (frame.left, right, frame.top, below), mode="replicate")
        again = self.prior.decode(self.prior.encode(framed))
        kept = psnr(frame(again) if frame else again, pixels).tolist()
        return [round(one, 2) if one < LOSSLESS else None for one in kept]

    def _report(self, pixels: Tensor) -> dict[str, Any]:
        solver, operator = self.restorer.solver, self.measurement.operator
        defaults = {k: p.default for k, p in solvers.options(solver).items()}
        return {
            "photomend": installed_version(),
            "solver": solvers.title(solver),
            "options": {**defaults, **self.options},
            "operator": repr(operator),
            "noise": {"model": repr(self.measurement.noise), "estimated": self.estimated},
            "prior": self.restorer.prior_name,
            **self.restorer.text,
            "seeds": list(self.seeds),
            "samples": self.samples,
            "polish": self.polish,
            "size": [self.shape[3], self.shape[2]],
            "device": str(self.restorer.device),
            "dtype": self.restorer.dtype,
            **self.prior.windows(self.shape),
            "evaluations": self.prior.evaluations,
            "seconds": round(self._seconds, 3),
            "peak_memory_bytes": devices.peak_memory(),
            **(operator.told(self.measurement, pixels) if isinstance(operator, Bent) else {}),
            "prior_ceiling_db": self._ceiling(pixels),
            "certificate": certify(
                self.judged,
                pixels,
                by_size=self.by_size,
                removed=self.removed,
                pictured=None if self.removed else pictured_by(self.restorer, self.judged),
            ).to_dict(),
        }


def _repeated(measurement: Measurement[Operator], count: int) -> Measurement[Operator]:
    """The measurement of so many samples of its pictures; what it has one of serves all."""
    if count == 1:
        return measurement
    return Measurement(
        measurement.y.repeat(count, 1, 1, 1), measurement.operator, measurement.noise
    )


def _polish_weight(measurement: Measurement[Operator]) -> float:
    """The data against what the solver leaves open."""
    return (OPEN / max(measurement.sigma, QUANTISATION)) ** 2
