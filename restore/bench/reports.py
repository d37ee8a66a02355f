"""What a benchmark leaves behind: report.json for programs, report.md for people."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Report = Callable[[str], None]
"""Takes a line of progress."""


def shown(value: Any, digits: int = 2) -> str:
    """Give a figure for a table, fractions with so many digits; nothing for None."""
    if value is None:
        return ""
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def told(row: dict[str, Any]) -> str:
    """Give a row as a line of progress."""
    return ", ".join(f"{key} {shown(value)}" for key, value in row.items())


def written(summary: dict[str, Any], text: str, output: Path, report: Report) -> dict[str, Any]:
    """Write both into output, tell report where, and give the summary."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "report.json").write_text(json.dumps(summary, indent=1) + "\n")
    (output / "report.md").write_text(text)
    report(f"report.md and report.json are in {output}")
    return summary
