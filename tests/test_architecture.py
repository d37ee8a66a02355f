"""The shape of the house: who may import whom, what is loaded when, how long files may be."""

import ast
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("operators", "priors", "restore")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HEAVY = {
    "cv2", "diffusers", "fastapi", "kornia", "lpips", "prometheus_client", "skimage", "torchvision",
    "transformers", "uvicorn",
}  # fmt: skip


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after a statement."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [shutil.which("lint-imports", path=Path(sys.executable).parent) or "lint-imports"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stdout


def test_the_library_loads_nothing_heavy() -> None:
    statement = "import operators, priors\nfrom restore import deblur, upscale, inpaint, Restorer"
    assert not loaded_by(statement) & (HEAVY | {"rich", "typer"})


@pytest.mark.parametrize("words", [
    ["--help"], ["deblur", "--help"], ["deblur"], ["nonsense"], ["bench", "--help"],
    ["train", "diffusion", "--help"], ["serve", "--help"],
])  # fmt: skip
def test_the_command_line_answers_without_torch(words: list[str]) -> None:
    modules = loaded_by(f"from restore.cli import main\nmain({words!r})")
    assert "typer" in modules
    assert not modules & (HEAVY | {"torch", "numpy", "scipy", "PIL"})


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_typed_and_in_the_wheel(package: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert (ROOT / package / "py.typed").is_file()
    assert package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_dependencies_have_lower_bounds_only() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    named = [*project["dependencies"], *(name for extra in extras for name in extra)]
    free = [name for name in named if not name.startswith("photomend[")]
    assert [name for name in free if name.count(">=") != 1 or set(name) & set("<~!,;")] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_and_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "no module docstring"
    assert len(text.splitlines()) <= 250, "over 250 lines"
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions(tree) if f.end_lineno}
    assert {name: lines for name, lines in long.items() if lines > 40} == {}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_touches_a_global_random_generator(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    guilty = [
        ast.unparse(call)
        for call in calls
        if ast.unparse(call.func) in DRAWS
        and "generator" not in {keyword.arg for keyword in call.keywords}
    ]
    assert guilty == []


DRAWS = {
    f"torch.{name}"
    for name in ("rand", "randn", "randint", "randperm", "normal", "bernoulli", "poisson")
} | {"torch.manual_seed", "torch.seed", "torch.rand_like", "torch.randn_like"}
DRAWS |= {f"{numpy}.random.{name}" for numpy in ("np", "numpy") for name in ("rand", "seed")}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module, inner ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
