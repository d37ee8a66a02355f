"""A stand-in for the parts of ComfyUI that its nodes see, with the signatures of ComfyUI 0.3.64.

It is used where ComfyUI is not on the path; where it is, the tests run against the real modules.
"""

import importlib
import importlib.util
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar

INPUT = {"id", "display_name", "optional", "tooltip", "lazy", "extra_dict", "raw_link"}
WIDGET = INPUT | {"default", "socketless", "widget_type", "force_input"}
RANGE = {"min", "max", "step", "display_mode"}


class Slot:
    """An input or an output; an argument that ComfyUI does not have is a TypeError."""

    known: set[str]
    io_type: str

    def __init__(self, id: str | None = None, **given: Any) -> None:
        if wrong := set(given) - self.known:
            raise TypeError(f"{self.io_type}: no argument {sorted(wrong)}")
        self.id, self.optional = id, given.get("optional", False)
        self.told = given


def kind(io_type: str, extra: set[str] | None = None) -> Any:
    """A type of ComfyUI: `kind.Input` and `kind.Output`; extra: of a widget, None for a socket."""
    known = INPUT if extra is None else WIDGET | extra
    output = {"id", "display_name", "tooltip", "is_output_list"}
    slots = {
        "Input": type("Input", (Slot,), {"known": known, "io_type": io_type}),
        "Output": type("Output", (Slot,), {"known": output, "io_type": io_type}),
    }
    return type(io_type, (), {"io_type": io_type, **slots})


@dataclass
class Schema:
    """What a node declares of itself."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Slot] = field(default_factory=list)
    outputs: list[Slot] = field(default_factory=list)
    description: str = ""

    def validate(self) -> None:
        """Ids must be unique, among inputs and outputs together."""
        ids = [slot.id for slot in (*self.inputs, *self.outputs)]
        if len(set(ids)) != len(ids):
            raise ValueError(f"{self.node_id}: ids {ids} are not unique")


class NodeOutput:
    """What a node gives, in the order of its outputs."""

    def __init__(self, *args: Any) -> None:
        self.args = args

    @property
    def result(self) -> tuple[Any, ...]:
        """The outputs."""
        return self.args


class ComfyNode:
    """Base of all nodes: class methods alone, as ComfyUI runs a locked copy of the class."""

    @classmethod
    def GET_SCHEMA(cls) -> Any:
        """The schema, checked."""
        schema = cls.define_schema()  # type: ignore[attr-defined]
        schema.validate()
        return schema

    @classmethod
    def EXECUTE_NORMALIZED(cls, **given: Any) -> Any:
        """Run, and insist on an output."""
        output = cls.execute(**given)  # type: ignore[attr-defined]
        if not isinstance(output, NodeOutput):
            raise TypeError(f"invalid return type from node: {type(output)}")
        return output


class ProgressBar:
    """Where the bars that were shown stood; `interrupt` raises at the next, as ComfyUI does."""

    shown: ClassVar[list[tuple[int, int]]] = []
    interrupt: ClassVar[type[Exception] | None] = None

    def __init__(self, total: int) -> None:
        self.total = total

    def update_absolute(self, value: int, total: int | None = None) -> None:
        """Move to value of total."""
        ProgressBar.shown.append((value, total or self.total))
        if ProgressBar.interrupt is not None:
            raise ProgressBar.interrupt


def modules() -> dict[str, ModuleType]:
    """The modules to import nodes with: none where ComfyUI itself is on the path."""
    if importlib.util.find_spec("comfy_api") is not None:
        arguments: Any = importlib.import_module("comfy.cli_args")
        arguments.args.cpu = True
        return {}
    io = ModuleType("comfy_api.latest.io")
    vars(io).update(
        Schema=Schema,
        ComfyNode=ComfyNode,
        NodeOutput=NodeOutput,
        Custom=kind,
        Image=kind("IMAGE"),
        Mask=kind("MASK"),
        String=kind("STRING", {"multiline", "placeholder", "dynamic_prompts"}),
        Boolean=kind("BOOLEAN", {"label_on", "label_off"}),
        Int=kind("INT", RANGE | {"control_after_generate"}),
        Float=kind("FLOAT", RANGE | {"round"}),
        Combo=kind("COMBO", {"options", "control_after_generate", "upload", "remote"}),
    )
    latest, utils = ModuleType("comfy_api.latest"), ModuleType("comfy.utils")
    vars(latest).update(io=io, ComfyExtension=type("ComfyExtension", (), {}))
    vars(utils).update(ProgressBar=ProgressBar)
    management = ModuleType("comfy.model_management")
    vars(management).update(get_torch_device=lambda: "cpu")
    comfy = ModuleType("comfy")
    vars(comfy).update(model_management=management, utils=utils)
    api = ModuleType("comfy_api")
    found = (api, latest, comfy, utils, management)
    return {module.__name__: module for module in found}
