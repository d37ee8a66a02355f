"""Records of a benchmark, one an image, task and method, kept as lines of JSON to resume from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from restore.bench.protocol import BenchError


@dataclass(frozen=True)
class Record:
    """How one method did on one image and task.

    psnr in dB, ssim, lpips (None without its weights), chi_square of the residual (about 1 for the
    truth), network evaluations, seconds, peak_memory_bytes (of this estimate on Linux, of the
    process so far elsewhere).
    """

    image: str
    group: str
    index: int
    task: str
    method: str
    learned: bool
    sigma: float
    size: int
    seed: int
    settings: Mapping[str, Any]
    psnr: float
    ssim: float
    lpips: float | None
    chi_square: float
    evaluations: int
    seconds: float
    peak_memory_bytes: int

    @property
    def key(self) -> str:
        """What was asked: all but the figures."""
        return question(**{name: getattr(self, name) for name in _ASKED})


_ASKED = ("image", "group", "index", "task", "method", "sigma", "size", "seed", "settings")


def question(**asked: Any) -> str:
    """Name a cell of the benchmark; two runs that ask the same give the same text."""
    return json.dumps(asked, sort_keys=True)


def digest(prior: str) -> str:
    """Sixteen letters that tell the weights of a named prior from others; PriorError."""
    from priors.hub import locate

    found = hashlib.sha256()
    for file in sorted(locate(prior).rglob("*.safetensors")):
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


class Cache:
    """The records in a file of JSON lines; a run that was interrupted goes on where it stopped."""

    def __init__(self, path: Path) -> None:
        """Read what the file holds, if it exists; BenchError when it is something else."""
        self.path = path
        self._records: dict[str, Record] = {}
        if not path.is_file():
            return
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                record = Record(**json.loads(line))
            except (ValueError, TypeError) as error:
                if number == len(lines):
                    # A run was killed while it wrote: drop the torn line.
                    path.write_text("".join(f"{whole}\n" for whole in lines[:-1]))
                    break
                raise BenchError(
                    f"output: line {number} of {path} is no record; remove the file to start anew"
                ) from error
            self._records[record.key] = record

    def get(self, key: str, *, lpips: bool) -> Record | None:
        """Give the record of a question, unless it lacks the LPIPS that can be had now."""
        record = self._records.get(key)
        return None if record is None or (lpips and record.lpips is None) else record

    def add(self, record: Record) -> None:
        """Keep a record, on disk at once."""
        self._records[record.key] = record
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(record)) + "\n")
