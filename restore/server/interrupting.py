"""Ends a job that is not wanted any more within what has no steps, such as the search for a blur.

As Ctrl-C would: a signal makes the main thread raise between two of its instructions.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from sqlite3 import OperationalError

from restore.server.doing import Stopped, TooLong, Watch
from restore.server.leases import Lost

LOOK = 0.5
"""Seconds without a step after which it is looked whether the job is still wanted."""


@contextmanager
def interruptible(watch: Watch) -> Iterator[None]:
    """Raises Lost, Stopped or TooLong within the block; in the main thread alone."""
    main = threading.main_thread()
    if threading.current_thread() is not main or not hasattr(signal, "pthread_kill"):
        yield
        return
    over, reasons = threading.Event(), list[Exception]()

    def look() -> None:
        while not over.wait(LOOK):
            if time.monotonic() - watch.stepped < LOOK:
                continue  # its steps look themselves
            try:
                watch.wanted()
            except (Lost, Stopped, TooLong) as reason:
                reasons.append(reason)
                signal.pthread_kill(main.ident or 0, signal.SIGUSR1)
            except OperationalError:
                continue  # a full disk is met elsewhere

    def leave(*_: object) -> None:
        if not over.is_set():
            raise reasons[-1]

    before = signal.signal(signal.SIGUSR1, leave)
    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        try:
            yield
        finally:
            over.set()
    finally:
        over.set()  # a signal may have come before it was set above
        looking.join()
        signal.signal(signal.SIGUSR1, before)
