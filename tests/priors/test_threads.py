"""How threads wait: long while they are alone, for a moment beside others, with the same bits."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import torch

from priors import threads
from priors.threads import TOLD, Abandoned, share_cores, side_by_side
from restore.bench import crowded as bench

BUSY = (sys.executable, "-c", "while True: pass")


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """What the next looks find, the last first; two threads, and nothing said of how they wait."""
    found: list[bool] = []
    monkeypatch.setattr(threads, "crowded", found.pop)
    monkeypatch.setattr(threads, "_EVERY", 0.0)
    for name in TOLD:
        monkeypatch.delenv(name, raising=False)
    torch.set_num_threads(2)
    yield found
    found.append(False)
    share_cores()
    torch.set_num_threads(1)


def test_a_second_team_sleeps_as_long_as_others_are_at_work(looks: list[bool]) -> None:
    before = threading.active_count()
    for crowded, more in ((False, 0), (True, 1), (True, 1), (False, 0)):
        looks.append(crowded)
        share_cores()
        asleep = [t for t in threading.enumerate() if t.name.endswith("(_sleep)")]
        for thread in asleep[: len(asleep) - more]:
            thread.join(10)  # which was told to leave
        assert threading.active_count() == before + more


def test_every_bit_stays(looks: list[bool]) -> None:
    x = torch.rand(1, 32, 64, 64, generator=torch.Generator().manual_seed(0))
    weights = torch.rand(32, 32, 3, 3, generator=torch.Generator().manual_seed(1))
    alone = torch.nn.functional.conv2d(x, weights)
    looks.append(True)
    share_cores()
    assert torch.equal(torch.nn.functional.conv2d(x, weights), alone)


@pytest.mark.parametrize("name", TOLD)
def test_what_the_environment_says_holds(
    looks: list[bool], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with monkeypatch.context() as told:
        told.setenv(name, "1")
        share_cores()
    assert looks == []
    looks.append(True)
    torch.set_num_threads(1)
    share_cores()
    torch.set_num_threads(2)
    assert looks.pop()  # one thread waits for nobody: nobody looked


def test_it_looks_now_and_then(looks: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    looks += [False, False]
    share_cores()
    monkeypatch.setattr(threads._Team, "next_look", float("inf"))
    share_cores()
    assert looks.pop() is False


def mapped(_: int = 0) -> tuple[torch.Tensor, int, bool]:
    """A sum whose last bits depend on the number of threads, that number, and whether it can be
    differentiated."""
    x = torch.rand(1 << 20, generator=torch.Generator().manual_seed(0), requires_grad=True)
    total = x.sum()
    return total.detach(), torch.get_num_threads(), total.requires_grad


def test_calls_side_by_side_have_a_core_each(looks: list[bool]) -> None:
    both = threading.Barrier(2, timeout=20)  # nobody comes through alone

    def call() -> tuple[torch.Tensor, int, bool]:
        both.wait()
        return mapped()

    with side_by_side() as cores:
        found = [each.result() for each in [cores.submit(call) for _ in range(2)]]
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    with side_by_side() as cores:
        found.append(cores.submit(mapped).result())
    assert torch.get_num_threads() == 1
    torch.set_num_threads(2)
    assert all(torch.equal(total, found[0][0]) for total, *_ in found)
    assert all(threads == 1 and not grad for _, threads, grad in found)


def test_calls_that_nobody_waits_for_end(looks: list[bool]) -> None:
    begun = threading.Event()

    def endless() -> None:
        begun.set()
        while True:
            share_cores()

    with pytest.raises(KeyboardInterrupt), side_by_side() as cores:
        running = [cores.submit(endless) for _ in range(5)]
        begun.wait(20)
        raise KeyboardInterrupt
    ends = [None if each.cancelled() else type(each.exception()) for each in running]
    assert Abandoned in ends and None in ends and set(ends) == {Abandoned, None}
    assert torch.get_num_threads() == 2


def test_busy_processes_are_noticed() -> None:
    cores = os.cpu_count() or 1
    if cores == 1:
        pytest.skip("one core: one thread, which waits for nobody")
    others = [subprocess.Popen(BUSY) for _ in range(2 * cores)]
    code = "from priors.threads import crowded; print(crowded())"
    environment = {**os.environ, "OMP_NUM_THREADS": str(cores)}
    try:
        told = subprocess.run(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True
        )
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert told.stdout.split() == [b"True"]


@pytest.mark.slow
def test_the_table_has_a_row_for_each_way() -> None:
    rows = [line.split("|")[1].strip() for line in bench.table()[2:]]
    assert rows == list(bench.WAYS)
