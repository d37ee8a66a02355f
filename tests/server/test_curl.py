"""What the README asks by curl, a real server answers; ID stands for the job asked for last."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import picture
from tests.server.conftest import ROOT, Live

LINE = re.compile(r"^curl .*$", re.MULTILINE)
PHOTO = re.compile(r"@([\w.-]+\.(?:png|jpg))")


def shown(readme: str) -> list[str]:
    """The lines of a README that begin with curl, continued lines joined."""
    return LINE.findall(readme.replace("\\\n", " "))


def test_curl_lines_are_found() -> None:
    assert shown("```sh\ncurl -s a \\\n  b\nphotomend\ncurl c\n```") == ["curl -s a    b", "curl c"]


def test_what_the_readme_asks_is_answered(server: Live, tmp_path: Path) -> None:
    lines = shown((ROOT / "README.md").read_text(encoding="utf-8"))
    if not lines or shutil.which("curl") is None:
        pytest.skip("the README shows no curl, or there is none here")
    job = "none"
    for line in lines:
        for name in PHOTO.findall(line):
            picture().save(tmp_path / name)
        line = line.replace("localhost:8000", server.address.removeprefix("http://"))
        line = re.sub(r"\bID\b", job, line).replace("curl ", "curl --fail-with-body ", 1)
        done = subprocess.run(
            ["bash", "-euc", line], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        if found := re.search(r'"id":"([0-9a-f]{32})"', done.stdout):
            job = found[1]
    assert job != "none"
