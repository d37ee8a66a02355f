"""What clients may ask of each task: the options of `restore.spec`, narrowed for a network."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, create_model

from restore import spec
from restore.declared import Declared
from restore.server.problems import Problem
from restore.server.settings import Serve
from restore.server.words import KERNEL, OPERATOR, enlargement

HIDDEN = {
    *("device", "offline", "max_memory", "low_memory", "mask"),
    *("prompt", "negative", "guidance", "engine", "ray_address"),
}
"""Options that are the operator's, or uploads."""
SHOWN = {
    *("noise", "seed", "samples", "polish", "prior", "solver", "fidelity", "steps", "dtype"),
    *("tile",),
    *("kernel", "boundary", "camera", "factor", "filter", "operator"),
}
"""Options that are the client's; an option that is in neither set fails the tests."""
ESTIMATE = "estimate"
"""The one task that the command line does not have: it restores nothing."""
UPLOADS: dict[str, set[str]] = {
    "deblur": {"kernel"}, "upscale": set(), "inpaint": {"mask"}, "restore": set(), ESTIMATE: set(),
}  # fmt: skip
"""Files that a task takes beside the image."""
OPTIONS = "options"
"""The one parameter that `spec` does not have: those of the solver, as --option on the command
line."""
Scalar = bool | int | float


@dataclass(frozen=True)
class Tasks:
    """The model of each task's parameters, and the solvers with their own."""

    models: dict[str, type[Declared]]
    solvers: dict[str, Any]

    def checked(self, task: str, params: bytes | str) -> dict[str, Any]:
        """The parameters that were given, converted; Problem names each that is wrong."""
        model = self.models[task]
        try:
            options = model.model_validate_json(params, strict=True)
        except ValidationError as error:
            told = "params: not as the task's schema says"
            raise Problem(422, told, errors=_errors(model, error)) from error
        given: dict[str, Any] = options.model_dump(mode="json", include=options.model_fields_set)
        self._check_solver(given.get("solver"), given.get(OPTIONS) or {})
        return given

    def _check_solver(self, solver: str | None, options: dict[str, Any]) -> None:
        if solver is None:
            if options:
                raise Problem(422, "name the solver whose options these are", field="params.solver")
            return
        known = self.solvers[solver]["options"]
        wrong = []
        for name, value in options.items():
            reason = f"{solver} has no such option" if name not in known else None
            if reason is None:
                reason = _unfit(known[name], value)
            if reason:
                wrong.append({"field": f"params.{OPTIONS}.{name}", "detail": reason})
        if wrong:
            raise Problem(422, "params.options: not the solver's", errors=wrong)

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


def tasks(solvers: dict[str, Any], settings: Serve) -> Tasks:
    """The tasks that a server with these solvers and settings offers."""
    models = {task: _model(task, solvers, settings) for task in spec.TASKS}
    return Tasks({**models, ESTIMATE: _estimate(settings)}, solvers)


def options_of(
    task: str, params: dict[str, Any], uploads: dict[str, str], settings: Serve
) -> tuple[spec.Options, dict[str, Any]]:
    """The options of `spec` and those of the solver; uploads: paths of files by what they are."""
    given = {name: value for name, value in params.items() if name != OPTIONS}
    files = {name: path for name, path in uploads.items() if name != "image"}
    fixed = {"device": settings.device, "prior": given.get("prior", settings.priors[0])}
    options = spec.checked(spec.TASKS[task], {**given, **files, **fixed})
    return options, params.get(OPTIONS) or {}


def enlarged(task: str, params: dict[str, Any]) -> int:
    """How many times larger a task makes a picture."""
    if task == "restore":
        return enlargement(params["operator"])
    factor: int = params.get("factor", spec.Upscale.model_fields["factor"].default)
    return factor if task == "upscale" else 1


def _model(task: str, solvers: dict[str, Any], settings: Serve) -> type[Declared]:
    narrow: dict[str, Any] = {
        "prior": Literal[tuple(settings.priors)],
        "solver": Literal[tuple(solvers)] | None,
        "tile": Literal["auto", 0] | Annotated[int, Field(ge=64)],
    }
    bounds: dict[str, dict[str, Any]] = {
        "seed": {"le": 2**31 - 1},
        "samples": {"le": 16},
        "steps": {"le": 1000},
        "kernel": {"pattern": KERNEL, "description": _KERNEL_HELP},
        "operator": {"pattern": OPERATOR, "description": _OPERATOR_HELP},
        "prior": {"default": settings.priors[0], "description": "One of those of /v1/priors."},
    }
    fields: dict[str, Any] = {}
    for name, field in spec.TASKS[task].model_fields.items():
        if name not in SHOWN:
            continue
        changed = {**_told(field), **bounds.get(name, {})}
        annotation = narrow.get(name, field.rebuild_annotation())
        fields[name] = (annotation, Field(**changed))
    fields[OPTIONS] = (dict[str, Scalar], Field({}, description="Options of the solver."))
    base = type("Asked", (Declared,), {"model_config": ConfigDict(json_schema_extra=_of(solvers))})
    return create_model(
        task.capitalize(), __base__=base, __doc__=spec.TASKS[task].__doc__, **fields
    )


def _estimate(settings: Serve) -> type[Declared]:
    prior: Any = Literal[tuple(settings.priors)]
    told = Field(settings.priors[0], description="Whose pace is measured.")
    about = "Tell the noise and the blur of a photo, and try how fast it would be restored."
    return create_model("Estimate", __base__=Declared, __doc__=about, prior=(prior, told))


def _of(solvers: dict[str, Any]) -> dict[str, Any]:
    """That options are those of the solver, in JSON Schema."""
    named = [
        {
            "properties": {
                "solver": {"const": name},
                OPTIONS: {"properties": solver["options"], "additionalProperties": False},
            },
            "required": ["solver"],
        }
        for name, solver in solvers.items()
    ]
    unnamed = {"properties": {"solver": {"const": None}, OPTIONS: {"maxProperties": 0}}}
    return {"anyOf": [*named, unnamed]}


_KERNEL_HELP = f"{spec.KERNELS}; or upload a file as kernel. Default: estimated."
_OPERATOR_HELP = 'A chain such as "downsample:4 @ gaussian:2" (the right one came first).'


def _told(field: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"description": field.description}
    if not field.is_required():
        told["default"] = field.default
    return told


def _unfit(schema: dict[str, Any], value: Scalar) -> str | None:
    """Why a value is none of a solver's option."""
    kind = schema["type"]
    if kind == "boolean":
        return None if isinstance(value, bool) else "must be true or false"
    if isinstance(value, bool) or (kind == "integer" and not isinstance(value, int)):
        return f"must be of type {kind}"
    low, high = schema["minimum"], schema["maximum"]
    return None if low <= value <= high else f"must lie between {low} and {high}"


def _errors(model: type[Declared], error: ValidationError) -> list[dict[str, str]]:
    """What is wrong with each field, once."""
    found: dict[str, str] = {}
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        name = str(each["loc"][0]) if each["loc"] else ""
        told = each["msg"].replace("Input should", "must")
        if each["type"] == "string_pattern_mismatch":
            told = f"must be one of {spec.description(model, name)}"
        field = f"params.{name}" if name else "params"
        found[field] = f"{found[field]}, or {told}" if field in found else told
    return [{"field": field, "detail": detail} for field, detail in found.items()]
