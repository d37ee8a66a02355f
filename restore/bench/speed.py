"""Where the time goes: parts as ratios, measured side by side in one run, and shares of steps."""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor

from operators import LinearOperator, Measurement
from priors.base import Prior
from restore import solvers
from restore.bench.methods import Learned
from restore.bench.protocol import Picture, Task, measure
from restore.bench.stopwatch import (
    PARTS,
    Stopwatch,
    StopwatchPrior,
    clock,
    stopwatch_operator,
    watched,
)
from restore.restorer import Restorer

REPEATS = 5
SIDE = 1024
STEPS = 20
"""As many steps of a solver are timed; with a thousand of them their shares would be the same."""


def speed(
    picture: Picture, tasks: Sequence[Task], learned: Sequence[Learned], sigma: float
) -> dict[str, Any]:
    """Time the parts on one picture.

    parts: of every operator its forward, adjoint and prox, and of the prior one evaluation, one
    with its gradient, encode and decode; in seconds (medians), in products of two 1024 x 1024
    float32 matrices on the same device, and in evaluations of the network. solvers: where the time
    of each goes on the first task, see `shares`; of one that is run with several numbers of steps,
    the first.
    """
    first: dict[str, Learned] = {}
    for one in learned:
        first.setdefault(one.name, one)
    prior = learned[0].restorer.prior if learned else None
    device = learned[0].restorer.device if learned else torch.device("cpu")
    pixels = picture.pixels.to(device)
    actions = _matrix_product(device)
    for task in tasks:
        actions |= _operator_actions(task, picture, device)
    if prior is not None:
        actions |= _prior_actions(prior, pixels)
    return {
        "threads": torch.get_num_threads(),
        "device": str(device),
        "parts": _parts(actions, device),
        "solvers": {n: shares(one, tasks[0], picture, sigma) for n, one in first.items()},
    }


def cost(prior: Prior, pixels: Tensor) -> dict[str, dict[str, float | None]]:
    """The `parts` of the prior alone, on a picture (1, 3, H, W) of its device."""
    device = pixels.device
    return _parts(_matrix_product(device) | _prior_actions(prior, pixels), device)


PRODUCT = f"product of {SIDE} x {SIDE} matrices"
EVALUATION, ENCODER, DECODER = "network evaluation", "encoder", "decoder"


def _parts(
    actions: dict[str, Callable[[], object]], device: torch.device
) -> dict[str, dict[str, float | None]]:
    seconds = _medians(actions, device)
    product, network = seconds[PRODUCT], seconds.get(EVALUATION)
    return {
        name: {
            "seconds": each,
            "products": each / product,
            "evaluations": None if network is None else each / network,
        }
        for name, each in seconds.items()
    }


def _matrix_product(device: torch.device) -> dict[str, Callable[[], object]]:
    matrix = torch.linspace(0, 1, SIDE**2, device=device).view(SIDE, SIDE)
    return {PRODUCT: lambda: matrix @ matrix}


def _operator_actions(
    task: Task, picture: Picture, device: torch.device
) -> dict[str, Callable[[], object]]:
    measurement = measure(task, picture, sigma=0.0).to(device)
    operator, y, x = measurement.operator, measurement.y, picture.pixels.to(device)
    return {
        f"{task.name}: forward": lambda: operator(x),
        f"{task.name}: adjoint": lambda: operator.adjoint(y),
        f"{task.name}: prox": lambda: operator.prox(x, y, 1.0),
    }


def _prior_actions(prior: Prior, pixels: Tensor) -> dict[str, Callable[[], object]]:
    level = prior.schedule.at(0.5)
    state = prior.encode(pixels).detach()

    def with_gradient() -> Tensor:
        with torch.enable_grad():
            x = state.clone().requires_grad_()
            return torch.autograd.grad(prior.denoise(x, level).square().sum(), x)[0]

    return {
        EVALUATION: lambda: prior.denoise(state, level),
        f"{EVALUATION} with gradient": with_gradient,
        ENCODER: lambda: prior.encode(pixels),
        DECODER: lambda: prior.decode(state),
    }


@torch.no_grad()
def _medians(actions: dict[str, Callable[[], object]], device: torch.device) -> dict[str, float]:
    """Time every action in turn, again and again, so that all meet the same load."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():
        action()
    for _ in range(REPEATS):
        for name, action in actions.items():
            began = _clock(device)
            action()
            seconds[name].append(_clock(device) - began)
    return {name: median(each) for name, each in seconds.items()}


def shares(one: Learned, task: Task, picture: Picture, sigma: float) -> dict[str, float]:
    """Where the time of a solver goes, over at most `STEPS` steps.

    seconds and evaluations: of those steps. start_seconds: what the first step takes beyond the
    others, for what is done once. network_share, autoencoder_share, operator_share
    (`restore.bench.stopwatch`) and rest_share: of the steps after the first.
    """
    known, options = solvers.options(one.restorer.solver), dict(one.restorer.options)
    measurement = measure(task, picture, sigma)
    if "steps" in known:
        options["steps"] = min(options.get("steps", known["steps"].default), STEPS)
        # Spectra, eigenvectors and the like stay with the operator.
        few = {**options, "steps": min(options["steps"], 2)}
        parts_of_steps(one.restorer, measurement, few)
    return parts_of_steps(one.restorer, measurement, options)


def parts_of_steps(
    base: Restorer, measurement: Measurement[LinearOperator], options: dict[str, Any]
) -> dict[str, float]:
    """As `shares`, of all steps that the options of a restorer's solver ask for."""
    watch, device = Stopwatch(), base.device
    prior = StopwatchPrior(base.prior, watch)
    restorer = Restorer(prior, base.solver, device=str(device), **options)
    operator = stopwatch_operator(measurement.operator.to(device), watch)
    job = restorer.stream(measurement.y, operator, noise=measurement.sigma)
    marks = [(clock(device), dict(watch.seconds))]
    with watched(watch):
        for _ in job:
            marks.append((clock(device), dict(watch.seconds)))
    steps = len(marks) - 1
    (begin, _), (first, before), (end, after) = marks[0], marks[min(1, steps - 1)], marks[-1]
    whole = end - first
    parts = {f"{part}_share": (after[part] - before[part]) / whole for part in PARTS}
    return {
        "steps": steps,
        "evaluations": job.prior.evaluations,
        "seconds": end - begin,
        "start_seconds": max(0.0, first - begin - whole / max(steps - 1, 1)),
        **parts,
        "rest_share": 1 - sum(parts.values()),
    }


def _clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
