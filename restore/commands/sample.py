"""sample: pictures that a prior makes up, and photos sent to its noise and back."""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from restore import spec
from restore.commands.batch import Manner, process, together, write_stream
from restore.commands.failure import FAILED, OK, Refusal
from restore.commands.files import STREAM, Found, Job, plan, read_source
from restore.commands.parameters import checked
from restore.commands.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from priors.base import Prior
    from restore.photo import Photo
    from restore.restorer import Restorer

FOLDER = "out/samples"
ALONE = ("count", "eta", "sheet")
"""Options that a round trip does not take."""


def run(output: str | None, given: dict[str, Any], manner: Manner) -> int:
    """Draw samples into files, or report a round trip; the exit code."""
    options = checked(spec.Sample, given)
    if options.round_trip is not None:
        foreign = [f"--{name}" for name in ALONE if name in given] + ["-o"] * (output is not None)
        if foreign:
            told = f"--round-trip measures a photo and draws nothing; leave {foreign[0]} out"
            raise Refusal(told)
        return _round_trip(options, options.round_trip, manner)
    last = options.seed + options.count - 1
    if options.sheet:
        drawn = {f"seeds {options.seed} to {last}": range(options.seed, last + 1)}
    else:
        drawn = {f"seed {seed}": range(seed, seed + 1) for seed in range(options.seed, last + 1)}
    sampler = _Sampler(options, drawn, manner.overwrite)
    jobs = sampler.jobs(FOLDER if output is None else output)
    if manner.overwrite or any(not os.path.exists(job.target) for job in jobs):
        sampler.prepare()
    return process(jobs, (), sampler, manner)


class _Sampler:
    """Draws one picture a seed, or one sheet; drawn: the seeds of each picture by its name."""

    def __init__(
        self, options: spec.Sample, drawn: Mapping[str, Sequence[int]], overwrite: bool
    ) -> None:
        self.options, self.drawn, self.overwrite = options, drawn, overwrite

    def jobs(self, output: str) -> list[Job]:
        """What is to be written; Refusal where one file is named for several pictures."""
        found = [
            Found(name, Path("samples.png" if self.options.sheet else f"sample-{seeds[0]}.png"))
            for name, seeds in self.drawn.items()
        ]
        try:
            return plan(found, output, "")
        except Refusal as refusal:
            if len(found) == 1:
                raise
            told = f"-o {output}: takes one picture, not {len(found)}; name a folder or add --sheet"
            raise Refusal(told) from refusal

    def prepare(self) -> None:
        """Load the prior before the first picture; Refusal of a size that it does not take."""
        self.restorer, size = _restorer(self.options), self.options.size
        multiple = self.restorer.prior.multiple
        if size % multiple:
            near = max(round(size / multiple), 1) * multiple
            raise Refusal(
                f"--size {size}: this prior takes multiples of {multiple}, such as {near}"
            )

    def __call__(self, job: Job, progress: Progress) -> dict[str, Any]:
        """Draw and write one job; its report goes into the picture's metadata."""
        from restore.images import write
        from restore.photo import Photo
        from restore.preparation import installed_version

        seeds = self.drawn[job.source]
        pictures = self._pictures(seeds, progress)
        photo = _sheet(pictures, seeds) if self.options.sheet else Photo(pictures[0])
        report: dict[str, Any] = {
            "photomend": installed_version(),
            "prior": self.restorer.prior_name,
        }
        report |= self.restorer.text | {"seeds": [*seeds]}
        report |= self.options.model_dump(include={"size", "steps", "eta"})
        if job.target == STREAM:
            write_stream(cast(bytes, replace(photo, kind="bytes", format="PNG").native()))
            return report
        with together([Path(job.target)]):
            write(photo, job.target, report=report, overwrite=self.overwrite)
        return report

    def _pictures(self, seeds: Sequence[int], progress: Progress) -> "list[Tensor]":
        import torch

        from operators import Seeds
        from restore.sampling import draw

        steps, eta, size = self.options.steps, self.options.eta, self.options.size
        like = torch.zeros(1, 3, size, size, device=self.restorer.device)
        prior = _watched(self.restorer.fitted_prior(tuple(like.shape)), progress)
        prior.total = len(seeds) * steps * (1 if eta else 2)
        return [draw(prior, like, Seeds(seed), steps=steps, eta=eta).cpu() for seed in seeds]


def _restorer(options: spec.Sample) -> "Restorer":
    """The prior on its device, given its text; TypeError where it reads none."""
    from restore.restorer import Restorer

    text = options.model_dump(include={"prompt", "negative", "guidance"})
    return Restorer(options.prior, **text)


def _watched(prior: "Prior", progress: Progress) -> Any:
    """The prior, telling the progress of every evaluation of `total`."""
    from restore.preparation import CountedPrior

    class Watched(CountedPrior):
        total = 0

        def denoise(self, x: Any, level: Any) -> Any:
            estimate = super().denoise(x, level)
            progress.step(self.evaluations, self.total)
            return estimate

    return Watched(prior)


def _sheet(pictures: "Sequence[Tensor]", seeds: Sequence[int]) -> "Photo":
    """The pictures in a square of rows."""
    import torch

    from restore.images import read
    from restore.sheet import sheet

    width = math.isqrt(len(pictures) - 1) + 1
    rows = []
    for first in range(0, len(pictures), width):
        row = list(pictures[first : first + width])
        label = f"seeds {seeds[first]} to {seeds[first + len(row) - 1]}"
        rows.append((label, row + [torch.ones_like(row[0])] * (width - len(row))))
    return read(sheet(rows, [""] * width))


def _round_trip(options: spec.Sample, source: str, manner: Manner) -> int:
    """Tell how well the photo comes back from the noise that the ODE makes of it."""
    from operators import Seeds
    from priors import picture_bits
    from restore.images import read
    from restore.sampling import round_trip

    photo = read(read_source(source))
    restorer = _restorer(options)
    multiple, sides = restorer.prior.multiple, photo.pixels.shape[2:]
    height, width = (min(side, options.size) // multiple * multiple for side in sides)
    if not height or not width:
        raise Refusal(f"{source}: this prior needs {multiple} x {multiple} pixels or more", FAILED)
    top, left = (sides[0] - height) // 2, (sides[1] - width) // 2
    image = photo.pixels[:, :, top : top + height, left : left + width].to(restorer.device)
    prior = restorer.fitted_prior(tuple(image.shape))
    psnr, noise = round_trip(prior, image, options.steps)
    bits = picture_bits(prior, image, Seeds(options.seed), steps=options.steps)
    report = {
        "input": source,
        **{"size": [width, height], "steps": options.steps, "psnr": psnr.item()},
        **{"noise_mean": noise.mean().item(), "noise_std": noise.std().item()},
        "bits_per_dimension": bits.item(),
        **restorer.text,
    }
    line = (
        f"{source}: {width} x {height} pixels came back from noise with {psnr.item():.2f} dB "
        f"({options.steps} steps each way); the noise has mean {noise.mean().item():.3f} and "
        f"deviation {noise.std().item():.3f}; {bits.item():.2f} bits per dimension"
    )
    sys.stdout.write((json.dumps(report) if manner.as_json else line) + "\n")
    return OK
