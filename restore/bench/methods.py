"""What the benchmark compares: estimates of the image from a measurement, classical or learned."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from operators import LinearOperator, Measurement
from priors.base import Prior
from restore import solvers
from restore.bench.baselines import BASELINES, Baseline
from restore.bench.peers import IMDN, IMDN_FILE, filled, peer_file
from restore.bench.protocol import BenchError, Task
from restore.device import peak_memory
from restore.restorer import Restorer


@dataclass(frozen=True, eq=False)
class Estimate:
    """pixels (1, 3, H, W) in [0, 1], network evaluations, seconds, peak memory in bytes."""

    pixels: Tensor
    evaluations: int
    seconds: float
    peak_memory_bytes: int


class Method(Protocol):
    """A way from a measurement to an image; learned says whether a network takes part."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def learned(self) -> bool:
        """True for a solver with a learned prior and for a published network."""
        ...

    def knows(self, task: Task) -> bool:
        """Tell whether the method can be asked for that task."""
        ...

    def settings(self, task: Task, sigma: float) -> dict[str, Any]:
        """Everything that decides the estimate besides the measurement and the seed; JSON-able."""
        ...

    def __call__(self, measurement: Measurement[LinearOperator], task: Task, seed: int) -> Estimate:
        """Estimate the image."""
        ...


@dataclass(frozen=True)
class Classical:
    """A classical method with its tuned weight."""

    baseline: Baseline
    learned: bool = False

    @property
    def name(self) -> str:
        """The baseline's name."""
        return self.baseline.name

    def knows(self, task: Task) -> bool:
        """Tell whether its weight was tuned for the task."""
        return task.name in self.baseline.tasks

    def settings(self, task: Task, sigma: float) -> dict[str, Any]:
        """The weight."""
        return {"weight": float(f"{self.baseline.weight(task.name, sigma):.4g}")}

    def __call__(self, measurement: Measurement[LinearOperator], task: Task, seed: int) -> Estimate:
        """Estimate the image; there is nothing random in it."""
        _reset_peak_memory()
        began = time.perf_counter()
        pixels = self.baseline(measurement, task.name)
        return Estimate(pixels, 0, time.perf_counter() - began, peak_memory())


@dataclass(frozen=True, eq=False)
class Learned:
    """A solver with a learned prior, as users call it: `Restorer` with the noise told."""

    name: str
    restorer: Restorer
    learned: bool = True

    def knows(self, task: Task) -> bool:
        """True: every task is a linear operator."""
        return True

    def settings(self, task: Task, sigma: float) -> dict[str, Any]:
        """The prior and the solver's options, defaults included."""
        defaults = {k: p.default for k, p in solvers.options(self.restorer.solver).items()}
        options = {k: repr(v) for k, v in {**defaults, **self.restorer.options}.items()}
        return {"prior": self.restorer.prior_name, "dtype": self.restorer.dtype, **options}

    def __call__(self, measurement: Measurement[LinearOperator], task: Task, seed: int) -> Estimate:
        """Restore, with the seed of this image."""
        _reset_peak_memory()
        began = time.perf_counter()
        result = self.restorer(
            measurement.y, measurement.operator, noise=measurement.sigma, seed=seed
        )
        seconds = time.perf_counter() - began
        return Estimate(result.pixels, result.report["evaluations"], seconds, peak_memory())


@dataclass(frozen=True, eq=False)
class Published:
    """Somebody else's network, (1, 3, h, w) to the picture, trained for one task."""

    name: str
    task: str
    network: nn.Module
    file: Path
    learned: bool = True

    def knows(self, task: Task) -> bool:
        """Tell whether it was trained for the task."""
        return task.name == self.task

    def settings(self, task: Task, sigma: float) -> dict[str, Any]:
        """The weights; nothing else decides."""
        digest = hashlib.sha256(self.file.read_bytes()).hexdigest()
        return {"weights": self.file.name, "sha256": digest[:16]}

    def __call__(self, measurement: Measurement[LinearOperator], task: Task, seed: int) -> Estimate:
        """Estimate the image by one evaluation; there is nothing random in it."""
        _reset_peak_memory()
        began = time.perf_counter()
        pixels = self.network(measurement.y).clamp(0, 1)
        return Estimate(pixels, 1, time.perf_counter() - began, peak_memory())


def choose(
    names: Sequence[str] | None,
    tasks: Sequence[Task],
    prior: str | Prior,
    steps: int | None,
    peers: Path | None = None,
) -> list[Method]:
    """Give the named methods: baselines, solvers by name or as module:function, or imdn.

    By default every baseline and the default solver. steps goes to the solvers that take it.
    peers: the folder of the published networks' weights, which imdn needs.
    BenchError when no task can use a method or a name is unknown; priors.PriorError.
    """
    names = [*BASELINES, DEFAULT_SOLVER] if names is None else names
    methods: list[Method] = []
    for name in names:
        method = _method(name, prior, steps, peers)
        if any(method.knows(task) for task in tasks):
            methods.append(method)
    if not methods:
        raise BenchError(f"methods: none of {', '.join(names)} can do the tasks; name others")
    return methods


DEFAULT_SOLVER: str = "dpir"
IMDN_METHOD = "imdn"


def _method(name: str, prior: str | Prior, steps: int | None, peers: Path | None) -> Method:
    if name in BASELINES:
        return Classical(BASELINES[name])
    return _published(peers) if name == IMDN_METHOD else _learned(name, prior, steps)


def _published(peers: Path | None) -> Published:
    file = peer_file(peers, IMDN_FILE)
    if file is None:
        raise BenchError(
            f"methods: {IMDN_METHOD} needs the file {IMDN_FILE}; name its folder with --peers"
        )
    return Published(IMDN_METHOD, "x4", filled(IMDN(), file), file)


def _learned(name: str, prior: str | Prior, steps: int | None) -> Learned:
    try:
        solver = solvers.get(name)
    except ValueError as error:
        others = ", ".join([*BASELINES, IMDN_METHOD])
        raise BenchError(f"methods: {error}, or one of {others}") from error
    takes_steps = steps is not None and "steps" in solvers.options(solver)
    options: dict[str, Any] = {"steps": steps} if takes_steps else {}
    return Learned(name, Restorer(prior, solver, **options))


def _reset_peak_memory() -> None:
    """Start the process's high-water mark anew where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
