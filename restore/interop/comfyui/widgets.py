"""What ComfyUI's nodes share: widgets of the declared options, pictures, device, progress."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from comfy_api.latest import io  # type: ignore[import-not-found, unused-ignore]
from torch import Tensor

from restore import solvers, spec

DEFAULT = "default"
"""The solver that photomend chooses."""
UNTOLD = -1.0
"""A number that is left to photomend: these widgets cannot be empty."""
Prior = io.Custom("PHOTOMEND_PRIOR")


def common() -> list[Any]:
    """The inputs of every restoration."""
    known = [DEFAULT, *solvers.names(), *solvers.names(of_text=True)]
    steps = f"{explained('steps')} (0)"
    return [
        Prior.Input("prior", optional=True, tooltip="Default: the embedded prior."),
        number("noise", UNTOLD, UNTOLD),
        io.Combo.Input("solver", options=known, default=DEFAULT, tooltip=explained("solver")),
        io.Int.Input("steps", default=0, min=0, max=1000, tooltip=steps),
        number("fidelity", UNTOLD, UNTOLD),
        seeding(),
    ]


def explained(name: str, task: str = "deblur") -> str:
    """The help of an option of a task."""
    return spec.description(spec.TASKS[task], name)


def number(name: str, value: float, low: float, high: float = 1.0, step: float = 0.001) -> Any:
    """A number with its default, range and step."""
    tooltip = explained(name) + (f" ({UNTOLD:g})" if low == UNTOLD else "")
    return io.Float.Input(name, default=value, min=low, max=high, step=step, tooltip=tooltip)


def choice(name: str, task: str) -> Any:
    """One of the words that an option of a task may be."""
    field = spec.TASKS[task].model_fields[name]
    annotation: Any = field.annotation
    options = {"options": list(annotation.__args__), "default": field.default}
    return io.Combo.Input(name, tooltip=explained(name, task), **options)


def operating() -> Any:
    """A chain of operators."""
    help = explained("operator", "restore")
    return io.String.Input("operator", default="downsample:4", tooltip=help)


def seeding() -> Any:
    """The seed of the first picture."""
    options = {"default": 0, "min": 0, "max": 2**31 - 1, "control_after_generate": True}
    return io.Int.Input("seed", tooltip=explained("seed"), **options)


def as_pixels(image: Tensor) -> Tensor:
    """(B, 3, H, W) of an image (B, H, W, C): grey thrice, without alpha."""
    # Copied: tensors of inference mode take part in no gradient.
    pixels = image.movedim(-1, 1).float().cpu().clone()
    return pixels.expand(-1, 3, -1, -1) if pixels.shape[1] == 1 else pixels[:, :3]


def as_image(pixels: Tensor) -> Tensor:
    """(B, H, W, 3) of pixels (B, C, H, W)."""
    return pixels.expand(-1, 3, -1, -1).movedim(1, -1).contiguous()


def device() -> str:
    """Where ComfyUI computes."""
    from comfy import model_management  # type: ignore[import-not-found, unused-ignore]

    return str(model_management.get_torch_device())


def watched(solver: solvers.Solver, index: int, count: int) -> solvers.Solver:
    """A solver that tells ComfyUI how far picture `index` of `count` is, and stops when cancelled:
    ComfyUI raises out of its progress bar."""
    from comfy.utils import ProgressBar  # type: ignore[import-not-found, unused-ignore]

    bar: Callable[[int, int], None] = ProgressBar(count).update_absolute

    @wraps(solver)
    def telling(*arguments: Any, **options: Any) -> Iterator[Any]:
        for state in solver(*arguments, **options):
            bar(index * state.steps + state.step, count * state.steps)
            yield state

    return telling
