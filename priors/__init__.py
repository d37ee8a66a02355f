"""What photos look like: schedules, denoisers, latent priors."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from priors.analytic import GaussianMixturePrior, GaussianPrior
    from priors.base import Prior
    from priors.hub import PriorError, describe, load, pull, verify
    from priors.latent import LatentPrior
    from priors.linear import Linear
    from priors.ode import encode_noise, log_likelihood, picture_bits, sample, state_bits
    from priors.pixel import PixelPrior
    from priors.schedule import VE, VP, Flow, Level, Schedule
    from priors.stable_diffusion import StableDiffusion
    from priors.stable_diffusion_3 import Flux, StableDiffusion3
    from priors.tiled import Tiled

__all__ = [
    "VE",
    "VP",
    "Flow",
    "Flux",
    "GaussianMixturePrior",
    "GaussianPrior",
    "LatentPrior",
    "Level",
    "Linear",
    "PixelPrior",
    "Prior",
    "PriorError",
    "Schedule",
    "StableDiffusion",
    "StableDiffusion3",
    "Tiled",
    "describe",
    "encode_noise",
    "load",
    "log_likelihood",
    "picture_bits",
    "pull",
    "sample",
    "state_bits",
    "verify",
]

# Loaded at first use: the command line answers --help without torch, whose import takes a second.
_HOME = {
    "VE": "priors.schedule",
    "VP": "priors.schedule",
    "Flow": "priors.schedule",
    "Flux": "priors.stable_diffusion_3",
    "GaussianMixturePrior": "priors.analytic",
    "GaussianPrior": "priors.analytic",
    "LatentPrior": "priors.latent",
    "Level": "priors.schedule",
    "Linear": "priors.linear",
    "PixelPrior": "priors.pixel",
    "Prior": "priors.base",
    "PriorError": "priors.hub",
    "Schedule": "priors.schedule",
    "StableDiffusion": "priors.stable_diffusion",
    "StableDiffusion3": "priors.stable_diffusion_3",
    "Tiled": "priors.tiled",
    "describe": "priors.hub",
    "encode_noise": "priors.ode",
    "load": "priors.hub",
    "log_likelihood": "priors.ode",
    "picture_bits": "priors.ode",
    "pull": "priors.hub",
    "sample": "priors.ode",
    "state_bits": "priors.ode",
    "verify": "priors.hub",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'priors' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
