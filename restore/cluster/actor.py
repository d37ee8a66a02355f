"""What runs on every device of a cluster: a restorer that takes one photo after the other."""

import json
import os
import socket
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from restore import spec
from restore.cluster.places import fetched, put
from restore.commands.batch import write_json
from restore.commands.failure import FAILED, Failure, understood
from restore.commands.files import Job, clear, is_address, joined
from restore.commands.manifest import fingerprint
from restore.commands.overlap import Shared
from restore.commands.progress import Progress
from restore.commands.saving import endings_of
from restore.commands.tasks import Restored

AT_ONCE = 3
"""Photos under way on a device: one on it, one read, one written."""


@dataclass(frozen=True)
class Order:
    """What is done to every photo: the task and its options, the folder that paths start from."""

    task: str
    options: dict[str, Any]
    solver_options: dict[str, Any]
    folder: str
    threads: int


class Heard(Progress):
    """Keeps what a restoration says, for whoever asked for it."""

    def __init__(self) -> None:
        super().__init__(1)
        self.lines: list[str] = []

    def step(self, done: int, total: int) -> None:
        """Steps are not told."""

    def say(self, line: str) -> None:
        """A line for standard error."""
        self.lines.append(line)


class Restoring:
    """Restores rows {"number", "source", "target", "below"}; gives {"number", "told"}, JSON.

    What is wrong is told of each row, and raised never: Ray would try again what fails alike.
    """

    def __init__(self, order: Order) -> None:
        import torch

        torch.set_num_threads(order.threads)  # which the last bits of a sum depend on
        options = spec.checked(spec.TASKS[order.task], order.options)
        self.endings = endings_of(options)
        # A picture that is there is an earlier attempt's, whose node died before it could tell.
        self.restored = Restored(order.task, options, order.solver_options, True, Shared())
        self.failure: Failure | None = None
        try:
            os.chdir(order.folder)
            self.restored.prepare()
        except FileNotFoundError:
            told = f"the node {socket.gethostname()} does not see {order.folder}; share the folder"
            self.failure = Failure(f"{told} among the nodes, or use a store", FAILED, fatal=True)
        except Exception as error:
            self.failure = understood(error)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Restore one photo and write its files."""
        job, heard = Job(row["source"], row["target"], Path(row["below"])), Heard()
        told: dict[str, Any] = {}
        failure = self.failure
        if failure is None:
            try:
                far = is_address(job.source) or is_address(job.target)
                told = self._staged(job, heard) if far else self._done(job, heard)
            except _Failed as error:
                failure = error.failure
            except Exception as error:
                failure = understood(error)
        told["failure"] = None if failure is None else asdict(failure)
        return {"number": row["number"], "told": json.dumps({**told, "lines": heard.lines})}

    def _done(self, job: Job, heard: Heard) -> dict[str, Any]:
        clear(job, self.endings)
        report = self.restored(job, heard)
        return {"report": report, "picture": fingerprint(job.target)}

    def _staged(self, job: Job, heard: Heard) -> dict[str, Any]:
        """Fetch the photo, restore it here, put what was made in its place, the picture last."""
        with tempfile.TemporaryDirectory(prefix="photomend-") as folder:
            source, target = job.source, job.target
            if is_address(source):
                source = str(Path(folder) / job.below.name)
                Path(source).write_bytes(fetched(job.source))
            if is_address(target):
                target = str(Path(folder) / "out" / Path(target.partition("?")[0]).name)
            staged = Job(source, target, job.below)
            try:
                made = self._done(staged, heard)
            except Exception as error:
                failure = understood(error)
                named = failure.message.replace(source, job.source).replace(target, job.target)
                raise _Failed(replace(failure, message=named)) from error
            made["report"] |= {"input": job.source, "output": job.target}
            write_json(staged.beside(".json"), made["report"])
            heard.lines = [line.replace(source, job.source) for line in heard.lines]
            if is_address(job.target):
                self._send(staged, job.target)
            return made

    def _send(self, staged: Job, address: str) -> None:
        place, mark, query = address.partition("?")
        folder = f"{place.rpartition('/')[0]}{mark}{query}"
        for path in (*map(staged.beside, self.endings), Path(staged.target)):
            if path.exists():
                put(path.read_bytes(), joined(folder, Path(path.name)))


class _Failed(Exception):
    """A failure that is understood already."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
