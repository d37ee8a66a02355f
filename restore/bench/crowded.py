"""What waiting costs beside a busy process: python -m restore.bench.crowded.

Seconds of an evaluation of the embedded prior's network at 256 x 256, on as many threads as there
are cores, alone and beside one process that is always at work: with threads that wait spinning, as
torch's do, that sleep at once, and that do either, as `priors.threads` finds the machine.
"""

import json
import os
import statistics
import subprocess
import sys
from itertools import product

from priors.threads import TOLD

WAYS: dict[str, dict[str, str]] = {
    "spinning": {"GOMP_SPINCOUNT": "300000"},
    "asleep": {"OMP_WAIT_POLICY": "PASSIVE"},
    "as found": {},
}
BUSY = (sys.executable, "-c", "while True: pass")
EVALUATIONS = """
import json, time, priors, torch
from restore.device import device, dtype
prior = priors.load("embedded")
prior.to(dtype("auto", device("cpu")))
state, level = prior.encode(torch.rand(1, 3, 256, 256)), prior.schedule.at_ratio(0.1)
took = []
with torch.no_grad():
    for _ in range(11):
        began = time.perf_counter()
        prior.denoise(state, level)
        took.append(time.perf_counter() - began)
print(json.dumps(took[1:]))
"""


def seconds(way: str, beside: bool) -> float:
    """The median of ten evaluations in a process of its own, beside a busy one or not."""
    plain = {name: value for name, value in os.environ.items() if name not in TOLD}
    other = subprocess.Popen(BUSY) if beside else None
    try:
        words, settings = [sys.executable, "-c", EVALUATIONS], plain | WAYS[way]
        told = subprocess.run(words, env=settings, stdout=subprocess.PIPE, check=True).stdout
    finally:
        if other is not None:
            other.kill()
            other.wait()
    return float(statistics.median(json.loads(told)))


def table() -> list[str]:
    """Lines of Markdown: a row for each way."""
    took = {key: seconds(*key) for key in product(WAYS, (False, True))}
    lines = ["| threads wait | alone, ms | beside a busy process, ms |", "|---|---:|---:|"]
    for way in WAYS:
        alone, beside = (f"{1e3 * took[way, kind]:.0f}" for kind in (False, True))
        lines.append(f"| {way} | {alone} | {beside} |")
    return lines


if __name__ == "__main__":
    sys.stdout.write("\n".join(table()) + "\n")
