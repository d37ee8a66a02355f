"""What a job will cost: the seconds that jobs like it took on this machine, scaled by their work.

    seconds = rest + pace work        work = megapixels x steps x samples

Before there was any job with a prior, the pace is that of a trial, which an estimate makes.
"""

import json
import math
import threading
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from restore.server.store import Store

FACT = "paces"
KEPT, LIKE = 24, 5
"""Jobs that are remembered of a kind, and those nearest in work that an answer stands on."""
FEW, TRIED = (0.7, 1.6), (0.5, 2.5)
"""How far the seconds may be off, as factors: from one or two jobs, and from a trial."""


_ALONE = threading.Lock()  # one worker may do several jobs at once


class Sort(NamedTuple):
    """What has a pace of its own."""

    task: str
    solver: str
    prior: str
    blind: bool


class Cost(NamedTuple):
    """Seconds that are likely, and the ends of what would be no surprise; jobs it stands on."""

    seconds: float
    low: float
    high: float
    jobs: int


def remember(store: Store, report: dict[str, Any], seconds: float) -> None:
    """Keep what a job took; seconds: from its start to its end."""
    if report["task"] == "estimate":
        if report["trial"] is None:
            return
        key = _key("trial", "", report["prior"], False)
        entry = [report["trial"]["work"], report["trial"]["seconds"], report["blur_seconds"]]
    else:
        asked, options = report["arguments"], report["options"]
        prior = str(asked["prior"])
        key = _key(report["task"], report["solver"], prior, "blur" in report)
        width, height = report["size"]
        work = width * height / 1e6 * options.get("steps", 1) * asked["samples"]
        entry = [work, report["seconds"], max(0.0, seconds - report["seconds"])]
    with _ALONE:
        paces: dict[str, list[list[float]]] = store.fact(FACT) or {}
        paces[key] = [*paces.get(key, []), entry][-KEPT:]
        store.tell(FACT, paces)


def cost(store: Store, sort: Sort, work: float) -> Cost | None:
    """What a job of a sort will cost; None where nothing like it was ever done."""
    paces: dict[str, list[list[float]]] = store.fact(FACT) or {}
    same = _key(*sort)
    kin = [key for key in paces if json.loads(key)[1:3] == [sort.solver, sort.prior]]
    for keys in ([same], kin):
        entries = [entry for key in keys for entry in paces.get(key, [])]
        if entries:
            return _scaled(entries, work)
    tried = paces.get(_key("trial", "", sort.prior, False), [])
    if not tried:
        return None
    seconds = median(each[1] / each[0] for each in tried) * work
    if sort.blind:
        seconds += median(each[2] for each in tried)
    return Cost(seconds, TRIED[0] * seconds, TRIED[1] * seconds, 0)


def _key(task: str, solver: str, prior: str, blind: bool) -> str:
    return json.dumps([task, solver, prior, blind])


def _scaled(entries: Sequence[Sequence[float]], work: float) -> Cost:
    """By the jobs nearest in work."""

    def near(each: Sequence[float]) -> float:
        return abs(math.log(each[0] / work))

    liked = sorted(entries, key=near)[:LIKE]
    likely = [rest + seconds / did * work for did, seconds, rest in liked]
    middle = median(likely)
    if len(liked) < 3:
        return Cost(middle, FEW[0] * middle, FEW[1] * middle, len(liked))
    return Cost(middle, 0.9 * min(likely), 1.2 * max(likely), len(liked))
