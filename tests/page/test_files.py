"""The page's own files: short, typed, without anything from elsewhere, and in the wheel."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from restore.server.about import PAGE
from tests.server.conftest import ROOT

FILES = sorted(path for path in PAGE.rglob("*") if path.is_file())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
TYPES = {
    "checkJs": True, "allowJs": True, "noEmit": True, "strict": True, "target": "es2023",
    "module": "esnext", "moduleResolution": "bundler", "lib": ["es2023", "dom", "dom.iterable"],
}  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PAGE)))
def test_a_file_is_short_and_plain(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert [line for line in lines if len(line) > 100] == []
    assert [line for line in lines if line.rstrip() != line] == []
    assert "\t" not in text
    assert set(re.findall(r"https?://[\w./-]+", text)) <= {"http://www.w3.org/2000/svg"}
    if path.suffix == ".js":
        assert len(lines) <= 250
        assert text.startswith("/**"), "says not what it is"
        assert not re.search(r"\b(eval|innerHTML|outerHTML|document\.write)\b", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_imports_what_there_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for names, module in re.findall(r'import \{([^}]+)\} from "(\./[\w.]+)"', text):
        other = (path.parent / module).read_text(encoding="utf-8")
        for name in (each.strip() for each in names.split(",") if each.strip()):
            assert re.search(rf"export (async )?(const|let|function|class) {name}\b", other), (
                f"{module} has no {name}"
            )
            assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{name} is not used"


@pytest.mark.slow
def test_the_scripts_are_typed(tmp_path: Path) -> None:
    tsc = shutil.which("tsc")
    if tsc is None:
        pytest.skip("no tsc on the path; npm install --global typescript")
    import json

    project = {"compilerOptions": TYPES, "include": [str(PAGE / "scripts" / "*.js")]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(project))
    done = subprocess.run([tsc, "-p", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.slow
def test_the_wheel_has_the_page(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {str(path.relative_to(ROOT)) for path in FILES} <= held
