"""The solvers that clients may name, with their options, as JSON; and which are the defaults."""

import inspect
import typing
from typing import Any

from restore import solvers, spec

KINDS: dict[Any, str] = {int: "integer", float: "number", bool: "boolean"}
BOUNDS: dict[Any, dict[str, int]] = {
    int: {"minimum": 1, "maximum": 1000},
    float: {"minimum": 0, "maximum": 10_000},
    bool: {},
}
"""No option of a solver has to be larger; counts of particles or iterations would fill memory."""


def catalogue() -> dict[str, Any]:
    """Of every solver its first line of help, the JSON Schema of each of its own options, and
    whether it needs a prior that reads text.

    Those of every task (steps) are left out, and those that are neither numbers nor switches.
    """
    of_text = solvers.names(of_text=True)
    return {name: _described(name) for name in sorted([*solvers.names(), *of_text])}


def defaults() -> dict[str, str]:
    """The solver of one picture, of several samples, and of several with a fidelity."""
    return {
        "one": solvers.default(1),
        "several": solvers.default(2),
        "faithful": solvers.default(2, 0.5),
    }


def _described(name: str) -> dict[str, Any]:
    solver = solvers.get(name)
    hints = typing.get_type_hints(solver)
    module = inspect.getmodule(solver)
    told = inspect.getdoc(module) or ""
    options = {
        option: _schema(hints[option], parameter.default)
        for option, parameter in solvers.options(solver).items()
        if option not in spec.Options.model_fields
    }
    shown = {option: schema for option, schema in options.items() if schema is not None}
    steps = solvers.options(solver).get("steps")
    return {
        "description": told.splitlines()[0] if told else name,
        "steps": None if steps is None else steps.default,
        "options": shown,
        "text": name in solvers.names(of_text=True),
    }


def _schema(kind: Any, default: Any) -> dict[str, Any] | None:
    plain = next((each for each in typing.get_args(kind) if each in KINDS), kind)
    if plain not in KINDS:
        return None
    return {"type": KINDS[plain], "default": default, **BOUNDS[plain]}
