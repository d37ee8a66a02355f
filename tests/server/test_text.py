"""Prompts: a service with a prior that reads text, one with none, one with both kinds."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import numpy as np

from restore import Restorer
from restore.cli import main
from restore.images import read
from restore.preparation import loaded
from restore.server.offered import held
from restore.server.schemas import TEXT
from restore.server.settings import Serve
from restore.server.tasks import options_of
from tests.cli.conftest import picture
from tests.server.conftest import QUICK, Live

GUIDED: dict[str, Any] = {"prompt": "a sharp photo", "negative": "blurry", "guidance": 5.0}


def schema(server: Live, task: str) -> dict[str, Any]:
    """The JSON Schema of a task's parameters."""
    told = server.http.get("/v1/tasks").json()["tasks"]
    found: dict[str, Any] = next(each["schema"] for each in told if each["name"] == task)
    return found


def picture_of(server: Live, photo: Path, **params: Any) -> tuple[bytes, dict[str, Any]]:
    """What a job makes of a photo, and its report."""
    job = server.job(image=photo.read_bytes(), task="upscale", headers={"Prefer": "wait=60"},
                     **params)  # fmt: skip
    assert job["state"] == "succeeded", job
    report = server.http.get(job["links"]["result"], headers={"Accept": "application/json"}).json()
    return server.http.get(job["links"]["result"]).content, report


def test_a_picture_with_a_text_is_the_command_lines(
    mixed: Live, reader: Path, tmp_path: Path
) -> None:
    photo, target = tmp_path / "photo.png", tmp_path / "cli.png"
    picture(24).save(photo)
    params = {"prior": str(reader), "factor": 2, "noise": 0.02, "steps": 5, "seed": 4, **GUIDED}
    found, report = picture_of(mixed, photo, **params)
    flags = [f"--{name}={value}" for name, value in params.items()]
    assert main(["upscale", str(photo), "-q", "-o", str(target), *flags]) == 0
    assert found == target.read_bytes()
    assert GUIDED.items() <= report.items()
    assert GUIDED.items() <= report["arguments"].items()
    # and the text is heard
    for other in ({"prompt": "cat"}, {"negative": ""}, {"guidance": 1.0}):
        changed, _ = picture_of(mixed, photo, **{**params, **other})
        pixels = [read(data).pixels.numpy() for data in (found, changed)]
        assert np.abs(pixels[0] - pixels[1]).max() > 1 / 255, other


def test_priors_tell_whether_they_read_text(mixed: Live, server: Live, reader: Path) -> None:
    def text(live: Live) -> dict[str, bool]:
        return {each["name"]: each["text"] for each in live.http.get("/v1/priors").json()["priors"]}

    assert text(mixed) == {QUICK: False, str(reader): True}
    assert set(text(server).values()) == {False}
    offered = [live.http.get("/v1/tasks").json()["solvers"] for live in (mixed, server)]
    assert set(offered[0]) - set(offered[1]) == {"p2l"}  # which tunes the text


def test_the_shipped_prior_takes_no_text_and_says_so(server: Live) -> None:
    for task in ("deblur", "upscale", "inpaint", "restore"):
        assert not {*TEXT} & {*schema(server, task)["properties"]}
    for name, value in GUIDED.items():
        answer = server.post(**{"prior": "embedded", name: value})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert (error["field"], error["code"]) == (f"params.{name}", "no_text_at_all")
        assert "leave it out, or start the server with one that does" in error["detail"]


ASKED: list[tuple[dict[str, Any], list[str]]] = [
    ({"prompt": "a cat"}, []),
    ({"prompt": None, "negative": None, "guidance": 1}, []),
    ({"prompt": "", "guidance": 0}, []),
    ({"prompt": "x" * 2000, "negative": "y" * 2000, "guidance": 100}, []),
    ({"prompt": "\u0000 \u2603 \U0001f4f7 \"'{}"}, []),
    ({"solver": "p2l", "options": {"iterations": 1}}, []),
    ({"prompt": "x" * 2001}, ["prompt"]),
    ({"negative": "x" * 2001}, ["negative"]),
    ({"prompt": 3, "negative": ["blurry"]}, ["prompt", "negative"]),
    ({"guidance": -0.01}, ["guidance"]),
    ({"guidance": 100.01}, ["guidance"]),
    ({"guidance": "5"}, ["guidance"]),
    ({"guidance": None}, ["guidance"]),
]


def test_the_schema_says_what_is_taken(mixed: Live, reader: Path) -> None:
    """By its JSON Schema, and by the server: with the prior that reads text, and with the other."""
    valid = jsonschema_rs.Draft202012Validator(schema(mixed, "upscale")).is_valid
    for params, wrong in ASKED:
        told = {"prior": str(reader), "steps": 1, **params}
        answer = mixed.post(task="upscale", **told)
        assert valid(told) == (answer.status_code == 202) == (not wrong), answer.text
        errors = answer.json().get("errors", [])
        assert [each["field"] for each in errors] == [f"params.{name}" for name in wrong]
        without = {name: value for name, value in told.items() if name != "prior"}
        assert not valid(without)  # its default reads none
        answer = mixed.post(task="upscale", **without)
        assert answer.status_code == 422
        errors = answer.json()["errors"]
        assert {each["field"] for each in errors} <= {f"params.{name}" for name in params}
        assert wrong or all(f"choose {reader}" in each["detail"] for each in errors)


def test_a_number_that_is_none_is_refused(mixed: Live, reader: Path) -> None:
    files = {"image": ("a.png", picture(8).tobytes())}
    for number in ("NaN", "Infinity"):
        params = f'{{"prior": {json.dumps(str(reader))}, "guidance": {number}}}'
        data = {"task": "upscale", "params": params}
        answer = mixed.http.post("/v1/jobs", data=data, files=files)
        assert answer.json()["errors"][0]["field"] in ("params.guidance", "params"), number


def test_a_prior_is_loaded_once_and_as_the_operator_says(reader: Path) -> None:
    settings = Serve(prior=str(reader), device="cpu", low_memory=True, offline=True)
    options, _ = options_of("upscale", {}, {}, settings)
    asked = {name: getattr(options, name) for name in ("prior", *settings.running)}
    assert asked == {"prior": str(reader), **settings.running}
    prior = held(str(reader), settings)
    misses = loaded.cache_info().misses
    assert prior.offload
    Restorer(**asked)  # as every job makes one
    assert loaded.cache_info().misses == misses
