"""From the declarations of `restore.spec` to the parameters that typer reads off a function."""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from restore import spec
from restore.commands.failure import Refusal
from restore.spec import AnyOptions

SHORT = {"kernel": "-k", "mask": "-m", "factor": "-f", "noise": "-n"}


def declared(model: type[BaseModel]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace the parameter `given` of a command by the options of a model.

    The command gets what was typed as a dictionary, unchecked: `spec.checked` converts it once,
    with one wording for every way in.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command).parameters
        fixed = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in own.items()
            if name != "given"
        ]
        # what is particular to the task or stage comes first
        common = getattr(model.__mro__[1], "model_fields", {})
        names = sorted(model.model_fields, key=lambda name: name in common)
        drawn = [_parameter(model, name) for name in names]

        def called(**values: Any) -> None:
            given = {n: values.pop(n) for n in model.model_fields}
            command(**values, given={n: value for n, value in given.items() if value is not None})

        parameters = [*fixed[:1], *drawn, *fixed[1:]]
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {p.name: p.annotation for p in parameters}
        called.__name__, called.__doc__ = command.__name__, command.__doc__ or model.__doc__
        return called

    return decorate


def checked(model: type[AnyOptions], given: dict[str, Any]) -> AnyOptions:
    """As `spec.checked`; Refusal in the words of the command line."""
    try:
        return spec.checked(model, given)
    except ValueError as error:
        raise Refusal(f"--{error}") from error


def _parameter(model: type[BaseModel], name: str) -> inspect.Parameter:
    field = model.model_fields[name]
    flag = "--" + name.replace("_", "-")
    switch = field.annotation is bool
    if switch and field.default:
        flag += f"/--no-{name}"
    told = field.description or ""
    if not switch and not field.is_required() and field.default is not None:
        told += f" Default: {_written(field.default)}."
    of_task = issubclass(model, spec.Options) and name not in spec.Options.model_fields
    declaration = typer.Option(
        *([SHORT[name]] if name in SHORT else []),
        flag,
        help=told,
        metavar=None if switch else _metavar(model, name),
        show_default=False,
        rich_help_panel="What was done to the photo" if of_task else None,
    )
    kind = bool if switch else str
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if field.is_required() else None,
        annotation=Annotated[kind if field.is_required() else kind | None, declaration],
    )


def _written(value: Any) -> str:
    """A default as one would type it."""
    if isinstance(value, Mapping):
        return ",".join(f"{name}={each:g}" for name, each in value.items())
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _metavar(model: type[BaseModel], name: str) -> str:
    """What an option wants, in a word; of several kinds the first."""
    schema = model.model_json_schema()["properties"][name]
    kind = schema.get("anyOf", [schema])[0].get("type")
    return {"integer": "INTEGER", "number": "NUMBER"}.get(kind, "TEXT")
