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
from restore.bench.records import digest
from restore.device import peak_memory
from restore.restorer import Restorer
from restore.solvers import Solver


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
        """What records call it."""
        ...

    @property
    def label(self) -> str:
        """What tables call it: the name, and the number of steps where there are several."""
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

    @property
    def label(self) -> str:
        """The name."""
        return self.name

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
    """A solver with a learned prior, as users call it: `Restorer` with the noise told.

    weights: a digest of those of the prior, None where it has no name. several: other numbers of
    steps are run too.
    """

    name: str
    restorer: Restorer
    weights: str | None = None
    several: bool = False
    learned: bool = True

    @property
    def label(self) -> str:
        """The name, as in dpir@20 where other numbers of steps are run too."""
        return f"{self.name}@{self.steps}" if self.several else self.name

    @property
    def steps(self) -> int | None:
        """The number of steps, by default the solver's; None where it has no such option."""
        steps: int | None = self.restorer.options.get("steps", self.usual_steps)
        return steps

    @property
    def usual_steps(self) -> int | None:
        """The solver's default."""
        known = solvers.options(self.restorer.solver)
        return known["steps"].default if "steps" in known else None

    def knows(self, task: Task) -> bool:
        """True: every task is a linear operator."""
        return True

    def settings(self, task: Task, sigma: float) -> dict[str, Any]:
        """The prior and the solver's options, defaults included."""
        defaults = {k: p.default for k, p in solvers.options(self.restorer.solver).items()}
        options = {k: repr(v) for k, v in {**defaults, **self.restorer.options}.items()}
        prior = {"prior": self.restorer.prior_name, "weights": self.weights}
        return {**prior, "dtype": self.restorer.dtype, **options}

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

    @property
    def label(self) -> str:
        """The name."""
        return self.name

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
    steps: Sequence[int] | None = None,
    peers: Path | None = None,
) -> list[Method]:
    """Give the named methods: baselines, solvers by name or as module:function, or imdn.

    By default every baseline and the default solver. steps: those that are run of a solver which
    takes them, each a method of its own, by default the solver's. peers: the folder of the
    published networks' weights, which imdn needs.
    BenchError when no task can use a method or a name is unknown; priors.PriorError.
    """
    names = [*BASELINES, DEFAULT_SOLVER] if names is None else names
    found = {name: None if name in (*BASELINES, IMDN_METHOD) else _solver(name) for name in names}
    named = isinstance(prior, str) and any(found.values())
    weights = digest(str(prior)) if named else None
    methods: list[Method] = []
    for name, solver in found.items():
        if solver is not None:
            methods += _learned(name, solver, prior, weights, steps or ())
        else:
            methods.append(Classical(BASELINES[name]) if name in BASELINES else _published(peers))
    methods = [method for method in methods if any(method.knows(task) for task in tasks)]
    if not methods:
        raise BenchError(f"methods: none of {', '.join(names)} can do the tasks; name others")
    return methods


DEFAULT_SOLVER: str = "tradeoff"
IMDN_METHOD = "imdn"


def _published(peers: Path | None) -> Published:
    file = peer_file(peers, IMDN_FILE)
    if file is None:
        raise BenchError(
            f"methods: {IMDN_METHOD} needs the file {IMDN_FILE}; name its folder with --peers"
        )
    return Published(IMDN_METHOD, "x4", filled(IMDN(), file), file)


def _solver(name: str) -> Solver:
    try:
        return solvers.get(name)
    except ValueError as error:
        others = ", ".join([*BASELINES, IMDN_METHOD])
        raise BenchError(f"methods: {error}, or one of {others}") from error


def _learned(
    name: str, solver: Solver, prior: str | Prior, weights: str | None, steps: Sequence[int]
) -> list[Learned]:
    asked = [{"steps": each} for each in steps] if "steps" in solvers.options(solver) else []
    options: list[dict[str, Any]] = [*asked] or [{}]
    several = len(options) > 1
    return [Learned(name, Restorer(prior, solver, **each), weights, several) for each in options]


def _reset_peak_memory() -> None:
    """Start the process's high-water mark anew where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
