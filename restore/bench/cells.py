"""One cell of the benchmark: a picture and a task, measured, restored by every method, scored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from operators import LinearOperator, Measurement, Operator
from restore.bench.methods import Method
from restore.bench.protocol import Picture, Task, measure
from restore.bench.records import Cache, Record, question
from restore.certificate import certify
from restore.images import read, write
from restore.metrics import psnr, ssim

SEEDS_APART = 100_000
"""Between the seeds of two runs: image i restores with seed i + SEEDS_APART times the run's."""


@dataclass(frozen=True, eq=False)
class Cells:
    """What all cells of a run share.

    lpips: (x, reference) -> (B,), None where it cannot be had. shown: indices of the pictures whose
    estimates are kept as files, for the contact sheet. cache: what is known already.
    """

    sigma: float
    seed: int
    lpips: Callable[[Tensor, Tensor], Tensor] | None
    output: Path
    shown: frozenset[int]
    cache: Cache

    def score(self, picture: Picture, task: Task, methods: Sequence[Method]) -> list[Record]:
        """Score the methods on a picture; it is measured only if one of them is not known yet."""
        measurement = None
        records = []
        for method in methods:
            asked = self._asked(picture, task, method)
            record = self.cache.get(question(**asked), lpips=self.lpips is not None)
            if record is None or self._lacks_file(picture, task, method):
                measurement = measurement or measure(task, picture, self.sigma, self.seed)
                record = self._score(asked, measurement, picture, task, method)
            records.append(record)
        return records

    def file(self, picture: Picture, task: Task, method: str) -> Path:
        """Where the estimate of a shown picture is kept."""
        name = f"{picture.group}-{picture.name}-{method.replace(':', '.')}-{self.sigma:g}.png"
        return self.output / "pictures" / task.name / name

    def _lacks_file(self, picture: Picture, task: Task, method: Method) -> bool:
        file = self.file(picture, task, method.name)
        return picture.index in self.shown and not file.is_file()

    def _asked(self, picture: Picture, task: Task, method: Method) -> dict[str, Any]:
        return {
            "image": picture.name,
            "group": picture.group,
            "index": picture.index,
            "task": task.name,
            "method": method.name,
            "sigma": self.sigma,
            "size": picture.pixels.shape[-1],
            "seed": self.seed,
            "settings": method.settings(task, self.sigma),
        }

    @torch.no_grad()
    def _score(
        self,
        asked: dict[str, Any],
        measurement: Measurement[LinearOperator],
        picture: Picture,
        task: Task,
        method: Method,
    ) -> Record:
        estimate = method(measurement, task, picture.index + SEEDS_APART * self.seed)
        x, truth = estimate.pixels, picture.pixels
        if picture.index in self.shown:
            file = self.file(picture, task, method.name)
            file.parent.mkdir(parents=True, exist_ok=True)
            write(read(x), file, overwrite=True)
        record = Record(
            **asked,
            learned=method.learned,
            psnr=psnr(x, truth).item(),
            ssim=ssim(x, truth).item(),
            lpips=None if self.lpips is None else self.lpips(x, truth).item(),
            chi_square=certify(cast(Measurement[Operator], measurement), x).chi_square[0],
            evaluations=estimate.evaluations,
            seconds=estimate.seconds,
            peak_memory_bytes=estimate.peak_memory_bytes,
        )
        self.cache.add(record)
        return record
