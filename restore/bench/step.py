"""A step of a solver beside its floor: the calls of the networks that it makes, by themselves.

floor = sum over network, encoder, decoder, with or without gradients:
        calls a step  x  seconds of that call alone, in the same run
"""

from collections import Counter
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor

from operators import Gaussian, LinearOperator, Measurement, Shape
from priors.base import Prior
from priors.schedule import Level
from restore.bench.speed import parts_of_steps
from restore.bench.stopwatch import clock
from restore.restorer import Restorer

REPEATS = 5
SHARES = ("network", "autoencoder", "operator", "rest")
SIGMA = 0.025
Call = tuple[str, bool]
"""What is called, and whether its gradient is asked for, too."""


class Calls(Prior):
    """A prior that counts its calls."""

    def __init__(self, prior: Prior) -> None:
        self.prior = prior
        self.schedule, self.multiple, self.unit = prior.schedule, prior.multiple, prior.unit
        self.counts: Counter[Call] = Counter()

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """As the prior; one call more."""
        self._count("network", x)
        return self.prior.denoise(x, level)

    def encode(self, image: Tensor) -> Tensor:
        """As the prior; one call more."""
        self._count("encoder", image)
        return self.prior.encode(image)

    def decode(self, x: Tensor) -> Tensor:
        """As the prior; one call more."""
        self._count("decoder", x)
        return self.prior.decode(x)

    def state_shape(self, image_shape: Shape) -> Shape:
        """As the prior."""
        return self.prior.state_shape(image_shape)

    def _count(self, name: str, x: Tensor) -> None:
        self.counts[name, torch.is_grad_enabled() and x.requires_grad] += 1


def alone(prior: Prior, shape: Shape) -> dict[Call, float]:
    """Seconds of every call by itself, for pictures of a shape; medians, taken in turn."""
    like = next(_parameters(prior))
    image = torch.full(shape, 0.5, device=like.device)
    with torch.no_grad():
        state = prior.encode(image)
    level = prior.schedule.at(0.5)
    calls: dict[str, tuple[Callable[[Tensor], Tensor], Tensor]] = {
        "network": (lambda x: prior.denoise(x, level), state),
        "encoder": (prior.encode, image),
        "decoder": (prior.decode, state),
    }
    taken: dict[Call, list[float]] = {(n, g): [] for n in calls for g in (False, True)}
    for turn in range(REPEATS + 1):
        for (name, gradient), seconds in taken.items():
            function, x = calls[name]
            began = clock(like.device)
            _called(function, x, gradient)
            if turn > 0:  # the first is for what is done once
                seconds.append(clock(like.device) - began)
    return {call: median(seconds) for call, seconds in taken.items()}


def step(
    prior: Prior,
    floor: dict[Call, float],
    solver: str,
    operator: LinearOperator,
    shape: Shape,
    steps: int,
) -> dict[str, Any]:
    """Figures of a step of a solver, the mean of `steps` >= 2 after the first.

    seconds; evaluations of the network; those a second; shares of network, autoencoder, operator
    and the rest; floor, in seconds; ratio to it of the whole, and of what is not the operator's.
    """
    device = next(_parameters(prior)).device
    generator = torch.Generator().manual_seed(0)
    clean = operator.to(device)(torch.rand(shape, generator=generator).to(device))
    y = clean + SIGMA * torch.randn(clean.shape, generator=generator).to(device)
    measurement = Measurement(y, operator.to(device), Gaussian(SIGMA))
    counted = Calls(prior)
    restorer = Restorer(counted, solver, steps=steps + 1, device=str(device))
    marks = []
    for _ in restorer.stream(y, measurement.operator, noise=SIGMA):
        marks.append(Counter(counted.counts))
    calls = {call: (marks[-1][call] - marks[0][call]) / (len(marks) - 1) for call in marks[-1]}
    bare = Restorer(prior, solver, device=str(device))
    timed = parts_of_steps(bare, measurement, {"steps": steps + 1})
    seconds = (timed["seconds"] - timed["start_seconds"]) / timed["steps"]
    least = sum(count * floor[call] for call, count in calls.items())
    evaluations = sum(count for (name, _), count in calls.items() if name == "network")
    return {
        "seconds": seconds,
        "evaluations": evaluations,
        "evaluations a second": evaluations * shape[0] / seconds,
        **{f"{name} share": timed[f"{name}_share"] for name in SHARES},
        "floor": least,
        "ratio": seconds / least,
        "ratio without operator": seconds * (1 - timed["operator_share"]) / least,
    }


def _called(function: Callable[[Tensor], Tensor], x: Tensor, gradient: bool) -> None:
    with torch.set_grad_enabled(gradient):
        given = x.detach().clone().requires_grad_(gradient)
        result = function(given)
        if gradient:
            torch.autograd.grad(result.sum(), given)


def _parameters(prior: Any) -> Any:
    return prior.network.parameters()
