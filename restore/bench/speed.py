"""Where the time goes: network against operators, as ratios measured side by side in one run."""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor

from priors.base import Prior, Shape
from priors.schedule import Level
from restore.bench.methods import Learned
from restore.bench.protocol import Picture, Task, measure
from restore.restorer import Restorer

REPEATS = 5
SIDE = 1024


def speed(
    picture: Picture, tasks: Sequence[Task], learned: Sequence[Learned], sigma: float
) -> dict[str, Any]:
    """Time the parts on one picture.

    parts: of every operator its forward, adjoint and prox, and of the prior one evaluation, one
    with its gradient, encode and decode; in seconds (medians), in products of two 1024 x 1024
    float32 matrices on the same device, and in evaluations of the network. solvers: seconds an
    image on the first task and the share of them inside the prior's networks.
    """
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
        "solvers": {one.name: _share(one, tasks[0], picture, sigma) for one in learned},
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


class StopwatchPrior(Prior):
    """A prior that adds up the seconds spent in its networks, forward and backward."""

    def __init__(self, prior: Prior) -> None:
        self.prior, self.seconds = prior, 0.0
        self.schedule, self.multiple, self.unit = prior.schedule, prior.multiple, prior.unit

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """As the prior, timed."""
        return self._timed(lambda z: self.prior.denoise(z, level), x)

    def encode(self, image: Tensor) -> Tensor:
        """As the prior, timed."""
        return self._timed(self.prior.encode, image)

    def decode(self, x: Tensor) -> Tensor:
        """As the prior, timed."""
        return self._timed(self.prior.decode, x)

    def state_shape(self, image_shape: Shape) -> Shape:
        """As the prior."""
        return self.prior.state_shape(image_shape)

    def _timed(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        # A view, so that its gradient is ready as soon as the network's backward pass is done.
        entrance = x.view_as(x)
        began = _clock(x.device)
        result = network(entrance)
        self.seconds += _clock(x.device) - began
        if result.requires_grad and entrance.requires_grad and result is not entrance:
            self._at_gradient(result, -1)
            self._at_gradient(entrance, 1)
        return result

    def _at_gradient(self, tensor: Tensor, sign: int) -> None:
        def add(gradient: Tensor) -> None:
            self.seconds += sign * _clock(gradient.device)

        tensor.register_hook(add)  # type: ignore[no-untyped-call,unused-ignore]


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


def _share(one: Learned, task: Task, picture: Picture, sigma: float) -> dict[str, float]:
    stopwatch = StopwatchPrior(one.restorer.prior)
    restorer = Restorer(
        stopwatch, one.restorer.solver, device=str(one.restorer.device), **one.restorer.options
    )
    timed = Learned(one.name, restorer)
    estimate = timed(measure(task, picture, sigma), task, seed=0)
    return {
        "seconds": estimate.seconds,
        "evaluations": estimate.evaluations,
        "network_share": stopwatch.seconds / estimate.seconds,
    }


def _clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
