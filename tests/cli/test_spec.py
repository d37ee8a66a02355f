"""One declaration: the Python functions and the command line agree with it."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import typer

from restore import Restorer, Result, api, solvers, spec, spec_bench
from restore.cli import app
from restore.declared import Declared

FUNCTIONS: dict[str, Callable[..., Result]] = {
    "deblur": api.deblur,
    "upscale": api.upscale,
    "inpaint": api.inpaint,
    "restore": api.restore,
}
MODELS: dict[str, type[Declared]] = {
    **spec.TASKS,
    "degrade": spec.Degrade,
    "bench restoration": spec_bench.Bench,
    "bench prior": spec_bench.BenchPrior,
    "bench peers": spec_bench.BenchPeers,
    "bench posterior": spec_bench.BenchPosterior,
    "bench latent": spec_bench.BenchLatent,
    "bench large": spec_bench.BenchLarge,
    "bench noise": spec_bench.BenchNoise,
    "sample": spec.Sample,
}


def defaults(function: Any) -> dict[str, Any]:
    """The parameters that have names, with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: p.default for p in parameters if p.kind in named}


@pytest.mark.parametrize("task", spec.TASKS)
def test_the_python_signature_is_the_declaration(task: str) -> None:
    python = {**defaults(Restorer), **defaults(FUNCTIONS[task])}
    first = next(iter(inspect.signature(FUNCTIONS[task]).parameters))
    del python[first]  # the photo, which the command line takes as files
    fields = spec.TASKS[task].model_fields
    # options of the solvers, and where the command line works
    assert set(fields) - set(python) <= {"steps", "fidelity", *spec.PLACING, *spec.WRITTEN}
    assert python.pop("solver") == solvers.default()  # where the declaration has None
    assert set(python) - set(fields) == set() and fields["solver"].default is None
    for name, default in python.items():
        if default is inspect.Parameter.empty:
            assert fields[name].is_required(), name
        else:
            assert fields[name].default == default, name


@pytest.mark.parametrize("task", MODELS)
def test_every_option_is_on_the_command_line(task: str) -> None:
    command: Any = typer.main.get_command(app)
    for word in task.split():
        command = command.commands[word]
    flags = {flag for parameter in command.params for flag in parameter.opts}
    assert {"--" + name.replace("_", "-") for name in MODELS[task].model_fields} <= flags


@pytest.mark.parametrize(
    ("module", "model"),
    [
        ("run", spec_bench.Bench),
        ("prior", spec_bench.BenchPrior),
        ("large", spec_bench.BenchLarge),
        ("noise", spec_bench.BenchNoise),
    ],
    ids=["run", "prior", "large", "noise"],
)
def test_the_benches_are_declared_as_they_are(module: str, model: type[Declared]) -> None:
    python = defaults(importlib.import_module(f"restore.bench.{module}").main)
    fields = model.model_fields
    told = ("folder", "output", "report", "progress")
    python = {name: python[name] for name in python if name not in told}
    if module == "prior":
        assert (
            python.pop("size") == spec_bench.Bench.model_fields["size"].default
        )  # not to be chosen
    assert {name: field.default for name, field in fields.items()} == python


@pytest.mark.parametrize("model", MODELS.values())
def test_every_option_is_explained(model: type[Declared]) -> None:
    schema = model.model_json_schema()
    assert schema["additionalProperties"] is False
    assert all(option["description"] for option in schema["properties"].values())


@pytest.mark.parametrize(
    ("given", "value"),
    [("0.025", 0.025), ("6.375/255", 0.025), (0.5, 0.5), ("0", 0.0), (" 1 / 4 ", 0.25)],
)
def test_a_sigma_is_a_number_or_a_quotient(given: object, value: float) -> None:
    assert spec.checked(spec.Deblur, {"kernel": "disk:1", "noise": given}).noise == value


@pytest.mark.parametrize("given", ["", "a", "1/0", "1/2/3", "inf", -0.1, 1.1])
def test_another_sigma_is_refused_in_one_line(given: object) -> None:
    with pytest.raises(ValueError, match=r"^noise: got .*[^\n]$"):
        spec.checked(spec.Deblur, {"kernel": "disk:1", "noise": given})


def test_a_misspelt_option_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"kernal: there is no such option; did you mean kernel"):
        spec.checked(spec.Deblur, {"kernel": "disk:1", "kernal": 1})


def test_a_missing_option_is_explained() -> None:
    with pytest.raises(ValueError, match=r"^operator: is missing; A chain"):
        spec.checked(spec.Restore, {})
