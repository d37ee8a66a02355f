"""One cell of the benchmark: a picture and a task, measured, restored by every method, scored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from operators import LinearOperator, Measurement, Operator
from restore.bench.methods import Estimate, Method
from restore.bench.protocol import Picture, Task, measure
from restore.bench.records import Cache, Record, question
from restore.certificate import certify
from restore.images import read, write
from restore.metrics import psnr, ssim
from restore.solvers import Divergence

SEEDS_APART = 100_000
"""Between the seeds of two runs: image i restores with seed i + SEEDS_APART times the run's."""


class Scores(NamedTuple):
    """records, under the labels of their methods; failures, a line each, of those without."""

    records: list[Record]
    failures: list[str]


@dataclass(frozen=True, eq=False)
class Cells:
    """What all cells of a run at one noise level share.

    lpips: (x, reference) -> (B,), None where it cannot be had. shown: indices of the pictures whose
    estimates are kept as files, for the contact sheet. cache: what is known already.
    """

    sigma: float
    seed: int
    lpips: Callable[[Tensor, Tensor], Tensor] | None
    output: Path
    shown: frozenset[int]
    cache: Cache

    def missing(self, picture: Picture, task: Task, methods: Sequence[Method]) -> int:
        """How many estimates `score` would have to make."""
        return sum(self._known(picture, task, method) is None for method in methods)

    @torch.no_grad()
    def score(
        self,
        picture: Picture,
        task: Task,
        methods: Sequence[Method],
        made: Callable[[], None] = lambda: None,
    ) -> Scores:
        """Score the methods on a picture; it is measured only if one of them is not known yet.

        made is called after every estimate. A method that refuses the task, or diverges, fails.
        """
        measurement = None
        scores = Scores([], [])
        for method in methods:
            record = self._known(picture, task, method)
            if record is None:
                measurement = measurement or measure(task, picture, self.sigma, self.seed)
                try:
                    estimate = method(measurement, task, picture.index + SEEDS_APART * self.seed)
                except (Divergence, TypeError, ValueError) as error:
                    where = f"{picture.group}/{picture.name}, {task.name}, sigma {self.sigma:g}"
                    scores.failures.append(f"{method.label} on {where}: {error}")
                    continue
                finally:
                    made()
                record = self._scored(estimate, measurement, picture, task, method)
            scores.records.append(replace(record, method=method.label))
        return scores

    def file(self, picture: Picture, task: Task, label: str) -> Path:
        """Where the estimate of a shown picture by the method of a label is kept."""
        name = f"{picture.group}-{picture.name}-{label.replace(':', '.')}-{self.sigma:g}.png"
        return self.output / "pictures" / task.name / name

    def _known(self, picture: Picture, task: Task, method: Method) -> Record | None:
        """The record that needs no estimate; its picture, where it is shown, is on disk."""
        file = self.file(picture, task, method.label)
        if picture.index in self.shown and not file.is_file():
            return None
        asked = self._asked(picture, task, method)
        return self.cache.get(question(**asked), lpips=self.lpips is not None)

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

    def _scored(
        self,
        estimate: Estimate,
        measurement: Measurement[LinearOperator],
        picture: Picture,
        task: Task,
        method: Method,
    ) -> Record:
        x, truth = estimate.pixels, picture.pixels
        if picture.index in self.shown:
            file = self.file(picture, task, method.label)
            file.parent.mkdir(parents=True, exist_ok=True)
            write(read(x), file, overwrite=True)
        record = Record(
            **self._asked(picture, task, method),
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
