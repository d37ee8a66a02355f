"""A server in a process of its own, to be asked, watched and killed."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from restore.bench.protocol import BenchError

PATIENCE = 120.0
"""Seconds for what happens in a few, unless the machine is busy."""
ROOT = Path(__file__).resolve().parents[2]
"""Where the worker finds the module of a prior, also one of the tests."""


class Served:
    """`photomend serve` on a free port of this machine; it starts again on the same store."""

    def __init__(self, store: Path, *words: str, **environment: str) -> None:
        self.store, self.log = store, store.with_suffix(".log")
        self.words = [sys.executable, "-m", "restore.cli", "serve", "--port", "0"]
        self.words += ["--store", str(store), *words]
        self.environment = {**os.environ, **environment}
        self.process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def start(self) -> Self:
        """Start it and wait until it answers; BenchError where it ends instead."""
        began = len(self.lines())
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.words, cwd=ROOT, env=self.environment, stderr=log, stdout=log
            )
        self.process = process
        self.wait(lambda: self.told("serving", began) or process.poll() is not None)
        if process.poll() is not None:
            raise BenchError(f"photomend serve ended with {process.returncode}; see {self.log}")
        self.address = self.told("serving", began)[-1]["address"]
        return self

    def lines(self) -> list[dict[str, Any]]:
        """The log; a line that is half written is left out."""
        if not self.log.exists():
            return []
        whole = self.log.read_text(encoding="utf-8").rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def told(self, event: str, after: int = 0) -> list[dict[str, Any]]:
        """The lines about an event."""
        return [line for line in self.lines()[after:] if line["event"] == event]

    def wait(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """Until the condition is true; what it gave. BenchError where that takes too long."""
        over = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > over:
                raise BenchError(f"waited in vain for {seconds:.0f} s; see {self.log}")
            time.sleep(0.02)
        return found

    @property
    def server(self) -> int:
        """The process id of the server; BenchError before it is started."""
        if self.process is None:
            raise BenchError("the server is not started")
        return self.process.pid

    @property
    def worker(self) -> int:
        """The process id of the worker."""
        pid: int = self.told("worker started")[-1]["pid"]
        return pid

    def kill(self) -> None:
        """End the server without warning."""
        os.kill(self.server, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def stop(self) -> int:
        """Ask it to end; the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


class Client:
    """One connection, used again; it may break."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self._connection: http.client.HTTPConnection | None = None

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> tuple[int, bytes, float]:
        """Status, body and seconds; OSError or HTTPException where there is no answer."""
        began = time.perf_counter()
        if self._connection is None:
            place = self.served.address.removeprefix("http://")
            self._connection = http.client.HTTPConnection(place, timeout=PATIENCE)
        try:
            self._connection.request(method, path, body, dict(headers))
            answer = self._connection.getresponse()
            return answer.status, answer.read(), time.perf_counter() - began
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def form(fields: Mapping[str, str], files: Mapping[str, bytes]) -> tuple[bytes, dict[str, str]]:
    """A multipart form and the header that says so."""
    boundary = uuid.uuid4().hex
    parts = []
    for name, text in fields.items():
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}')
    encoded = [part.encode() for part in parts]
    for name, data in files.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"'
        encoded.append(head.encode() + b"\r\n\r\n" + data)
    body = b"\r\n".join([*encoded, f"--{boundary}--\r\n".encode()])
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
