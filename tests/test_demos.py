"""The notebooks: their stories hold on small pictures, and what is executed is what is written."""

import ast
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

nbformat: Any = pytest.importorskip("nbformat", reason="pip install 'photomend[notebooks]'")
pytest.importorskip("jupytext")
pytest.importorskip("matplotlib")

DEMOS = Path(__file__).resolve().parents[1] / "demos"
SOURCES = sorted(DEMOS.glob("[0-9][0-9]_*.py"))
SMALL: dict[str, dict[str, Any]] = {
    "01": {"SIDE": 96, "STEPS": 10},
    "02": {"WHOLE": False, "SIDE": 112, "STEPS": 5, "SHARP": ["chelsea"]},
    "03": {"SIDE": 96, "SAMPLES": 3, "STEPS": 8},
    "04": {"SIDE": 96, "SAMPLES": 2, "STEPS": 10},
    "05": {"SIDE": 64, "SOLVERS": ["pnpdm", "tradeoff", "dpir"], "BUDGETS": [3, 10]},
    "06": {"SIDE": 96, "STEPS": 10},
    "07": {"SIDE": 64, "SAMPLES": 2, "STEPS": 10, "DRAWS": 1000, "EFFORTS": ((15, 5), (60, 20))},
    "08": {"SIDE": 64, "SMALL": 32, "STEPS": 10},
    "09": {"SIDE": 64, "STEPS": 10},
    "10": {"SIDE": 96},
}
"""What the parameters of the first cell are in the tests."""
LONG = {"02", "03", "04", "05", "06", "07", "08", "10"}
KILOBYTES, ALL_KILOBYTES = 400, 3000
PLACES = re.compile(r"(?<![\w.])/(?:home|root|tmp|usr|Users|var|work)/|site-packages|C:\\")


@pytest.fixture
def notebooks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """demos/notebooks.py, and demos/ where Jupyter would have it: on the path, and current."""
    monkeypatch.syspath_prepend(DEMOS)
    monkeypatch.chdir(DEMOS)
    spec = importlib.util.spec_from_file_location("notebooks", DEMOS / "notebooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def number(source: Path) -> str:
    """The first two digits."""
    return source.name[:2]


def test_there_are_ten() -> None:
    assert [number(source) for source in SOURCES] == [f"{n:02d}" for n in range(1, 11)]
    assert set(SMALL) == {number(source) for source in SOURCES}


@pytest.mark.parametrize(
    "source",
    [pytest.param(s, marks=[pytest.mark.slow] * (number(s) in LONG)) for s in SOURCES],
    ids=lambda source: source.stem,
)
def test_the_notebook_runs(source: Path, notebooks: ModuleType) -> None:
    if (needed := notebooks.NEEDED.get(number(source))) is not None:
        pytest.importorskip(needed)
    names: dict[str, Any] = {"__name__": "__main__"}
    overridden = False
    for place, cell in enumerate(notebooks.notebook(source).cells):
        if cell.cell_type == "code":
            exec(compile(cell.source, f"{source.stem}, cell {place}", "exec"), names)
        if not overridden and set(SMALL[number(source)]) <= set(names):
            names.update(SMALL[number(source)])
            overridden = True
    assert overridden, "no cell sets the parameters that the test replaces"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_what_is_executed_is_what_is_written(source: Path, notebooks: ModuleType) -> None:
    path = source.with_suffix(".ipynb")
    executed, written = nbformat.read(path, as_version=4), notebooks.notebook(source)
    nbformat.validate(executed)
    stale = f"{path.name} is stale: make notebooks NOTEBOOKS={number(source)}"
    assert [(c.cell_type, c.source, c.id) for c in executed.cells] == [
        (c.cell_type, c.source, c.id) for c in written.cells
    ], stale
    assert executed.metadata == written.metadata
    assert path.stat().st_size <= KILOBYTES * 1024
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), stale


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_outputs_are_pictures_with_captions_and_tell_no_place(source: Path) -> None:
    book = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert {output.output_type for output in outputs} <= {"display_data", "execute_result"}
    figures = [o for o in outputs if {"image/png", "image/jpeg"} & set(o.data)]
    captions = [o.data["text/markdown"] for o in outputs if "text/markdown" in o.data]
    assert figures
    for figure in figures:
        (alternative,) = {told["alt"] for told in figure.metadata.values()}
        assert f"*{alternative}*" in captions
    texts = [
        text for o in outputs for kind, text in o.data.items() if not kind.startswith("image/")
    ]
    assert not PLACES.search("\n".join(texts))


def test_all_of_them_are_small() -> None:
    size = sum(source.with_suffix(".ipynb").stat().st_size for source in SOURCES)
    assert size <= ALL_KILOBYTES * 1024


@pytest.mark.parametrize(
    ("stem", "name", "lines"),
    [("06_write_an_operator", "Anamorphic", 10), ("07_write_a_solver", "split_gibbs", 40)],
)
def test_ten_lines_and_forty(stem: str, name: str, lines: int) -> None:
    text = (DEMOS / f"{stem}.py").read_text(encoding="utf-8")
    (node,) = (
        n
        for n in ast.parse(text).body
        if isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name == name
    )
    first = min(node.lineno, *(decorator.lineno for decorator in node.decorator_list))
    written = text.splitlines()[first - 1 : node.end_lineno]
    assert sum(bool(line.strip()) for line in written) <= lines


@pytest.mark.slow
def test_a_second_run_changes_nothing_but_figures(tmp_path: Path, notebooks: ModuleType) -> None:
    first, again = DEMOS / "06_write_an_operator.ipynb", tmp_path / "06_write_an_operator.ipynb"
    assert notebooks.main(["06", "-o", str(tmp_path)]) == 0

    def without_figures(path: Path) -> Any:
        book = json.loads(path.read_text(encoding="utf-8"))
        for output in (o for cell in book["cells"] for o in cell.get("outputs", [])):
            for kind in [kind for kind in output.get("data", {}) if kind.startswith("image/")]:
                del output["data"][kind]
        return book

    assert without_figures(first) == without_figures(again)
