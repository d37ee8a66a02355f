"""`photomend bench scale`: how busy a folder of photos keeps the device, and what nodes are worth.

The command line restores a folder with a stand-in for the network, which waits as one waits for a
device, so that what is around it is measured: reading, estimates, certificate, writing.

    busy share = seconds in the solver / seconds from the first solver's start to the last one's end
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from operators.base import LinearOperator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore import api
from restore.bench.nodes import Nodes, cluster
from restore.bench.protocol import BenchError
from restore.bench.reports import Report, written
from restore.bench.white import white
from restore.images import read
from restore.solvers import State

ROOT = Path(__file__).resolve().parents[2]
DONE: dict[str, Any] = {"kernel": "motion:9,30", "boundary": "reflect", "noise": 0.02}
"""What was done to the photos."""
PRIOR = "restore.bench.white:white"
"""It costs nothing: what a prior has to do is done by the device, which is waited for."""
STEPS = 10
"""Of the stand-in."""
ALONE = 5
"""Photos whose parts are timed one after the other."""


@torch.no_grad()
def waiting(
    measurement: Measurement[LinearOperator],
    prior: Prior,
    seeds: Seeds,
    *,
    seconds: float = 0.5,
    trace: str = "",
) -> Iterator[State]:
    """A solver that waits so many seconds, as for a device; trace: a file for when it did."""
    began = time.monotonic()
    x = prior.encode(measurement.operator.adjoint(measurement.y))
    for step in range(1, STEPS + 1):
        time.sleep(max(0.0, began + seconds * step / STEPS - time.monotonic()))
        if step == STEPS and trace:
            with open(trace, "a", encoding="ascii") as file:
                file.write(json.dumps([began, time.monotonic(), os.getpid()]) + "\n")
        yield State(step, STEPS, x, x)


def main(
    *,
    files: int = 200,
    size: int = 256,
    seconds: float = 0.5,
    nodes: Sequence[int] | None = None,
    output: Path = Path("out/bench-scale"),
    report: Report,
) -> dict[str, Any]:
    """Restore a folder of photos with a stand-in for the network, here and by Ray.

    seconds: that the device takes a photo. nodes: of the clusters to start on this machine, with a
    device each. Writes report.json and report.md, gives what the first holds. BenchError where a
    run fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        report(f"{files} photos of {size} x {size}")
        album(place / "in", files, size)
        summary: dict[str, Any] = {
            "settings": {"files": files, "size": size, "seconds": seconds},
            "processors": os.cpu_count(),
            "parts": _parts(place, seconds),
            "runs": [_run(place, "local", seconds)],
        }
        for count in nodes or ():
            report(f"Ray, {count} nodes")
            with cluster(count) as started:
                run = _run(place, f"ray{count}", seconds, started)
            summary["runs"].append({**run, "nodes": count})
    return written(summary, markdown(summary), output, report)


def album(folder: Path, photos: int, size: int) -> None:
    """Write pictures that differ: waves, an edge, a little noise."""
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[:size, :size] / size
    for number in range(photos):
        noise = np.random.default_rng(number).normal(0, 0.02, (size, size, 3))
        waves = np.sin((8 + number % 7) * columns + number), np.cos(9 * rows), rows + columns > 1
        planes = 0.5 + 0.3 * np.stack(waves, axis=-1) + noise
        picture = Image.fromarray((255 * planes.clip(0, 1)).astype(np.uint8))
        picture.save(folder / f"{number:05}.png", compress_level=1)


def _parts(place: Path, seconds: float) -> dict[str, float]:
    """Seconds a photo of what a run is made of, one after the other in one thread."""
    spent = dict.fromkeys(("reading", "device", "around", "writing"), 0.0)
    for number, path in enumerate(sorted((place / "in").iterdir())[: ALONE + 1]):
        moments = [time.perf_counter()]
        read(path)
        moments.append(time.perf_counter())
        result = api.deblur(path, prior=white(), solver=waiting, seconds=seconds, **DONE)
        moments.append(time.perf_counter())
        result.save(place / f"alone{number}.png")
        moments.append(time.perf_counter())
        reading, restoring, writing = np.diff(moments)
        if number:  # the first one loads the prior
            each = (reading, seconds, restoring - reading - seconds, writing)
            for name, took in zip(spent, each, strict=True):
                spent[name] += float(took) / ALONE
    return spent


def _run(place: Path, name: str, seconds: float, nodes: Nodes | None = None) -> dict[str, Any]:
    """Restore the folder by the command line; what its trace tells."""
    trace, target = place / f"{name}.trace", place / name
    command = [sys.executable, "-m", "restore.cli", "deblur", str(place / "in"), "-o", str(target)]
    command += [f"--{option}={value}" for option, value in DONE.items()]
    command += ["--solver=restore.bench.scale:waiting", f"--option=trace={trace}"]
    command += [f"--option=seconds={seconds}", f"--prior={PRIOR}", "--quiet"]
    if nodes is not None:
        command += ["--engine=ray", f"--ray-address={nodes.address}"]
    environment = None if nodes is None else nodes.environment
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    took = time.monotonic() - began
    if done.returncode:
        raise BenchError(f"{name}: {done.stderr.strip()}")
    lines = [json.loads(line) for line in trace.read_text(encoding="ascii").splitlines()]
    return {"name": name, "command_seconds": took, **told(lines), "written": len(names(target))}


def names(folder: Path) -> list[str]:
    """The pictures in a folder."""
    return sorted(path.name for path in folder.glob("*.png"))


def told(trace: Sequence[tuple[float, float, int]]) -> dict[str, Any]:
    """Busy share of each device and photos a second, of (begin, end, process) of every solver."""
    window = max(end for _, end, _ in trace) - min(begin for begin, _, _ in trace)
    devices = {process for _, _, process in trace}
    busy = sum(end - begin for begin, end, _ in trace)
    return {
        "photos": len(trace),
        "devices": len(devices),
        "seconds": window,
        "busy": busy / window / len(devices),
        "photos_per_second": len(trace) / window,
    }


def markdown(summary: dict[str, Any]) -> str:
    """The figures for a reader."""
    settings, parts = summary["settings"], summary["parts"]
    alone = sum(parts.values())
    told = ", ".join(f"{name} {1000 * took:.0f}" for name, took in parts.items())
    lines = [
        f"{settings['files']} photos of {settings['size']} x {settings['size']} pixels on "
        f"{summary['processors']} processors; a stand-in for the network waits "
        f"{settings['seconds']:g} s a photo.",
        "",
        f"One after the other, in milliseconds a photo: {told}; {alone:.3f} s in all, the device "
        f"busy {100 * parts['device'] / alone:.1f} % of the time.",
        "",
        "| | devices | written | device busy | photos a second | times one after the other |",
        "|---|---|---|---|---|---|",
    ]
    for run in summary["runs"]:
        name = f"Ray, {run['nodes']} nodes" if "nodes" in run else "one machine"
        rate = run["photos_per_second"]
        lines.append(
            f"| {name} | {run['devices']} | {run['written']} | {100 * run['busy']:.1f} % | "
            f"{rate:.2f} | {rate * alone:.2f} |"
        )
    return "\n".join(lines) + "\n"
