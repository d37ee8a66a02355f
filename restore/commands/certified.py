"""The certificate of a picture in words, as the command line says them."""

from collections.abc import Mapping
from typing import Any


def certified(report: Mapping[str, Any]) -> list[str]:
    """A line for each picture of a report with a certificate, and one of how it came."""
    found = report["certificate"]
    seeds = ", ".join(map(str, report["seeds"]))
    options = ", ".join(f"{name} {value}" for name, value in report["options"].items())
    memory = (report["peak_memory_bytes"] or 0) / 10**6
    how = f"seed {seeds}, {report['solver']}{f' ({options})' if options else ''}"
    cost = f"{report['evaluations']} evaluations, {report['seconds']:.1f} s, {memory:.0f} MB"
    return [*(_judged(report, k) for k in range(len(found["verdict"]))), f"{how}, {cost}"]


def _judged(report: Mapping[str, Any], k: int) -> str:
    """The verdict on picture k, what it stands on, and what the prior could do at best."""
    found, best = report["certificate"], report["prior_ceiling_db"][k]
    low, high = found["band"]
    said = f"chi-square {found['chi_square'][k]:.2f} (expected {low:g} to {high:.2f})"
    if found["structure"][k] is not None:
        value, most = found["structure"][k]
        said += f", by frequencies {value:.2f} (at most {most:.2f})"
    if (other := found["likelier"][k]) is not None and other["far"]:
        said += f", a kernel like it likelier by {other['nats']:.0f} nats"
    if (noise := report.get("allowed_noise")) is not None:
        said += f", restored as with a noise of {noise:.3f}"
    ceiling = "" if best is None else f"; this prior cannot exceed {best:.0f} dB here"
    return f"{found['verdict'][k]}; {said}{ceiling}"
