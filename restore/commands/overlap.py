"""Photos under way together: while one is on the device, others are read or written.

Every photo has a thread of its own, and the device one, that of the command: what photos have for
it is done there, one thing at a time, the earliest photo first. Ctrl-C reaches it there.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import wraps
from queue import PriorityQueue
from typing import Any, TypeVar

IN_FLIGHT = min(8, 2 + (os.cpu_count() or 1))
"""Photos at most: one on the device, one written, the others before it."""
LARGE = 1024 * 1024
"""Photos of more pixels than this are not even decoded before the device is theirs."""
GRACE = 20.0
"""Seconds that photos may still take when the run is interrupted."""

_ENDED = -1
"""Before all photos: that one is done lets the next begin."""

Answer = TypeVar("Answer")


class Stop(BaseException):
    """The run was interrupted: what a photo had for the device is not done any more."""


class Device:
    """The thread that made it, doing what photos have for it."""

    def __init__(self) -> None:
        self.large = threading.Semaphore(2)
        """Held by a large photo: one may be on the device while another is written."""
        self._owner = threading.get_ident()
        self._asked: PriorityQueue[tuple[int, int, Future[Any], Callable[[], Any]]]
        self._asked = PriorityQueue()
        self._count, self._stopped = 0, False
        self._lock = threading.Lock()
        self._mine = threading.local()

    @property
    def here(self) -> bool:
        """Whether this is the device's thread."""
        return threading.get_ident() == self._owner

    def call(self, function: Callable[[], Answer]) -> tuple[Answer, float]:
        """What the function gives when the device does it, and the seconds of waiting for that."""
        if self.here:
            return function(), 0.0
        asked = time.perf_counter()

        def timed() -> tuple[Answer, float]:
            waited = time.perf_counter() - asked
            return function(), waited

        answer: Future[tuple[Answer, float]] = Future()
        self._put(self._mine.number, answer, timed)
        if self._stopped:
            raise Stop
        return answer.result()

    def run(self, numbers: Iterable[int], do: Callable[[int], bool]) -> None:
        """do(number) for each, several at once; no further one when one gives False.

        What `do` raises is raised here, after those under way were told to stop.
        """
        threads: set[threading.Thread] = set()
        following = iter(numbers)
        try:
            while True:
                while len(threads) < IN_FLIGHT and (number := next(following, None)) is not None:
                    thread = threading.Thread(target=self._photo, args=(number, do), daemon=True)
                    threads.add(thread)
                    thread.start()
                if not threads:
                    return
                order, _, answer, function = self._asked.get()
                if order == _ENDED:
                    thread, goes_on = answer.result()
                    threads.discard(thread)
                    following = following if goes_on else iter(())
                else:
                    _perform(function, answer)
        except BaseException:
            self._stop(threads)
            raise

    def _photo(self, number: int, do: Callable[[int], bool]) -> None:
        """The life of a photo's thread."""
        self._mine.number = number
        ended: Future[Any] = Future()
        try:
            ended.set_result((threading.current_thread(), do(number)))
        except BaseException as error:
            ended.set_exception(error)
        self._put(_ENDED, ended, lambda: None)

    def _put(self, order: int, answer: Future[Any], function: Callable[[], Any]) -> None:
        with self._lock:
            self._count += 1
            self._asked.put((order, self._count, answer, function))

    def _stop(self, threads: set[threading.Thread]) -> None:
        """Refuse what is asked from now on, and wait a little for what is being written."""
        self._stopped = True
        over = time.monotonic() + GRACE
        for thread in threads:
            while thread.is_alive() and time.monotonic() < over:
                while not self._asked.empty():
                    order, _, answer, _ = self._asked.get()
                    if order != _ENDED:
                        answer.set_exception(Stop())
                thread.join(0.05)


def _perform(function: Callable[[], Any], answer: Future[Any]) -> None:
    """Do what a photo asked for; its errors are the photo's, an interruption is everybody's."""
    try:
        found = function()
    except Exception as error:
        answer.set_exception(error)
    except BaseException:
        answer.set_exception(Stop())
        raise
    else:
        answer.set_result(found)


class Shared:
    """A device of several threads, which do what they have for it one at a time."""

    here = False

    def __init__(self) -> None:
        self.large = threading.Semaphore(2)
        self._held = threading.RLock()

    def call(self, function: Callable[[], Answer]) -> tuple[Answer, float]:
        """As of `Device`."""
        asked = time.perf_counter()
        with self._held:
            waited = time.perf_counter() - asked
            return function(), waited


class Turns:
    """A photo's turns on the device: its solver runs there, be it once or several times."""

    def __init__(self, device: Device | Shared) -> None:
        self.device = device
        self.waited = 0.0
        """Seconds of waiting for turns of the last restoration."""
        self._prior: object = None

    def of(self, solver: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """The solver; where its device is elsewhere it gives its last state only."""

        @wraps(solver)
        def turned(measurement: Any, prior: Any, *rest: Any, **options: Any) -> Iterator[Any]:
            if prior is not self._prior:  # every restoration has its own
                self._prior, self.waited = prior, 0.0
            states = solver(measurement, prior, *rest, **options)
            if self.device.here:
                yield from states
                return
            last, waited = self.device.call(lambda: deque(states, maxlen=1))
            self.waited += waited
            yield from last

        return turned
