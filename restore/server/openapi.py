"""The OpenAPI document: FastAPI's, with the form of a job, and without what is not so."""

from typing import Any

from fastapi import FastAPI

from restore.server.problems import ProblemDetails
from restore.server.schemas import UPLOADS
from restore.server.service import Service

PARTS = "#/components/schemas/"
FILE = {"type": "string", "format": "binary"}
_TOLD = {
    "image": "The photo: PNG, JPEG, TIFF, WebP or BMP.",
    "mask": "Picture of the photo's size; white is filled.",
    "kernel": "The blur: a PNG or .npy, instead of params.kernel.",
}


def document(app: FastAPI, service: Service, keys: bool) -> dict[str, Any]:
    """The document of this server; Problem 503 while it starts."""
    if app.openapi_schema is None:
        told = FastAPI.openapi(app)
        parts = told["components"]["schemas"]
        parts.pop("HTTPValidationError", None)
        parts.pop("ValidationError", None)
        errors = ProblemDetails.model_json_schema(ref_template=PARTS + "{model}")
        parts |= errors.pop("$defs")
        parts["ProblemDetails"] = errors
        params = {
            task: _params(task, model.model_json_schema(), parts)
            for task, model in service.tasks.models.items()
        }
        told["paths"]["/v1/jobs"]["post"]["requestBody"] = _form(params)
        _without_nulls(told)
        _secure(told, keys)
        if not service.supervisor.ready.is_set():  # an earlier worker told it
            app.openapi_schema = None
            return told
    found: dict[str, Any] = app.openapi_schema or {}
    return found


def _params(task: str, schema: dict[str, Any], parts: dict[str, Any]) -> list[str]:
    """The names of the parts that say what a task's parameters may be, which are added.

    Where some priors read text there are two: with those priors and a text, and without any. One
    schema with conditions says the same, but generators of examples cannot do with it.
    """
    dependent: dict[str, Any] = schema.pop("dependentSchemas", {})
    name = f"{task.capitalize()}Params"
    if not dependent:
        parts[name] = _shared(schema, "SolverOptions", parts)
        return [name]
    (rule, *_), own, solvers = dependent.values(), schema["properties"], schema["anyOf"]
    prior = {**own["prior"], **rule["properties"]["prior"]}
    needed = [*schema.get("required", []), *rule.get("required", [])]
    told = {**schema, "properties": {**own, "prior": prior}, "required": needed}
    parts[f"Text{name}"] = _shared(told, "TextSolverOptions", parts)
    silent = {field: each for field, each in own.items() if field not in dependent}
    others = [solver for solver in solvers if "prior" not in solver["properties"]]
    told = {**schema, "properties": silent, "anyOf": others}
    parts[name] = _shared(told, "SolverOptions", parts)
    return [name, f"Text{name}"]


def _shared(schema: dict[str, Any], name: str, parts: dict[str, Any]) -> dict[str, Any]:
    """A schema of parameters, with its solvers' options in a part that all tasks share."""
    if "anyOf" not in schema:
        return schema
    parts[name] = {"anyOf": schema["anyOf"]}
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**rest, "allOf": [{"$ref": f"{PARTS}{name}"}]}


def _form(params: dict[str, list[str]]) -> dict[str, Any]:
    """The parts of a job: all of them, then what each task makes of them.

    params: the names of the parts that say what a task's parameters may be.
    """
    forms = []
    for task, name in ((task, name) for task, names in params.items() for name in names):
        told: dict[str, Any] = {"$ref": f"{PARTS}{name}"}
        allowed = ("image", "mask") if task == "inpaint" else ("image",)
        required = ["mask"] if task == "inpaint" else ["params"] if task == "restore" else []
        forms.append(_variant(task, told, allowed, required))
        if "kernel" in UPLOADS[task]:  # as a file or in words
            wordless = {"allOf": [told, {"properties": {"kernel": {"type": "null"}}}]}
            forms.append(_variant(task, wordless, ("image", "kernel"), ["kernel"]))
    schema = {
        "type": "object",
        "properties": {
            "task": {"enum": list(params)},
            "params": {"type": "object"},
            **{name: {**FILE, "description": told} for name, told in _TOLD.items()},
        },
        "required": ["task", "image"],
        "additionalProperties": False,
        "anyOf": forms,
    }
    encoding = {"params": {"contentType": "application/json"}}
    return {
        "required": True,
        "content": {"multipart/form-data": {"schema": schema, "encoding": encoding}},
    }


def _variant(
    task: str, params: dict[str, Any], allowed: tuple[str, ...], required: list[str]
) -> dict[str, Any]:
    """A form of one task, with these files and no others."""
    others = {name: False for name in _TOLD if name not in allowed}
    properties = {"task": {"const": task}, "params": params, **others}
    return {"title": task.capitalize(), "properties": properties, "required": required}


def _without_nulls(told: dict[str, Any]) -> None:
    """A parameter in a header or an address is there or not; it is never null."""
    for operations in told["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                schema = parameter["schema"]
                kinds = [kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}]
                for kind in kinds:
                    schema |= kind


def _secure(told: dict[str, Any], keys: bool) -> None:
    """Say which operations need a key, and that they answer 401 without."""
    if not keys:
        return
    told["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    denied = {
        "description": "Unauthorized",
        "content": {"application/problem+json": {"schema": {"$ref": f"{PARTS}ProblemDetails"}}},
    }
    for path, operations in told["paths"].items():
        if path.startswith(("/v1/", "/metrics")):
            for operation in operations.values():
                operation["security"] = [{"key": []}]
                operation["responses"]["401"] = denied
