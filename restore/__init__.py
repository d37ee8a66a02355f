"""photomend: restore photos with a learned latent diffusion prior."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from operators.seeds import Seeds
    from restore.api import deblur, inpaint, restore, upscale
    from restore.images import PhotoError
    from restore.restoration import Restoration
    from restore.restorer import Restorer
    from restore.result import Result
    from restore.solvers import Divergence

__all__ = [
    "Divergence",
    "PhotoError",
    "Restoration",
    "Restorer",
    "Result",
    "Seeds",
    "deblur",
    "inpaint",
    "restore",
    "upscale",
]

# Loaded at first use: the command line answers --help without torch, whose import takes a second.
_HOME = {
    "Divergence": "restore.solvers",
    "PhotoError": "restore.images",
    "Restoration": "restore.restoration",
    "Restorer": "restore.restorer",
    "Result": "restore.result",
    "Seeds": "operators.seeds",
    "deblur": "restore.api",
    "inpaint": "restore.api",
    "restore": "restore.api",
    "upscale": "restore.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'restore' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
