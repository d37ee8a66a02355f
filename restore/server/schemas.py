"""What clients may ask of each task: the options of `restore.spec`, narrowed for a network."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, create_model

from restore import spec
from restore.declared import Declared
from restore.server.settings import Serve
from restore.server.words import KERNEL, OPERATOR

HIDDEN = {
    *("device", "offline", "max_memory", "low_memory", "mask"),
    *("engine", "ray_address", "gps"),
}
"""Options that are the operator's, or uploads."""
SHOWN = {
    *("noise", "seed", "samples", "polish", "prior", "solver", "fidelity", "steps", "dtype"),
    *("tile", "prompt", "negative", "guidance"),
    *("kernel", "boundary", "camera", "factor", "filter", "operator"),
}
"""Options that are the client's; an option that is in neither set fails the tests."""
TEXT = ("prompt", "negative", "guidance")
"""Options for priors that read text."""
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


def model_of(
    task: str, solvers: dict[str, Any], settings: Serve, readers: tuple[str, ...]
) -> type[Declared]:
    """The model of a task's parameters; readers: the priors that read text."""
    narrow: dict[str, Any] = {
        "prior": Literal[tuple(settings.priors)],
        "solver": Literal[tuple(solvers)] | None,
        "tile": Literal["auto", 0] | Annotated[int, Field(ge=64)],
    }
    bounds: dict[str, dict[str, Any]] = {
        "seed": {"le": 2**31 - 1},
        "samples": {"le": 16},
        "steps": {"le": 1000},
        "prompt": {"max_length": 2000},
        "negative": {"max_length": 2000},
        "guidance": {"le": 100, "allow_inf_nan": False},
        "kernel": {"pattern": KERNEL, "description": _KERNEL_HELP},
        "operator": {"pattern": OPERATOR, "description": _OPERATOR_HELP},
        "prior": {"default": settings.priors[0], "description": "One of those of /v1/priors."},
    }
    fields: dict[str, Any] = {}
    for name, field in spec.TASKS[task].model_fields.items():
        if name not in SHOWN or (name in TEXT and not readers):
            continue
        changed = {**_told(field), **bounds.get(name, {})}
        annotation = narrow.get(name, field.rebuild_annotation())
        fields[name] = (annotation, Field(**changed))
    fields[OPTIONS] = (dict[str, Scalar], Field({}, description="Options of the solver."))
    more = _of(solvers, readers, settings) | _for_readers(readers, settings)
    base = type("Asked", (Declared,), {"model_config": ConfigDict(json_schema_extra=more)})
    return create_model(
        task.capitalize(), __base__=base, __doc__=spec.TASKS[task].__doc__, **fields
    )


def estimate_model(settings: Serve) -> type[Declared]:
    """The model of the parameters of an estimate."""
    prior: Any = Literal[tuple(settings.priors)]
    told = Field(settings.priors[0], description="Whose pace is measured.")
    about = "Tell the noise and the blur of a photo, and try how fast it would be restored."
    return create_model("Estimate", __base__=Declared, __doc__=about, prior=(prior, told))


def _of(solvers: dict[str, Any], readers: tuple[str, ...], settings: Serve) -> dict[str, Any]:
    """That options are the solver's, and that the prior reads text where it must: JSON Schema."""
    named = []
    for name, solver in solvers.items():
        needed = _reading(readers, settings) if solver.get("text") else {}
        options = {"properties": solver["options"], "additionalProperties": False}
        own = {"solver": {"const": name}, OPTIONS: options, **needed.get("properties", {})}
        named.append({"properties": own, "required": ["solver", *needed.get("required", [])]})
    unnamed = {"properties": {"solver": {"const": None}, OPTIONS: {"maxProperties": 0}}}
    return {"anyOf": [*named, unnamed]}


def _for_readers(readers: tuple[str, ...], settings: Serve) -> dict[str, Any]:
    """That a text goes with a prior which reads it, in JSON Schema; none where all or none do."""
    if len(readers) in (0, len(settings.priors)):
        return {}
    return {"dependentSchemas": dict.fromkeys(TEXT, _reading(readers, settings))}


def _reading(readers: tuple[str, ...], settings: Serve) -> dict[str, Any]:
    """That the prior is one that reads text, in JSON Schema."""
    read: dict[str, Any] = {"properties": {"prior": {"enum": [*readers]}}}
    if settings.priors[0] not in readers:
        read["required"] = ["prior"]
    return read


_KERNEL_HELP = f"{spec.KERNELS}; or upload a file as kernel. Default: estimated."
_OPERATOR_HELP = (
    'A chain such as "downsample:4 @ gaussian:2" (the right one came first) of '
    f"{spec.KERNELS}; downsample:FACTOR, grayscale, mosaic:PATTERN, gamma, clip, quantize:BITS, "
    "jpeg:QUALITY, or jpeg, as the file tells."
)


def _told(field: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"description": field.description}
    if not field.is_required():
        told["default"] = field.default
    return told
