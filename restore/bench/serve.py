"""`photomend bench serve`: does it lose, double or delay jobs, and does its memory grow?

Many clients ask for jobs, look at each four times a second and fetch its picture; then worker or
server are killed at random while they do. A prior in closed form makes the jobs short.
"""

import json
import math
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from restore.bench.crowd import Crowd, ends, latency, outcome
from restore.bench.reports import Report
from restore.bench.served import Client, Served

PRIOR = "restore.bench.white:white"
WARM = 0.1
"""The share of the jobs after which memory is measured first."""


def main(
    *,
    clients: int,
    jobs: int,
    kills: int,
    seed: int = 0,
    output: Path = Path("out/bench-serve"),
    report: Report,
) -> dict[str, Any]:
    """Put a server under load, then kill it again and again.

    clients ask at the same time for `jobs` each; then a fifth of the clients ask on while worker or
    server are killed `kills` times. Writes report.json and report.md, gives what the first holds.
    """
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        report(f"{clients} clients x {jobs} jobs")
        load = _load(Path(folder) / "load", clients, jobs)
        report(f"{kills} kills")
        crash = _crash(Path(folder) / "crash", max(1, clients // 5), kills, seed, report)
    summary = {
        "settings": {"clients": clients, "jobs": jobs, "kills": kills, "seed": seed},
        "processors": os.cpu_count(),
        "load": load,
        "crash": crash,
    }
    (output / "report.json").write_text(json.dumps(summary, indent=1) + "\n")
    (output / "report.md").write_text(markdown(summary))
    return summary


def _load(store: Path, clients: int, jobs: int) -> dict[str, Any]:
    """Every client asks for its jobs; latencies, counts, memory after a tenth and at the end."""
    with _served(store, clients) as served:
        crowd = Crowd(served)
        pids = {"server": served.server, "worker": served.worker}
        began = time.monotonic()
        threads = crowd.run(clients, lambda job: job < jobs)
        warm = WARM * clients * jobs
        served.wait(lambda: crowd.errors or ends(store)["jobs"] >= warm, math.inf)
        early = {name: _memory(pid) for name, pid in pids.items()}
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - began
        late = {name: _memory(pid) for name, pid in pids.items()}
    return {
        **outcome(crowd, store),
        "asked": clients * jobs,
        "seconds": seconds,
        "latency": {kind: latency(each) for kind, each in sorted(crowd.seconds.items())},
        "memory": {name: {"after_a_tenth": early[name], "at_the_end": late[name]} for name in pids},
    }


def _crash(store: Path, clients: int, kills: int, seed: int, report: Report) -> dict[str, Any]:
    """Kill worker or server at random while clients ask; wait for what was accepted."""
    chance, over, killed = random.Random(seed), threading.Event(), Counter[str]()
    with _served(store, clients) as served:
        crowd = Crowd(served)
        threads = crowd.run(clients, lambda _: not over.is_set())
        for number in range(kills):
            time.sleep(chance.uniform(0.1, 3.0))
            victim = chance.choice(("server", "worker"))
            killed[victim] += 1
            if victim == "server":
                served.kill()
                served.start()
            else:
                _kill(served.worker)
            if number % 10 == 9:
                report(f"{number + 1} kills, {len(crowd.accepted)} jobs")
        over.set()
        for thread in threads:
            thread.join()
    return {**outcome(crowd, store), "killed": dict(killed)}


@contextmanager
def _served(store: Path, clients: int) -> Iterator[Served]:
    """A server that takes jobs, ended with the block."""
    served = Served(store, "--prior", PRIOR, "--queue", str(2 * clients + 8)).start()
    try:
        client = Client(served)
        served.wait(lambda: client.ask("GET", "/readyz")[0] == 200)
        client.close()
        yield served
    finally:
        served.stop()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it had not been replaced yet


def _memory(pid: int) -> int | None:
    """Bytes of memory that a process holds; None where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def markdown(summary: dict[str, Any]) -> str:
    """The figures for a reader."""
    load, crash = summary["load"], summary["crash"]
    rows = [
        ("jobs accepted", load["accepted"], crash["accepted"]),
        ("lost", load["lost"], crash["lost"]),
        ("ended more than once", load["doubled"], crash["doubled"]),
        ("succeeded", load["succeeded"], crash["succeeded"]),
        ("answers of 5xx", load["server_errors"], crash["server_errors"]),
        ("kills", 0, sum(crash["killed"].values())),
    ]
    settings = summary["settings"]
    lines = [
        f"{settings['clients']} clients x {settings['jobs']} jobs in {load['seconds']:.0f} s "
        f"({load['accepted'] / load['seconds']:.1f} a second) on {summary['processors']} "
        "processors, which the clients use, too.",
        "",
        "| | under load | killed at random |",
        "|---|---|---|",
        *(f"| {name} | {one} | {other} |" for name, one, other in rows),
        "",
        "| milliseconds | answers | p50 | p99 | longest |",
        "|---|---|---|---|---|",
    ]
    for kind, each in load["latency"].items():
        figures = " | ".join(f"{each[name]:.1f}" for name in ("p50", "p99", "longest"))
        lines.append(f"| {kind} | {each['count']} | {figures} |")
    lines += ["", "| memory, MiB | after a tenth of the jobs | at the end | growth |"]
    lines.append("|---|---|---|---|")
    for name, each in load["memory"].items():
        early, late = each["after_a_tenth"], each["at_the_end"]
        if early and late:
            told = f"{early / 2**20:.1f} | {late / 2**20:.1f} | {100 * (late / early - 1):+.1f} %"
            lines.append(f"| {name} | {told} |")
    return "\n".join(lines) + "\n"
