"""What photos look like: schedules, denoisers, latent priors."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from priors.analytic import GaussianMixturePrior, GaussianPrior
from priors.base import Prior
from priors.schedule import VE, VP, Flow, Level, Schedule

if TYPE_CHECKING:
    from priors.hub import PriorError, describe, load
    from priors.latent import LatentPrior
    from priors.pixel import PixelPrior
    from priors.tiled import Tiled

__all__ = [
    "VE",
    "VP",
    "Flow",
    "GaussianMixturePrior",
    "GaussianPrior",
    "LatentPrior",
    "Level",
    "PixelPrior",
    "Prior",
    "PriorError",
    "Schedule",
    "Tiled",
    "describe",
    "load",
]

# Loaded at first use: these need diffusers, whose import takes seconds.
_LATE = {
    "LatentPrior": "priors.latent",
    "PixelPrior": "priors.pixel",
    "PriorError": "priors.hub",
    "Tiled": "priors.tiled",
    "describe": "priors.hub",
    "load": "priors.hub",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'priors' has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
