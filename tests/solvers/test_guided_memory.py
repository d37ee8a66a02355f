"""Memory of guided solvers with networks of Stable Diffusion's shape, counted without a card.

Fake tensors know their sizes and take no memory: what is alive together is added up. They are the
processor's, whose fused attention, like a card's, keeps no product of all places with all. The
derivative in forward mode, which fake tensors lack, is counted on the meta device, where attention
keeps those products. Not counted is what a kernel takes for itself while it runs, and what a
card's allocator leaves between.
"""

import math
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from operators import Blur, Gaussian, Measurement, Seeds, kernels
from priors.autoencoded import Autoencoded
from restore.bench import shapes
from restore.solvers.base import sensitivity
from restore.solvers.dps import dps
from tests.bench.test_rates import latent_prior
from tests.solvers.test_device import Watch, quiet

__all__ = ["quiet"]
BLOCK = 512
"""Bytes: a card's memory is given in blocks of so many."""
LIMITS = {512: 10e9, 768: 20e9}
"""Bytes that dps may take, by the side of the picture."""
TOLD = {(512, True): 3.7, (768, True): 5.9, (512, False): 5.7, (768, False): 10.5}
"""Gigabytes that the README tells, checkpointed or not."""


class Held(TorchDispatchMode):
    """Adds up the bytes of the tensors of one kind of device that are alive: now, and at most."""

    def __init__(self, device: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device, self.now, self.most = device, 0, 0
        self.alive: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self._count((args, kwargs), 0)  # what was there before is not counted
        result = function(*args, **(kwargs or {}))
        self._count(result, 1)
        return result

    def _count(self, tree: Any, times: int) -> None:
        for tensor in tree_leaves(tree):
            if isinstance(tensor, Tensor) and tensor.device.type == self.device:
                self._count_storage(tensor.untyped_storage(), times)

    def _count_storage(self, storage: torch.UntypedStorage, times: int) -> None:
        key: int = storage._cdata
        if key in self.alive:
            return
        size: int = times * BLOCK * math.ceil(storage.nbytes() / BLOCK)

        def freed(_: Any) -> None:
            del self.alive[key]
            self.now -= size

        self.alive[key] = weakref.ref(storage, freed)
        self.now += size
        self.most = max(self.most, self.now)


@pytest.fixture
def shaped(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Any]:
    """A prior without values, of the shape of Stable Diffusion 1.5, checkpointed if asked for."""
    monkeypatch.setattr(Autoencoded, "_measured_unit", lambda self, side: 1.0)

    def made(checkpointing: bool) -> Any:
        prior: Any = shapes.shaped("sd15", torch.device("meta"), torch.bfloat16)
        return prior.save_memory(checkpointing=checkpointing)

    return made


def measured(side: int, device: str) -> Measurement[Blur]:
    blur: Any = Blur(kernels.random_walk(31, 0.5, 0), "reflect").to(device)
    return Measurement(torch.full((1, 3, side, side), 0.5, device=device), blur, Gaussian(0.03))


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    "side", [pytest.param(n, marks=[pytest.mark.slow] * (n > 512)) for n in LIMITS]
)
@pytest.mark.parametrize("checkpointing", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_dps_fits_into_a_card(
    side: int, checkpointing: bool, shaped: Callable[[bool], Any]
) -> None:
    prior = shaped(checkpointing)
    with FakeTensorMode(allow_non_fake_inputs=True), Watch(imagined=True), Held("cpu") as held:
        for part in (prior.network, prior.autoencoder):
            part.to_empty(device="cpu")
        weights = held.now
        next(iter(dps(measured(side, "cpu"), prior, Seeds(0), steps=5)))
    assert weights == pytest.approx(1.887e9, rel=1e-3)
    assert round(held.most / 1e9, 1) == TOLD[side, checkpointing]
    assert not checkpointing or held.most < LIMITS[side]


@pytest.mark.parametrize("side", LIMITS)
def test_so_does_the_derivative_of_the_decoder(side: int, shaped: Callable[[bool], Any]) -> None:
    prior = shaped(True)
    with Held("meta") as held:
        sensitivity(measured(side, "meta"), prior, iterations=2)
    weights = [p.nbytes for part in (prior.network, prior.autoencoder) for p in part.parameters()]
    assert held.most + sum(weights) < 0.5 * LIMITS[side]


def guided(prior: Any, x: Tensor) -> None:
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        picture = prior.decode(prior.denoise(x, prior.schedule.at(0.5)))
        torch.autograd.grad(picture.square().sum(), x)


def test_the_count_is_what_a_processor_allocates() -> None:
    prior, x = latent_prior(), torch.zeros(1, 4, 64, 64)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        guided(prior, x)
    found: Any = profiler.profiler
    changes = [e for e in found.kineto_results.events() if e.name() == "[memory]"]
    now = most = 0
    for change in sorted(changes, key=lambda e: e.start_ns()):
        now += change.nbytes()
        most = max(most, now)
    with Held("cpu") as held:
        guided(prior, x)
    with FakeTensorMode(allow_non_fake_inputs=True):
        for part in (prior.network, prior.autoencoder):
            part.to_empty(device="cpu")
        x = torch.zeros(1, 4, 64, 64)
        with Held("cpu") as imagined:
            guided(prior, x)
    assert held.most == pytest.approx(most, rel=0.01)
    assert imagined.most == held.most


def test_what_is_freed_is_taken_off() -> None:
    with Held("cpu") as held:
        x = torch.zeros(1000)
        y = x.view(10, 100).sin() + 1  # the sine is gone, the view takes nothing
        assert (held.now, held.most) == (2 * 4096, 3 * 4096)
        del x, y
    assert held.now == 0
