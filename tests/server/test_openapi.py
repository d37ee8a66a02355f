"""The OpenAPI document is true: schemathesis asks the live server by it, with its checks."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from restore import chain, spec
from restore.server.schemas import ESTIMATE, HIDDEN, SHOWN
from restore.server.words import OPERATOR, enlargement
from tests.server.conftest import QUICK, ROOT, Live


@pytest.fixture(scope="module")
def asked(reader: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server whose jobs may not take long, with a prior that reads text and one that does not."""
    store = tmp_path_factory.mktemp("openapi") / "store"
    limits = ("--limit", "0.1", "--queue", "100000")
    live = Live(store, "--prior", f"{QUICK},{reader}", *limits).start().ready()
    yield live
    live.stop()


CONFIGURATION = """
[checks]
# How many pixels a chain of operators makes is no matter of a schema.
positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 413, 429, "5xx"]
"""


def schemathesis(server: Live, *words: str) -> None:
    """Run it; what it says where it finds a lie."""
    (server.store.parent / "schemathesis.toml").write_text(CONFIGURATION)
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run",
            f"{server.address}/openapi.json", "--no-color", "--seed", "1", "--checks", "all",
            *words,
        ],
        cwd=server.store.parent,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.server.hooks", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_the_server_does_as_the_document_says(asked: Live) -> None:
    schemathesis(asked, "--phases", "coverage,fuzzing", "--max-examples", "3")
    counted = asked.http.get("/metrics").text
    assert 'http_requests_total{method="POST",route="/v1/jobs",status="202"}' in counted
    assert 'status="5' not in counted


@pytest.mark.slow
def test_the_server_does_so_in_long_dialogues(asked: Live) -> None:
    # A canceled job stays to be seen; use_after_free would have every DELETE end in 404. A mask is
    # there only if one was sent. What one of several forms of the parameters would not allow,
    # another one may.
    checks = "use_after_free,ensure_resource_availability,negative_data_rejection"
    excluded = ("--exclude-checks", checks)
    phases = ("--phases", "coverage,fuzzing,stateful")
    schemathesis(asked, *phases, "--max-examples", "100", *excluded)


def test_every_option_is_shown_or_hidden_knowingly() -> None:
    names = {name for model in spec.TASKS.values() for name in model.model_fields}
    assert names - SHOWN - HIDDEN == set()
    assert not SHOWN & HIDDEN


EXAMPLES = (
    "gaussian:0.5", "gaussian:99.5", "motion:17,-32.5", "motion:3", "disk:1.5", "walk:61,0.5,7",
    "walk:5", "downsample:2", "downsample:16,lanczos", "grayscale", "mosaic", "mosaic:GBRG",
    "gamma", "clip", "quantize:8", "jpeg", "jpeg:100",
)  # fmt: skip


@pytest.mark.parametrize("text", EXAMPLES)
def test_what_clients_may_say_is_understood(text: str) -> None:
    assert re.fullmatch(OPERATOR, text)
    operator = chain.parse(text)
    assert operator.image_shape((1, 3, 256, 256))[2] // 256 == enlargement(text)


def test_clients_may_use_every_word_but_those_of_files() -> None:
    assert {text.partition(":")[0] for text in EXAMPLES} == {*chain.WORDS} - {"blur", "mask"}


@pytest.mark.parametrize(
    "text",
    [
        "os:getcwd", "blur:/etc/passwd", "mask:a.png", "kernel.png", "disk:1e3", "disk:0",
        "disk:-1", "gaussian:nan", "walk:4", "walk:999", "downsample:17", "gamma\n@ os:abort", "",
        "@", "jpeg:0", "disk:1 @ " * 6 + "disk:1", "gaussian:2,99999",
    ],
)  # fmt: skip
def test_clients_may_say_nothing_else(server: Live, text: str) -> None:
    answer = server.post(task="restore", operator=text)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "params.operator"


def test_the_tasks_are_those_of_the_command_line(asked: Live) -> None:
    told = asked.http.get("/v1/tasks").json()
    assert [task["name"] for task in told["tasks"]] == [*spec.TASKS, ESTIMATE]
    for task in told["tasks"][:-1]:
        options = task["schema"]["properties"]
        declared = spec.TASKS[task["name"]].model_json_schema()["properties"]
        assert set(options) - {"options"} == set(declared) - HIDDEN
        for name in set(options) - {"options", "prior", "kernel", "operator"}:
            assert options[name]["description"] == declared[name]["description"]
            assert options[name].get("default") == declared[name].get("default")
    from restore import solvers

    assert list(told["solvers"]) == sorted([*solvers.names(), *solvers.names(of_text=True)])
    assert told["solvers"]["daps"]["options"]["temperature"]["default"] == 0.2
    steps = {name: solver["steps"] for name, solver in told["solvers"].items()}
    assert (steps["tradeoff"], steps["mcgdiff"]) == (20, steps["tds"])


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"noise": 2}, "params.noise"),
        ({"noise": "0.1"}, "params.noise"),
        ({"seed": -1}, "params.seed"),
        ({"samples": 17}, "params.samples"),
        ({"steps": 1001}, "params.steps"),
        ({"tile": 8}, "params.tile"),
        ({"prior": "/tmp"}, "params.prior"),
        ({"prior": "owner/model"}, "params.prior"),
        ({"prior": "os:getcwd"}, "params.prior"),
        ({"solver": "os:getcwd"}, "params.solver"),
        ({"kernel": "/etc/passwd"}, "params.kernel"),
        ({"kernel": "kernel.png"}, "params.kernel"),
        ({"device": "cuda:7"}, "params.device"),
        ({"offline": False}, "params.offline"),
        ({"mask": "a.png"}, "params.mask"),
        ({"options": {"zeta": 1}}, "params.solver"),
        ({"solver": "daps", "options": {"particles": 1}}, "params.options.particles"),
        ({"solver": "daps", "options": {"iterations": 10**9}}, "params.options.iterations"),
        ({"solver": "daps", "options": {"iterations": 1.5}}, "params.options.iterations"),
        ({"solver": "flowdps", "options": {"interpolate": 1}}, "params.options.interpolate"),
    ],
)
def test_a_wrong_parameter_is_named(server: Live, params: dict[str, Any], field: str) -> None:
    answer = server.post(**params)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]
