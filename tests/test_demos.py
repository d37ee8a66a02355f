"""The demo notebooks run; their assertions hold."""

from pathlib import Path

import pytest

DEMOS = Path(__file__).resolve().parents[1] / "demos"


@pytest.mark.parametrize("notebook", sorted(DEMOS.glob("*.py")), ids=lambda path: path.stem)
def test_the_notebook_runs(notebook: Path) -> None:
    exec(compile(notebook.read_text(encoding="utf-8"), str(notebook), "exec"), {})
