"""A Ray cluster on this machine, of nodes that are processes of their own and can be killed."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from restore.bench.protocol import BenchError

PATIENCE = 60.0
"""Seconds that a node may need to start."""
ATTEMPTS = 3
"""On a busy machine Ray gives a node up while it starts."""
STORE = 100_000_000
"""Bytes of a node's object store."""
ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    # that a node has died is noticed within seconds
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


class Nodes:
    """A head, which keeps the cluster together and does not work, and nodes of one processor."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.environment = {**os.environ, **SETTINGS, **token, "PYTHONPATH": str(ROOT)}
        """Of whoever is to reach the cluster; nobody else can."""
        self.head: subprocess.Popen[bytes] | None = None
        self.nodes: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """What `--ray-address` takes."""
        return f"127.0.0.1:{self.port}"

    def start(self, count: int) -> Self:
        """Start the head and so many nodes; BenchError where Ray is missing, or one ends."""
        self.head = self._started(
            "--head", f"--port={self.port}", "--num-cpus=0", "--include-dashboard=false",
            f"--temp-dir={self.folder}", f"--ray-client-server-port={free_port()}",
        )  # fmt: skip
        self._wait(self.head, 0)
        for _ in range(count):
            self.add()
        return self

    def add(self) -> None:
        """One more node, with a processor; BenchError where it does not start, whatever is done."""
        wanted = self._alive() + 1
        for attempt in range(ATTEMPTS):
            node = self._started(f"--address={self.address}", "--num-cpus=1")
            try:
                self._wait(node, wanted)
            except BenchError:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                self.nodes.append(node)
                return

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """End a node with all its processes, without warning."""
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()

    def stop(self) -> None:
        """End everything."""
        for node in (*self.nodes, self.head):
            if node is not None and node.poll() is None:
                os.killpg(node.pid, signal.SIGKILL)
                node.wait()

    def _started(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *words]
        command += ["--node-ip-address=127.0.0.1", f"--object-store-memory={STORE}"]
        command += ["--disable-usage-stats", "--include-log-monitor=false"]
        log = (self.folder / "nodes.log").open("ab")
        with log:
            return subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def _wait(self, node: subprocess.Popen[bytes], count: int) -> None:
        """Until the cluster answers, and knows so many nodes with a processor."""
        over = time.monotonic() + PATIENCE
        while self._alive() < count:
            if node.poll() is not None or time.monotonic() > over:
                told = (self.folder / "nodes.log").read_text(errors="replace").strip()
                last = told.splitlines()[-1:] or ["it said nothing"]
                raise BenchError(f"ray start: {last[0]}")
            time.sleep(0.1)

    def _alive(self) -> int:
        """How many nodes with a processor the cluster knows; -1 before it answers."""
        code = (
            f"from ray._raylet import GcsClient; import sys; "
            f"nodes = GcsClient(address={self.address!r}).get_all_node_info().values(); "
            f"sys.exit(100 + sum(n.state == 0 and n.resources_total.get('CPU', 0) > 0 "
            f"for n in nodes))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], env=self.environment, capture_output=True, check=False
        )
        return max(-1, done.returncode - 100)


@contextmanager
def cluster(count: int) -> Iterator[Nodes]:
    """A cluster of so many nodes, ended with the block."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        nodes = Nodes(Path(folder))
        try:
            yield nodes.start(count)
        finally:
            nodes.stop()


def free_port() -> int:
    """A port of this machine that nobody listens to."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port
