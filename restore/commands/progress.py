"""Progress on standard error: a bar where a person looks, a line now and then where a file does."""

import sys
import time
from types import TracebackType
from typing import Any, Self

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts photos and the steps of each; the time left is that of the photo at work.

    It goes by the steps after the first, before which more than a step was done: an estimate.
    """

    def __init__(self, photos: int, *, quiet: bool = False) -> None:
        self._photos, self._quiet = photos, quiet
        self.number, self._name, self._spoke = 0, "", 0.0
        self._first: tuple[int, float] | None = None
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            self._bar = _bar()
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def photo(self, name: str, number: int | None = None) -> None:
        """A photo begins; number: which of all, the next by default."""
        self.number = self.number + 1 if number is None else number
        self._name = f"[{self.number}/{self._photos}] {name}"
        self._first, self._spoke = None, time.monotonic()
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(self._name, total=None)

    def step(self, done: int, total: int) -> None:
        """So many steps of the photo are done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)
            return
        now = time.monotonic()
        if self._first is None:
            self._first = done, now
            return
        before, then = self._first
        if not self._quiet and now - self._spoke >= SECONDS_BETWEEN_LINES:
            self._spoke = now
            left = (now - then) * (total - done) / max(done - before, 1)
            self.say(f"{self._name}: step {done} of {total}, {left:.0f} s left")

    def say(self, line: str) -> None:
        """A line above the bar; unless quiet."""
        if not self._quiet:
            self.warn(line)

    def warn(self, line: str) -> None:
        """A line above the bar in any case: what went wrong."""
        if self._bar is None:
            sys.stderr.write(line + "\n")
        else:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as Bar,
    )

    return Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("step"),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        speed_estimate_period=3600.0,  # estimates of a benchmark take minutes, and differ
        transient=True,
    )
