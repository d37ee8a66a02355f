"""The blur of a photo, from its pixels and what its file says of their compression."""

from operators.exposure import Camera
from restore.blind import Blind, estimate_kernel
from restore.blind.varying import varied
from restore.camera import file_sigma, jpeg_of, steps_of
from restore.images import Photo


def blur_of(photo: Photo, sigma: float | None = None, *, parts: bool = True) -> Blind:
    """Estimate the kernel of a photo, or kernels of its parts where one for all does not do.

    sigma: standard deviation of its noise on [0, 1], by default what the file hides, or estimated.
    parts: whether those are looked for, which takes several times as long. NotBlurred, Unknowable.
    """
    pixels, steps = photo.pixels, steps_of(photo)
    if sigma is None and steps is not None:
        sigma = file_sigma(pixels, Camera(jpeg=jpeg_of(photo)))
    found = estimate_kernel(pixels, sigma=sigma, steps=steps)
    return varied(found, pixels, sigma=sigma, steps=steps) if parts else found
