"""Several samples drawn as one batch, as on a graphics card."""

from typing import Any

import pytest
import torch
from torch import Tensor

from operators import Blur, Downsample, kernels
from priors import Level, Prior, load
from restore import Restorer
from restore.memory import Room
from restore.preparation import CountedPrior


def drawn(at_once: int, monkeypatch: pytest.MonkeyPatch, samples: int = 5) -> Any:
    monkeypatch.setattr(Restorer, "at_once", lambda *_: at_once)
    restorer = Restorer(solver="pnpdm", steps=2, inner=2, device="cpu", dtype="float32")
    y = torch.rand(1, 3, 13, 11, generator=torch.Generator().manual_seed(0))
    job = restorer.stream(y, Downsample(2), noise=0.05, samples=samples, seed=3)
    steps = [(state.step, state.steps) for state in job]
    assert job.preview().shape == (1, 3, 26, 22)
    return job.result(), steps


def test_samples_of_a_batch_are_those_that_come_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    single, steps = drawn(1, monkeypatch)
    several, fewer = drawn(3, monkeypatch)
    assert single.samples.shape == several.samples.shape == (5, 1, 3, 26, 22)
    torch.testing.assert_close(single.samples, several.samples, atol=1e-3, rtol=0)
    assert single.report["evaluations"] == several.report["evaluations"] == 5 * 2 * 2
    assert steps[-1] == fewer[-1] == (10, 10) and fewer == [(3, 10), (6, 10), (8, 10), (10, 10)]


def test_a_batch_is_halved_when_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = drawn(1, monkeypatch, samples=4)
    plain = CountedPrior.denoise

    def short(self: CountedPrior, x: Tensor, level: Level) -> Tensor:
        if len(x) > 2:
            raise torch.OutOfMemoryError("no memory for so many")
        return plain(self, x, level)

    monkeypatch.setattr(CountedPrior, "denoise", short)
    halved, _ = drawn(4, monkeypatch, samples=4)
    torch.testing.assert_close(whole.samples, halved.samples, atol=1e-3, rtol=0)


def test_a_processor_takes_one_at_a_time_and_a_card_what_its_memory_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    restorer = Restorer(device="cpu")
    shape = (1, 3, 256, 256)
    assert restorer.at_once(shape, 8) == 1
    restorer.device = torch.device("cuda")  # of which only the memory is asked
    for free, expected in ((10**12, 8), (200 * 10**6, 3), (1, 1)):
        monkeypatch.setattr("restore.restorer.room", lambda *_, free=free: Room(free, "there"))
        found = restorer.at_once(shape, 8)
        assert found == expected if free in (10**12, 1) else 1 < found < 8
    assert restorer.at_once((2, 3, 256, 256), 8) == 1


def test_a_kernel_serves_all_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Restorer, "at_once", lambda *_: 2)
    prior: Prior = load("embedded")
    restorer = Restorer(prior, "pnpdm", steps=1, inner=1, device="cpu")
    y = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    result = restorer(y, Blur(kernels.motion(5, 30), "valid"), noise=0.05, samples=2)
    assert result.samples.shape == (2, 1, 3, 28, 28)
    assert not torch.equal(result.samples[0], result.samples[1])
