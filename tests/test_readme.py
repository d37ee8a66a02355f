"""What the README shows runs: its Python, its commands, on small pictures in an empty folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.kernels import motion
from restore.cli import main
from restore.images import read, write
from tests.drawings import blurred

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"""[\w./*-]*\w\.(?:png|jpe?g|tiff?|webp|npy)""")
LONG = ("demo", "bench", "doctor", "train", "serve")
"""Commands of minutes; the tests of the command line and the slow test below run them."""


def blocks(*languages: str) -> list[str]:
    """The fenced blocks of these languages, in order."""
    text = README.read_text(encoding="utf-8")
    return [body for language, body in BLOCK.findall(text) if language in languages]


def commands() -> list[str]:
    """The lines of the shell blocks, continued lines joined, comments and prompts gone."""
    lines = "\n".join(blocks("sh", "bash", "shell", "console")).replace("\\\n", " ").splitlines()
    stripped = [re.sub(r"\s+#.*$", "", line).strip().removeprefix("$ ") for line in lines]
    return [line for line in stripped if line and not line.startswith("#")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with every picture that the README reads."""
    monkeypatch.chdir(tmp_path)
    text = "\n".join(blocks("sh", "bash", "shell", "console", "python"))
    written = set(re.findall(r"""(?:-o |save\(["'])([^\s"')]+)""", text))
    for name in sorted(set(PICTURE.findall(text)) - written):
        if "*" not in name and not Path(name).is_absolute():
            _draw(Path(name))
    for name in re.findall(r"\b(\w+)/(?=[\s\"')]|$)", text, re.MULTILINE):
        if name not in written:
            _draw(Path(name) / "one.png")
    return tmp_path


def _draw(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.stem == "holiday":
        write(read(blurred(motion(9, 30), channels=3, side=96)), path)
        return
    values = np.zeros((48, 48, 3), dtype=np.uint8)
    if "mask" in path.stem or "scratch" in path.stem:
        values[16:32, 16:32] = 255
    elif "kernel" in path.stem:
        values = values[:9, :9]
        values[4] = 255
    else:
        values += np.arange(48, dtype=np.uint8)[:, None] * 5
    if path.suffix == ".npy":
        np.save(path, values[:, :, 0])
    else:
        Image.fromarray(values).save(path)


def test_the_files_it_links_to_exist() -> None:
    links = re.findall(r"\]\(([^)#\s]+)", README.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_the_python_runs(folder: Path) -> None:
    for number, code in enumerate(blocks("python", "py"), start=1):
        exec(compile(code, f"README, Python block {number}", "exec"), {"__name__": "readme"})


def test_every_line_of_shell_is_known() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in commands():
        words = shlex.split(line)
        known = words[0] in ("photomend", "git", "cd", "pip", "python", "cat", "curl")
        assert known or (words[0] == "make" and set(words[1:]) <= targets), line


def test_the_commands_run(folder: Path) -> None:
    for line in commands():
        words = shlex.split(line)
        if set(words) & {"|", "<", ">"}:
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", line], env={**os.environ, "PATH": path}
            )
            assert done.returncode == 0, line
        elif words[0] == "photomend":
            long = words[1:2] and words[1] in LONG
            small = re.sub(r"--size \d+", "--size 32", line)  # of samples, which are slow
            assert main([words[1], "--help"] if long else shlex.split(small)[1:]) == 0, line


@pytest.mark.slow
def test_the_demo_runs(folder: Path) -> None:
    assert main(["demo", "-o", "out", "--steps", "2"]) == 0
    assert list(Path("out").glob("*.png"))
