"""`photomend bench serve`, small; and the options of `photomend serve` on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from restore import spec_bench
from restore.bench.crowd import Crowd, latency
from restore.bench.serve import main, markdown
from restore.cli import app
from restore.server.settings import Serve
from tests.server.conftest import Live

FIGURES = {
    "accepted": 6, "lost": 0, "doubled": 0, "succeeded": 6, "pictures": 6, "server_errors": 0,
}  # fmt: skip


def test_a_crowd_counts_what_it_met(server: Live) -> None:
    crowd = Crowd(server)
    for thread in crowd.run(3, lambda job: job < 2):
        thread.join()
    assert crowd.errors == []
    assert (len({*crowd.accepted}), crowd.pictures) == (6, 6)
    assert crowd.statuses[202] == 6
    assert {202, 200} == {*crowd.statuses}
    assert len(crowd.seconds["GET /v1/jobs/{id}"]) >= 6


def test_a_latency_is_told_in_milliseconds() -> None:
    told = latency([each / 1000 for each in range(1, 201)])
    assert told == pytest.approx({"count": 200, "p50": 100.5, "p99": 198, "longest": 200})


@pytest.mark.slow
def test_the_bench_loads_and_kills_a_server(tmp_path: Path) -> None:
    said: list[str] = []
    summary = main(clients=3, jobs=2, kills=3, output=tmp_path, report=said.append)
    load = summary["load"]
    assert {name: load[name] for name in FIGURES} == FIGURES
    crash = summary["crash"]
    assert (crash["lost"], crash["doubled"], crash["server_errors"]) == (0, 0, 0)
    assert sum(crash["killed"].values()) == 3
    assert json.loads((tmp_path / "report.json").read_text()) == summary
    assert (tmp_path / "report.md").read_text() == markdown(summary)


@pytest.mark.parametrize(
    ("words", "model"), [(["serve"], Serve), (["bench", "serve"], spec_bench.BenchServe)]
)
def test_every_option_is_on_the_command_line(words: list[str], model: type[Any]) -> None:
    command: Any = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    flags = {flag for parameter in command.params for flag in parameter.opts}
    assert {"--" + name.replace("_", "-") for name in model.model_fields} <= flags
    assert all(field.description for field in model.model_fields.values())
