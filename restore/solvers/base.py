"""What solvers share: states, the first noise, the reverse step, trust in the measurement.

A solver is a generator (measurement, prior, seeds, *, options) -> Iterator[State]. Its last state
has x = x0, the clean estimate; `prior.decode(state.x0)` is the picture of any of its states.
"""

import math
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import Level

QUANTISATION = 1 / (255 * math.sqrt(12))
"""Standard deviation of rounding to 8 bits: no measurement is trusted more than this."""


Function = Callable[[Tensor], Tensor]

ADVICE = "try more steps, a larger noise, a weaker pull of the data"
"""Against a state that is not finite."""
CHECKED = 10
"""Steps from one look at a state on a graphics card to the next."""


class Divergence(RuntimeError):
    """A solver, or a network in it, left the finite numbers; the message says where, what to do."""


class _State(NamedTuple):
    step: int
    steps: int
    x: Tensor
    x0: Tensor


class State(_State):
    """Where a solver stands after `step` of `steps`: its state x, and x0, what it makes of it.

    Divergence where x0 is not finite, so that no solver goes on from there; on a graphics card, for
    which to answer is to stand still, every tenth step is asked, and the last.
    """

    __slots__ = ()

    def __new__(cls, step: int, steps: int, x: Tensor, x0: Tensor) -> Self:
        asked = not x0.is_cuda or step % CHECKED == 0 or step == steps
        if asked and not bool(x0.isfinite().all()):
            raise Divergence(
                f"step {step} of {steps}: the estimate x0 is NaN or infinite; {ADVICE}"
            )
        return super().__new__(cls, step, steps, x, x0)


def start(measurement: Measurement[Any], prior: Prior, level: Level, seeds: Seeds) -> Tensor:
    """Pure noise of the level's sigma, shaped as the state of the measured picture."""
    shape = prior.state_shape(measurement.image_shape)
    return level.sigma * seeds.normal_like(measurement.y.new_empty(shape))


def noise_at(picture: Tensor, prior: Prior, level: Level, seeds: Seeds) -> Tensor:
    """x_t ~ N(alpha E(picture), sigma^2 I)."""
    return noised(prior.encode(picture), level, seeds)


def noised(x0: Tensor, level: Level, seeds: Seeds) -> Tensor:
    """x_t ~ N(alpha x_0, sigma^2 I)."""
    return level.alpha * x0 + level.sigma * seeds.normal_like(x0)


def ancestral(t: Level, s: Level) -> float:
    """Standard deviation of p(x_s | x_t, x_0), s < t, on any schedule (arXiv:2006.11239, eq. 7)."""
    remembered = t.alpha * s.sigma / (s.alpha * t.sigma)
    return s.sigma * math.sqrt(max(1 - remembered**2, 0.0))


def move(
    x: Tensor, x0: Tensor, t: Level, s: Level, kept: float, fresh: Tensor | float, seeds: Seeds
) -> Tensor:
    """alpha_s x0 + kept eps + fresh n: from t to s, eps = (x - alpha_t x0) / sigma_t, n new."""
    moved = s.alpha * x0
    if kept > 0:
        moved = moved + kept / t.sigma * (x - t.alpha * x0)
    if isinstance(fresh, Tensor) or fresh > 0:
        moved = moved + fresh * seeds.normal_like(x0)
    return moved


def reverse(x: Tensor, x0: Tensor, t: Level, s: Level, eta: float, seeds: Seeds) -> Tensor:
    """One step from level t to s, given x0 = E[x_0 | x_t]; at the clean level it returns x0.

    eta = 0 is DDIM, eta = 1 ancestral sampling (Song et al., ICLR 2021, arXiv:2010.02502, eq. 12).
    """
    fresh = eta * ancestral(t, s)
    return move(x, x0, t, s, math.sqrt(max(s.sigma**2 - fresh**2, 0.0)), fresh, seeds)


def to_clean(x: Tensor, prior: Prior, level: Level, steps: int, seeds: Seeds) -> Tensor:
    """Follow the probability-flow ODE from x at the level to a clean state, in steps of DDIM."""
    for t, s in pairwise(prior.schedule.levels(steps, level.u)):
        x = reverse(x, prior.denoise(x, t), t, s, 0.0, seeds)
    return x


def deviation(measurement: Measurement[Any]) -> float:
    """The noise of the measurement, never less than that of 8 bits."""
    return max(measurement.sigma, QUANTISATION)


def trust(measurement: Measurement[Any], prior: Prior, level: Level) -> float:
    """Variance that the level has in the picture over that of the measurement; may be infinite.

    As the `weight` of a prox it says how far the picture at this level gives way to the data.
    """
    return (level.ratio * prior.unit / deviation(measurement)) ** 2


def likelihood_score(
    measurement: Measurement[Any], decode: Function, z: Tensor
) -> tuple[Tensor, Tensor]:
    """grad_z log p(y | decode(z)), shaped as z, and the picture decode(z)."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        image = decode(z)
        (pull,) = torch.autograd.grad(measurement.log_likelihood(image).sum(), z)
    return pull, image.detach()


def sensitivity(measurement: Measurement[Any], prior: Prior, iterations: int = 8) -> Tensor:
    """|d A(D(z)) / dz|^2 at the grey picture, per image (B,): the most that A sees of a state.

    The largest eigenvalue, by power iteration from fixed noise: some per cent below the truth.
    """
    grey = prior.encode(measurement.y.new_full(measurement.image_shape, 0.5))
    back, push = linearised(lambda z: measurement.operator(prior.decode(z)), grey)
    v = Seeds(*[0] * len(grey)).normal_like(grey)
    for _ in range(iterations):
        v = v / inner(v, v).sqrt().clamp(min=1e-12)
        v = back(push(v))
    return inner(v, v).sqrt().flatten()


def linearised(f: Function, x: Tensor) -> tuple[Function, Function]:
    """The derivative of f at x, transposed (a pull back) and plain (a push forward).

    The push is in forward mode, which keeps nothing; by two products in reverse, which keep all of
    f twice, where a part of f has no derivative in forward mode.
    """
    x = x.detach()
    with torch.enable_grad():
        given = x.clone().requires_grad_()
        value = f(given)

    def back(w: Tensor) -> Tensor:
        return torch.autograd.grad(value, given, w, retain_graph=True)[0]

    def push(v: Tensor) -> Tensor:
        # Fused attention has neither second derivatives nor any in forward mode.
        with sdpa_kernel(SDPBackend.MATH):
            try:
                return _forward(f, x, v)
            except NotImplementedError:
                return _twice_reverse(f, x, v)

    return back, push


def _forward(f: Function, x: Tensor, v: Tensor) -> Tensor:
    with torch.no_grad(), forward_ad.dual_level():
        with warnings.catch_warnings():  # of torch itself, which loads its rules here
            warnings.simplefilter("ignore", FutureWarning)
            moving = forward_ad.make_dual(x, v)
        seen, pushed = forward_ad.unpack_dual(f(moving))
        return torch.zeros_like(seen) if pushed is None else pushed


def _twice_reverse(f: Function, x: Tensor, v: Tensor) -> Tensor:
    """J v as the derivative in w of <J^T w, v>."""
    with torch.enable_grad():
        given = x.clone().requires_grad_()
        value = f(given)
        w = torch.zeros_like(value, requires_grad=True)
        (pulled,) = torch.autograd.grad(value, given, w, create_graph=True)
    return torch.autograd.grad(pulled, w, v)[0]


def inner(a: Tensor, b: Tensor) -> Tensor:
    """<a, b> per image, shaped (B, 1, ...) to multiply a."""
    return column((a * b).flatten(1).sum(1), a)


def column(values: Tensor, like: Tensor) -> Tensor:
    """One value an image (B,), shaped (B, 1, ...) to multiply `like`."""
    return values.view(-1, *[1] * (like.ndim - 1))
