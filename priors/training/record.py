"""What a run leaves to read: `log.jsonl`, TensorBoard events where it is installed, `run.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Record:
    """The log of one stage, cut back to the step that the run resumes from."""

    def __init__(self, folder: Path, step: int) -> None:
        self._file = folder / "log.jsonl"
        lines = self._file.read_text("utf-8").splitlines() if self._file.exists() else []
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        self._file.write_text("".join(line + "\n" for line in kept), "utf-8")
        self._board = _board(folder, step)

    def write(self, step: int, seconds: float, figures: Mapping[str, float]) -> None:
        """One line of JSON, and a point on each curve."""
        line = {"step": step, "seconds": round(seconds, 1), **figures}
        with self._file.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()

    def close(self) -> None:
        """Close the event file."""
        if self._board is not None:
            self._board.close()


def write_run(folder: Path, **facts: Any) -> None:
    """Add facts to the stage's `run.json`, from which the model card is written."""
    file = folder / "run.json"
    known = json.loads(file.read_text("utf-8")) if file.exists() else {}
    file.write_text(json.dumps({**known, **facts}, indent=1) + "\n", "utf-8")


def read_run(folder: Path) -> dict[str, Any] | None:
    """The facts of a stage, or None where it has not run."""
    file = folder / "run.json"
    if not file.exists():
        return None
    facts: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return facts


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)
