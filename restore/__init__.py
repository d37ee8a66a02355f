"""photomend: restore photos with a latent diffusion prior."""

from operators.seeds import Seeds
from restore.api import deblur, inpaint, restore, upscale
from restore.images import PhotoError
from restore.restorer import Restoration, Restorer
from restore.result import Result

__all__ = [
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
