"""The tasks that a server offers, and the check of what a client asks."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from restore import spec
from restore.declared import Declared
from restore.server.problems import Problem, fault, wrong
from restore.server.schemas import (
    ESTIMATE,
    HIDDEN,
    OPTIONS,
    TEXT,
    UPLOADS,
    Scalar,
    estimate_model,
    model_of,
)
from restore.server.settings import Serve
from restore.server.words import enlargement


@dataclass(frozen=True)
class Tasks:
    """The model of each task's parameters, the solvers with their own, the priors with text."""

    models: dict[str, type[Declared]]
    solvers: dict[str, Any]
    readers: tuple[str, ...]

    def checked(self, task: str, params: bytes | str) -> dict[str, Any]:
        """The parameters that were given, converted; Problem names each that is wrong."""
        model = self.models[task]
        try:
            options = model.model_validate_json(params, strict=True)
        except ValidationError as error:
            raise Problem("params", errors=self._faults(task, error)) from error
        given: dict[str, Any] = options.model_dump(mode="json", include=options.model_fields_set)
        self._check_solver(given.get("solver"), given.get(OPTIONS) or {})
        self._check_text(given, model.model_fields["prior"].default)
        return given

    def _faults(self, task: str, error: ValidationError) -> list[dict[str, Any]]:
        """What is wrong with each parameter, once."""
        found: dict[str, dict[str, Any]] = {}
        for each in error.errors(include_url=False, include_input=False):
            fault = self._fault(task, each)
            if field := found.get(fault["field"]):
                why = f"{field['detail']}, or {fault['detail']}"
                fault = wrong(fault["field"], "wrong", why=why)
            found[fault["field"]] = fault
        return [*found.values()]

    def _fault(self, task: str, error: Any) -> dict[str, Any]:
        """What is wrong with one parameter, and its cure where that is the server's to know."""
        model, name = self.models[task], str(error["loc"][0]) if error["loc"] else ""
        field = f"params.{name}" if name else "params"
        match error["type"]:
            case "json_invalid":
                return wrong(field, "json", why=error["ctx"]["error"])
            case "string_pattern_mismatch":
                return wrong(field, "words", words=spec.description(model, name))
            case "missing":
                return wrong(field, "missing", what=spec.description(model, name))
            case "extra_forbidden" if name in UPLOADS[task]:
                return wrong(field, "upload_instead")
            case "extra_forbidden" if name in HIDDEN and name in _declared(task):
                return wrong(field, "operators_own")
            case "extra_forbidden" if name in TEXT:
                return wrong(field, "no_text_at_all")
            case "extra_forbidden":
                near = difflib.get_close_matches(name, model.model_fields, n=3)
                return wrong(field, "unknown", near=", ".join(near or model.model_fields))
        return fault(error, field)

    def _check_text(self, given: dict[str, Any], usual: str) -> None:
        """Refuse a text, and a solver that tunes it, for a prior that reads none."""
        prior = given.get("prior", usual)
        if prior in self.readers:
            return
        readers = ", ".join(self.readers)
        names = [name for name in TEXT if name in given]
        solver = given.get("solver")
        if solver is not None and self.solvers[solver].get("text"):
            names.append("solver")
        errors = [
            wrong(f"params.{name}", "no_text", prior=prior, readers=readers) for name in names
        ]
        if errors:
            raise Problem("params", errors=errors)

    def _check_solver(self, solver: str | None, options: dict[str, Any]) -> None:
        if solver is None:
            if options:
                raise Problem("solver_unnamed", field="params.solver")
            return
        known = self.solvers[solver]["options"]
        errors = []
        for name, value in options.items():
            field = f"params.{OPTIONS}.{name}"
            if name not in known:
                own = ", ".join(known) or "none"
                errors.append(wrong(field, "solver_unknown", solver=solver, known=own))
            elif unfit := _unfit(known[name], value):
                errors.append(wrong(field, unfit[0], **unfit[1]))
        if errors:
            raise Problem("solver_options", errors=errors)

    @cached_property
    def described(self) -> dict[str, Any]:
        """The tasks for clients: uploads, JSON Schema of the parameters; and the solvers."""
        tasks = [
            {
                "name": task,
                "description": model.__doc__,
                "uploads": ["image", *sorted(UPLOADS[task])],
                "required": ["image", *(["mask"] if task == "inpaint" else [])],
                "schema": model.model_json_schema(),
            }
            for task, model in self.models.items()
        ]
        return {"tasks": tasks, "solvers": self.solvers}


def tasks(solvers: dict[str, Any], settings: Serve, readers: Iterable[str] = ()) -> Tasks:
    """The tasks that a server with these solvers and settings offers.

    readers: those of its priors that read text.
    """
    text = tuple(name for name in settings.priors if name in readers)
    models = {task: model_of(task, solvers, settings, text) for task in spec.TASKS}
    return Tasks({**models, ESTIMATE: estimate_model(settings)}, solvers, text)


def options_of(
    task: str, params: dict[str, Any], uploads: dict[str, str], settings: Serve
) -> tuple[spec.Options, dict[str, Any]]:
    """The options of `spec` and those of the solver; uploads: paths of files by what they are."""
    given = {name: value for name, value in params.items() if name != OPTIONS}
    files = {name: path for name, path in uploads.items() if name != "image"}
    fixed = {"prior": given.get("prior", settings.priors[0]), **settings.running}
    options = spec.checked(spec.TASKS[task], {**given, **files, **fixed})
    return options, params.get(OPTIONS) or {}


def enlarged(task: str, params: dict[str, Any]) -> int:
    """How many times larger a task makes a picture."""
    if task == "restore":
        return enlargement(params["operator"])
    factor: int = params.get("factor", spec.Upscale.model_fields["factor"].default)
    return factor if task == "upscale" else 1


def _declared(task: str) -> set[str]:
    """The options of a task on the command line."""
    return {*spec.TASKS[task].model_fields} if task in spec.TASKS else set()


def _unfit(schema: dict[str, Any], value: Scalar) -> tuple[str, dict[str, float]] | None:
    """Why a value is none of a solver's option: a code and its values."""
    kind = schema["type"]
    if kind == "boolean":
        return None if isinstance(value, bool) else ("switch", {})
    if isinstance(value, bool) or (kind == "integer" and not isinstance(value, int)):
        return kind, {}
    low, high = schema["minimum"], schema["maximum"]
    if value < low:
        return "at_least", {"least": low}
    return ("at_most", {"most": high}) if not value <= high else None
