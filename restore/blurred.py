"""The blur of a photo, from its pixels and what its file says of their compression."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from operators.exposure import Camera
from operators.noise import Noise
from priors.threads import side_by_side
from restore.blind import Blind, NotBlurred, Unknowable, estimate_kernel
from restore.blind.changed import uneven
from restore.blind.estimate import LEAST_SIDE
from restore.blind.refined import refined
from restore.blind.seen import View
from restore.blind.varying import varied
from restore.camera import FILES, file_sigma
from restore.images import Photo
from restore.noise_level import estimate_sigma
from restore.restorer import Restorer

LOOKS = (True, False)
"""At light and at values."""
Seen = Blind | NotBlurred | Unknowable


def blur_of(photo: Photo, sigma: float | None = None, *, parts: bool = True) -> Blind:
    """The likelier of `blurs_of`, of a file of light and of values, else of values alone."""
    looks = LOOKS if photo.kind in FILES else LOOKS[1:]
    first, *_ = blurs_of(photo, looks, sigma, parts=parts)
    return first


def blurs_of(
    photo: Photo,
    looks: Sequence[bool] = LOOKS,
    sigma: float | None = None,
    *,
    parts: bool = True,
    changed: bool = False,
) -> list[Blind]:
    """Estimate the kernel of a photo, or kernels of its parts where one for all does not do.

    looks: whether it is to be looked for in light, in values, or both: the likelier comes first.
    sigma: standard deviation of its noise on [0, 1], by default what the file hides, or estimated.
    parts: whether those are looked for, which takes several times as long. changed: as for
    `estimate_kernel`. Of a photo that was enlarged by interpolation, in the pixels that it was made
    from. Weak detail that was changed since the blur was blurred by a camera: then light alone is
    looked at, if it is asked for. NotBlurred, Unknowable.
    """
    photo = photo.before
    pixels, jpeg = photo.pixels, photo.jpeg
    steps = None if jpeg is None else jpeg.luma_steps(pixels)
    if sigma is None:
        sigma = file_sigma(pixels, Camera(jpeg=jpeg))
    if sigma is None and min(pixels.shape[2:]) >= LEAST_SIDE:
        sigma = float(estimate_sigma(pixels)) or None  # once for all looks
    look = partial(_look, pixels, sigma=sigma, steps=steps)
    seen = _looked(look, looks, changed)
    if any(isinstance(one, Blind) for one in seen.values()):  # then there is blur; trials tell more
        seen = {light: _likeliest(one) for light, one in seen.items()}
    found = [one for one in seen.values() if isinstance(one, Blind)]
    if not found:
        raise next(one for one in reversed(seen.values()) if isinstance(one, ValueError))
    found.sort(key=lambda one: -one.gain)
    if not parts:
        return found
    first, *others = found
    of_parts = varied(first, pixels, sigma=sigma, steps=steps)
    if of_parts is first:
        return found
    return [of_parts, *(varied(other, pixels, sigma=sigma, steps=steps) for other in others)]


def changed_since(photo: Photo, kernel: Tensor, *, light: bool) -> bool:
    """Whether weak detail of a file was changed since a kernel (kh, kw) blurred its light, or its
    values; of kernels of parts, and of photos too small to tell, False."""
    pixels, jpeg = photo.pixels.detach().float().cpu(), photo.jpeg
    if kernel.ndim > 2 or photo.kind not in FILES or min(pixels.shape[2:]) < LEAST_SIDE:
        return False
    steps = None if jpeg is None else jpeg.luma_steps(pixels)
    view, _ = View.of(pixels, None, steps, light=light).window()
    return 2 * max(kernel.shape) <= min(view.plane.shape) and uneven(view, kernel.float().cpu())


def _looked(look: Callable[..., Seen], looks: Sequence[bool], changed: bool) -> dict[bool, Seen]:
    """What is seen of light and of values; of light alone where weak detail was changed since."""
    if changed and True in looks:
        return {True: look(light=True, changed=True)}
    with side_by_side() as cores:
        begun = {light: cores.submit(look, light=light, changed=changed) for light in looks}
        seen = {light: one.result() for light, one in begun.items()}
    told = [light for light, one in seen.items() if isinstance(one, Blind) and one.changed]
    if not told or True not in seen:
        return seen
    lit, coded = seen[True], seen.get(False, seen[True])
    if _programmed(coded, lit):
        return {False: coded}
    whole = tuple(w for one in seen.values() if isinstance(one, Blind) for w in one.whole or (one,))
    if True not in told:
        (lit,) = _looked(look, looks, changed=True).values()
    return {True: replace(lit, whole=whole) if isinstance(lit, Blind) else lit}


def _programmed(coded: Seen, lit: Seen) -> bool:
    """Whether values were blurred, of which nothing was changed, as they are likelier by all detail
    than light of which something was."""
    if not (isinstance(coded, Blind) and isinstance(lit, Blind)) or coded.changed:
        return False
    return lit.changed and coded.gain > max(one.gain for one in lit.whole or (lit,))


def _look(pixels: Tensor, **options: Any) -> Seen:
    try:
        return estimate_kernel(pixels, **options)
    except (NotBlurred, Unknowable) as error:
        return error


def _likeliest(found: Seen) -> Seen:
    """What it is, if there is blur."""
    return found.likeliest or found if isinstance(found, NotBlurred) else found


def blurs_by(
    photo: Photo,
    cameras: Iterable[Camera | None],
    noise: float | Noise | None,
    restorer: Restorer,
    *,
    changed: bool = False,
) -> list[Blind]:
    """`blurs_of` what cameras blur, light or values, with a noise on [0, 1], if that is known;
    refined with the restorer's prior."""
    sigma = float(noise) if isinstance(noise, int | float) and noise > 0 else None
    looks = sorted({bool(one and one.curve) for one in cameras}, reverse=True)
    better = partial(refined, image=photo.pixels.to(restorer.device), prior=restorer.prior)
    return [
        replace(better(one), rivals=tuple(map(better, one.rivals)))
        for one in blurs_of(photo, looks, sigma, changed=changed)
    ]
