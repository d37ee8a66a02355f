"""Solvers on a graphics card that is only imagined: no step waits for it.

Fake tensors know their device and no values. So what would copy between processor and card, mix
both, or ask for a value, which the card has to be waited for, shows without one. What asks on
purpose, seldom or late, is taken out: `State` and the stop of conjugate gradients. Solvers that
take gradients need a driver; their steps are watched on the processor. Nor does any step call a
kernel that adds in whatever order its parts are done: two runs would differ in their last bits.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from operators import (
    Blur,
    Downsample,
    Gaussian,
    Grayscale,
    LinearOperator,
    Mask,
    Measurement,
    Mosaic,
    Seeds,
    kernels,
)
from priors import Prior, load
from restore import solvers
from restore.solvers import base

WITHOUT_GRADIENTS = ("ddnm", "diffpir", "dpir", "latino", "sdedit", "tradeoff", "treg")
WITH_GRADIENTS = ("daps", "dps", "mmps", "mpgd", "pigdm", "pnpdm", "psld", "resample", "stsl")
OPERATORS: dict[str, tuple[LinearOperator, int]] = {
    "blur": (Blur(kernels.motion(7, 20), "reflect"), 32),
    "valid": (Blur(kernels.motion(7, 20), "valid"), 26),
    "x4": (Downsample(4), 8),
    "mask": (Mask(torch.eye(32, dtype=torch.bool)[None, None]), 32),
    "mosaic": (Mosaic(), 32),
    "grey": (Grayscale(), 32),
}

SOME = [
    name if name == "mask" else pytest.param(name, marks=pytest.mark.slow) for name in OPERATORS
]


UNORDERED = (
    *(f"aten.upsample_{kind}_backward" for kind in ("linear1d", "bilinear2d", "bicubic2d")),
    *(f"aten.{kind}_pad{n}d_backward" for kind in ("reflection", "replication") for n in (1, 2)),
    *(f"aten.{name}" for name in ("index_add", "scatter_add", "grid_sampler_2d_backward")),
    *(f"aten.{name}" for name in ("cumsum", "bincount", "put", "_unsafe_index_put")),
)
"""What a graphics card adds in any order (torch.use_deterministic_algorithms lists them)."""


class Watch(TorchDispatchMode):
    """Notes what is asked of tensors, copied between devices, or added in any order."""

    def __init__(self, *, imagined: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[str] = []
        self.unordered: list[str] = []
        self.imagined = imagined

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = str(function)
        if name.startswith(("aten._local_scalar_dense", "aten.equal", "aten.is_nonzero")):
            self.seen.append(name)
            if self.imagined:  # some value, for what is asked before the first step
                return 0.03 if args[0].is_floating_point() else True
        if name.startswith(UNORDERED) and (not self.imagined or args[0].is_cuda):
            self.unordered.append(name)
        result = function(*args, **(kwargs or {}))
        if name.startswith("aten._to_copy") and result.device.type != args[0].device.type:
            self.seen.append(f"{name} of {tuple(args[0].shape)} to {result.device.type}")
        return result


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what asks on purpose, and what is asked when operators are made."""

    def unasked(cls: Any, *fields: Any) -> Any:
        return base._State.__new__(cls, *fields)

    def idle(active: Tensor, asked: Any) -> bool:
        asked.append(active)
        return len(asked) > 3

    monkeypatch.setattr(base.State, "__new__", unasked)
    monkeypatch.setattr("operators.solve._idle", idle)
    monkeypatch.setattr("operators.measurement.require_finite", lambda *_: None)
    monkeypatch.setattr("operators.blur._require_sum", lambda *_: None)


def channels(operator: LinearOperator) -> int:
    return 1 if isinstance(operator, Grayscale | Mosaic) else 3


def second_step(
    solver: str, operator: LinearOperator, side: int, prior: Prior, watch: Watch, device: str
) -> list[str]:
    found = solvers.get(solver)
    y = torch.full((1, channels(operator), side, side), 0.5, device=device)
    states = iter(found(Measurement(y, operator, Gaussian(0.03)), prior, Seeds(0), steps=5))
    next(states)
    watch.seen.clear()
    if not watch.imagined:  # the first picture adds in another way on a card
        watch.unordered.clear()
    next(states)
    return watch.seen


def on_the_card(x: Tensor) -> Callable[..., Tensor]:
    return lambda self, like, sample: torch.randn(like.shape, device=like.device).to(like.dtype)


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", SOME)
def test_no_step_waits_for_an_imagined_card(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # numbers are drawn on the processor; their copy, which nobody waits for, needs a driver
    monkeypatch.setattr(Seeds, "_draw", on_the_card(torch.empty(0)))
    operator, side = OPERATORS[name]
    embedded: Any = load("embedded")
    with FakeTensorMode(allow_non_fake_inputs=True), Watch(imagined=True) as watch:
        prior, moved = embedded.to("cuda"), operator.to("cuda")
        for solver in WITHOUT_GRADIENTS:
            assert second_step(solver, moved, side, prior, watch, "cuda") == [], solver
    assert watch.unordered == []


@pytest.fixture(scope="module")
def embedded() -> Iterator[Prior]:
    yield load("embedded")


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # the watch sees leaves become none
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", SOME)
def test_no_step_asks_for_a_value(name: str, embedded: Prior) -> None:
    operator, side = OPERATORS[name]
    for solver in (*WITHOUT_GRADIENTS, *WITH_GRADIENTS):
        with Watch(imagined=False) as watch:
            assert second_step(solver, operator, side, embedded, watch, "cpu") == [], solver
        assert watch.unordered == [], solver


def test_the_watch_sees_what_waits() -> None:
    with FakeTensorMode(), Watch(imagined=True) as watch:
        x = torch.ones(3, device="cuda")
        bool(x.sum() > 2)
        torch.ones(2).to(x)
    assert [name.partition(".")[2].split(".")[0] for name in watch.seen] == [
        "_local_scalar_dense",
        "_to_copy",
    ]


def test_conjugate_gradients_may_go_on_after_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    blur = Blur(kernels.motion(9, 40), "reflect")
    y = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    ended = blur.prox(y, y, 10.0)
    asked: list[bool] = []

    def late(active: Tensor, _: Any) -> bool:
        asked.append(not bool(active.any()))
        return sum(asked) > 8

    monkeypatch.setattr("operators.solve._idle", late)
    assert torch.equal(blur.prox(y, y, 10.0), ended) and sum(asked) > 8


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")  # is said to be a prototype
@pytest.mark.filterwarnings("ignore:`torch.jit.script`")  # torch's own, for forward derivatives
@pytest.mark.parametrize("solver", (*WITHOUT_GRADIENTS, *WITH_GRADIENTS))
def test_no_step_waits_for_the_card(solver: str) -> None:
    found: Any = load("embedded")
    prior = found.to("cuda")
    for operator, side in OPERATORS.values():
        y = torch.full((1, channels(operator), side, side), 0.5, device="cuda")
        measurement = Measurement(y, operator.to("cuda"), Gaussian(0.03))
        states = iter(solvers.get(solver)(measurement, prior, Seeds(0), steps=5))
        next(states)
        try:
            torch.cuda.set_sync_debug_mode("error")
            next(states)
        finally:
            torch.cuda.set_sync_debug_mode("default")
