"""Threads that let others have their cores.

The threads of an OpenMP runtime wait for each other spinning. Where another process is at work, one
of them is not running, and the others take its core by waiting for it. libgomp, which torch has on
Linux, waits for no more than a moment while a process has more threads than there are cores
("throttled", in its manual under GOMP_SPINCOUNT): a second team of threads, which sleeps, makes it
so, and only where others are at work, as waiting so is slower if nobody is. The number of threads
at work, and with it every bit of a result, stays. `python -m restore.bench.crowded` measures it.

Operations too small to be shared gain nothing by a team, and lose more to others than large ones:
several things made of such are better done side by side, each by a thread alone.
"""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

import torch

TOLD = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Variables of the environment that say how threads wait."""
_EVERY, _LOOK = 3.0, 0.01
"""Seconds between two looks at how crowded it is, and of a look."""
_TAKEN = 0.4
"""Cores that others take from the threads of a look, from which on it is crowded."""
_SHARED = 1 << 17
"""Numbers enough for an operation to be shared between threads."""


class Abandoned(Exception):
    """Nobody waits for what this thread does."""


class _Mine(threading.local):
    """Whether what this thread does is wanted no more, if anybody says so."""

    unwanted: threading.Event | None = None


_mine = _Mine()


@contextmanager
def side_by_side() -> Iterator[Executor]:
    """Gives what does calls without gradients, each on one core, as many at once as torch may use.

    So their bits do not depend on how many that are. Where the block raises, as by Ctrl-C, they end
    at their next `share_cores`.
    """
    count, unwanted = torch.get_num_threads(), threading.Event()

    def begin() -> None:
        torch.set_grad_enabled(False)
        _mine.unwanted = unwanted

    torch.set_num_threads(1)  # also of threads that begin from now on
    pool = ThreadPoolExecutor(count, initializer=begin)
    try:
        yield pool
    except BaseException:
        unwanted.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(count)


class _Team:
    """The team that sleeps, if there is one, and when to look again."""

    leave: threading.Event | None = None
    next_look = 0.0


def share_cores(device: torch.device | None = None) -> None:
    """Wait for no more than a moment, as long as others are at work; for calls now and then.

    It looks every three seconds; not for work on another device than the processor, and not where
    the environment says how to wait. Abandoned where nobody waits for this thread.
    """
    if _mine.unwanted is not None and _mine.unwanted.is_set():
        raise Abandoned
    if device is not None and device.type != "cpu":
        return
    now = time.monotonic()
    alone = torch.get_num_threads() == 1 or any(name in os.environ for name in TOLD)
    if alone or now < _Team.next_look:
        return
    _Team.next_look = now + _EVERY
    if _Team.leave is not None:
        _Team.leave.set()
        _Team.leave = None
    if crowded():
        asleep, _Team.leave = threading.Event(), threading.Event()
        threading.Thread(target=_sleep, args=(asleep, _Team.leave), daemon=True).start()
        asleep.wait()


def crowded() -> bool:
    """Whether other processes take the cores of threads that, waiting or not, would use them."""
    x = torch.zeros(_SHARED)
    began, used, spent = time.perf_counter(), time.process_time(), 0.0
    while spent < _LOOK:
        x.cos_()
        spent = time.perf_counter() - began
    return time.process_time() - used < (torch.get_num_threads() - _TAKEN) * spent


def _sleep(asleep: threading.Event, leave: threading.Event) -> None:
    torch.zeros(_SHARED).cos_()  # for which this thread gets a team
    asleep.set()
    leave.wait()
