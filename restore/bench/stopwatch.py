"""Where a solver's time goes: network, autoencoder, operator, and the rest, which is its own.

autoencoder: D, E and D_lin (`priors.linear`). operator: A, its transpose and its prox, with the
conjugate gradients in it, be it the operator's own or that of A D_lin (`restore.solvers.space`).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial

import torch
from torch import Tensor

from operators import LinearOperator, Shape
from priors.base import Prior
from priors.linear import Linear
from priors.schedule import Level
from restore.solvers.space import Seen

NETWORK, AUTOENCODER, OPERATOR = "network", "autoencoder", "operator"
PARTS = (NETWORK, AUTOENCODER, OPERATOR)

Function = Callable[[Tensor], Tensor]


class Stopwatch:
    """Adds up the seconds of every part, forward and backward, second derivatives included.

    A part inside another one is taken off the outer one.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._open: list[str] = []
        self._since = 0.0

    def timed(self, part: str, function: Function, x: Tensor) -> Tensor:
        """function(x)."""
        # A view, so that its gradient is ready as soon as the function's backward pass is done.
        entrance = x.view_as(x)
        self._charge(x.device)
        self._open.append(part)
        try:
            result = function(entrance)
        finally:
            self._charge(x.device)
            self._open.pop()
        if result.requires_grad and entrance.requires_grad and result is not entrance:
            self._at_gradient(part, result, -1)
            self._at_gradient(part, entrance, 1)
        return result

    def _charge(self, device: torch.device) -> None:
        """Add the time since the last call to the innermost part that is open."""
        now = clock(device)
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def _at_gradient(self, part: str, tensor: Tensor, sign: int) -> None:
        def add(gradient: Tensor) -> None:
            self.seconds[part] += sign * clock(gradient.device)
            if gradient.requires_grad:
                # Differentiated once more, a backward pass runs from its end to its beginning.
                self._at_gradient(part, gradient, -sign)

        tensor.register_hook(add)  # type: ignore[no-untyped-call,unused-ignore]


class StopwatchPrior(Prior):
    """A prior whose networks are timed."""

    def __init__(self, prior: Prior, watch: Stopwatch) -> None:
        self.prior, self.watch = prior, watch
        self.schedule, self.multiple, self.unit = prior.schedule, prior.multiple, prior.unit

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """As the prior, timed."""
        return self.watch.timed(NETWORK, lambda z: self.prior.denoise(z, level), x)

    def encode(self, image: Tensor) -> Tensor:
        """As the prior, timed."""
        return self.watch.timed(AUTOENCODER, self.prior.encode, image)

    def decode(self, x: Tensor) -> Tensor:
        """As the prior, timed."""
        return self.watch.timed(AUTOENCODER, self.prior.decode, x)

    def state_shape(self, image_shape: Shape) -> Shape:
        """As the prior."""
        return self.prior.state_shape(image_shape)


def stopwatch_operator(operator: LinearOperator, watch: Stopwatch) -> LinearOperator:
    """The operator, timed; of its own kind, since a solver may ask for a Mask."""

    def timed(name: str) -> Callable[..., Tensor]:
        method = getattr(operator, name)
        return lambda self, x, *others: watch.timed(OPERATOR, lambda z: method(z, *others), x)

    def preconditioner(self: LinearOperator, r: Tensor, damping: Tensor) -> Function:
        return partial(watch.timed, OPERATOR, operator.preconditioner(r, damping))

    methods = {name: timed(name) for name in ("__call__", "adjoint", "gram_solve", "pinv", "prox")}
    kind = type(operator)
    watching = copy(operator)
    made = type(kind.__name__, (kind,), {**methods, "preconditioner": preconditioner})
    object.__setattr__(watching, "__class__", made)  # past the frozen dataclass
    return watching


_MADE: tuple[tuple[type, str, str], ...] = (
    (Linear, "encode", AUTOENCODER),
    (Linear, "synthesis", AUTOENCODER),
    (Linear, "synthesis_adjoint", AUTOENCODER),
    (Seen, "gram_solve", OPERATOR),
)
"""What solvers make for themselves: class, method, part."""


@contextmanager
def watched(watch: Stopwatch) -> Iterator[None]:
    """Time, while this lasts, the decoder's linear part and the prox of an operator behind it."""

    def timed(method: Callable[..., Tensor], part: str) -> Callable[..., Tensor]:
        return lambda self, x, *others: watch.timed(part, lambda z: method(self, z, *others), x)

    plain = [(kind, name, getattr(kind, name)) for kind, name, _ in _MADE]
    try:
        for (kind, name, method), (_, _, part) in zip(plain, _MADE, strict=True):
            setattr(kind, name, timed(method, part))
        yield
    finally:
        for kind, name, method in plain:
            setattr(kind, name, method)


def clock(device: torch.device) -> float:
    """Seconds once the device has done what it was asked; of processor time on a CPU.

    Other programs on the same cores lengthen the wall clock, now here and now there.
    """
    if device.type == "cpu":
        return time.process_time()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
