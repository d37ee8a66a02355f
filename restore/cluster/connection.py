"""A Ray cluster: reached or started here, and what of it a restoration can use."""

import logging
import os
import signal
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any, TextIO, cast

from restore import spec
from restore.commands.failure import FAILED, Refusal
from restore.memory import shown

PATIENCE = 5.0
"""Seconds in which a cluster has to answer."""
STORE = 200_000_000
"""Bytes of the object store of a cluster that is started here: photos are not kept in it."""
STANDARD_ERROR = 2
GPU, CPU, MEMORY = "GPU", "CPU", "memory"


@dataclass(frozen=True)
class Devices:
    """How many restorers there may be, what each takes of its node, and its threads."""

    count: int
    takes: dict[str, float]
    threads: int


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connected to the cluster at host:port, to the one of this machine ("auto"), or to a new one.

    Refusal where it cannot be reached. What was opened before, and sys.stderr, tell what they tell;
    Ray, which writes on both standard streams, tells nothing.
    """
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # else it comes when all is over
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray
    except ImportError as error:
        raise Refusal(f"--engine ray: {error}; pip install 'photomend[ray]'", FAILED) from error
    address = address or os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"address": address or "local", "log_to_driver": False}
    if not address:
        options |= {"include_dashboard": False, "object_store_memory": STORE}
    elif address != "auto":
        _check(address)
    logging.getLogger("ray").setLevel(logging.ERROR)
    ends = signal.getsignal(signal.SIGTERM)
    with open(os.devnull, "w", encoding="utf-8") as nowhere, _silent(nowhere):
        try:
            ray.init(logging_level=logging.ERROR, configure_logging=True, **options)
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            line = str(error).splitlines()[0]
            raise Refusal(f"--ray-address {address}: {line}; {_CURE}", FAILED) from error
        try:
            signal.signal(signal.SIGTERM, ends)  # which Ray takes for itself
            yield
        finally:
            ray.shutdown()


@contextmanager
def _silent(nowhere: TextIO) -> Iterator[None]:
    """Send nowhere what goes to sys.stdout or, past Python, to standard error."""
    with redirect_stdout(nowhere):
        if sys.stderr is not sys.__stderr__:
            yield
            return
        told = cast(TextIO, sys.stderr)
        told.flush()
        kept = os.dup(STANDARD_ERROR)
        os.dup2(nowhere.fileno(), STANDARD_ERROR)
        try:
            with open(kept, "w", encoding="utf-8", buffering=1, closefd=False) as sys.stderr:
                yield
        finally:
            sys.stderr = told
            os.dup2(kept, STANDARD_ERROR)
            os.close(kept)


def devices(options: spec.Options, threads: int) -> Devices:
    """The devices of the cluster that the options allow; Refusal where there is none.

    threads: of a restorer on processors.
    """
    nodes = _nodes()
    kind, _, index = options.device.partition(":")
    if index or kind == "mps":
        raise Refusal(f"--device {options.device}: Ray chooses among cards; use auto, cuda or cpu")
    cards = sum(int(node.get(GPU, 0)) for node in nodes)
    if kind == "cuda" and not cards:
        raise Refusal(
            f"--device cuda: 1 card is needed, the cluster has 0 on {len(nodes)} nodes; "
            "add a node with one, or use --device auto",
            FAILED,
        )
    name = GPU if cards and kind != "cpu" else CPU
    threads = min(threads, int(max(node.get(CPU, 0) for node in nodes)) or 1)
    takes: dict[str, float] = {name: 1 if name == GPU else threads}
    if options.max_memory:
        takes[MEMORY] = float(options.max_memory)
    count = sum(_fitting(node, takes) for node in nodes)
    if not count:
        most = shown(int(max(node.get(MEMORY, 0) for node in nodes)))
        raise Refusal(
            f"--max-memory {shown(options.max_memory or 0)}: no node has as much for Ray, the "
            f"largest {most}; give less, or start nodes with more",
            FAILED,
        )
    return Devices(count, takes, threads)


def _nodes() -> list[dict[str, float]]:
    """What the nodes have that are alive, and can work."""
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    nodes = [node for node in alive if node.get(CPU, 0) or node.get(GPU, 0)]
    if not nodes:
        raise Refusal("--engine ray: the cluster has no node that can work; start one", FAILED)
    return nodes


def _fitting(node: dict[str, float], takes: dict[str, float]) -> int:
    return int(min(node.get(name, 0) // amount for name, amount in takes.items()))


_CURE = (
    "start one by `ray start --head` and name its host:port, or leave the address out to start "
    "one here"
)


def _check(address: str) -> None:
    """Refusal unless something listens at host:port; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        raise Refusal(f"--ray-address {address}: write it as host:port, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
    except OSError as error:
        told = f"--ray-address {address}: no cluster answers ({error.strerror or error}); {_CURE}"
        raise Refusal(told, FAILED) from error
