"""Which blur a photo has: the candidate with the most evidence."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from restore.blind.averaged import averaged, spread
from restore.blind.changed import REMOVED, uneven
from restore.blind.families import FAMILIES, Candidate, search
from restore.blind.found import Blind, NotBlurred, blind, confidence, enlarged
from restore.blind.free import free_kernel
from restore.blind.seen import WINDOW, Unknowable, View
from restore.blind.spectrum import CALM, EXACT, Spectrum
from restore.noise_level import estimate_sigma

LEAST_SIDE = 64
SIZES = (15, 21, 31, 41)
SHARP = 0.6
"""Blur of a smaller standard deviation a direction, in pixels, is none: lenses and pixels do it."""
DOUBT = 4.0
"""Nats by which strong frequencies have to speak against the likeliest kernel of all."""
AGREED = 0.45
"""Confidence that a kernel needs which they alone tell: long straight edges look like motion."""
_FREEDOM = 10  # nats that its many weights cost a free kernel: it follows the noise of the spectrum
_LONE = 100  # nats: by nearly as much may a free kernel of one size chance to suit a sharp photo
_NEAR = 40  # nats: by so much rounding and bent values misled the evidence about the family


@torch.no_grad()
def estimate_kernel(
    image: Tensor,
    *,
    sigma: float | None = None,
    steps: Tensor | None = None,
    size: int | None = None,
    family: str = "auto",
    light: bool = False,
    changed: bool = False,
) -> Blind:
    """Estimate the one kernel that blurred a photo (1, C, H, W) in [0, 1].

    sigma: standard deviation of the noise on [0, 1], by default estimated; before compression, if
    there was one. steps: (8, 8) to which a JPEG has rounded coefficients of the luma, on [0, 1],
    from the lowest frequency down and right; None for none. size: odd side >= 5 of
    the support of a free kernel, in pixels, by default the most likely of 15, 21, 31 and 41.
    family: "motion", "disk", "gaussian", "free", or "auto" for the most likely of all.
    light: whether light was blurred, which the values are codes of (sRGB), and not the values.
    changed: whether it is known that weak detail was changed since (`restore.blind.changed`).

    NotBlurred or Unknowable where there is nothing to be found; ValueError for other arguments.
    """
    _require(image, sigma, size, family)
    photo = image.detach().float().cpu()
    noise = float(estimate_sigma(photo)) if sigma is None else sigma
    view = View.of(photo, noise, steps, light=light)

    def told(one: Blind) -> Blind:
        rivals, whole = (tuple(map(told, others)) for others in (one.rivals, one.whole))
        return replace(one, kernel=one.kernel.to(image), rivals=rivals, light=light, whole=whole)

    try:
        return told(_found(view, noise, size, family, changed))
    except NotBlurred as error:
        error.likeliest = error.likeliest and told(error.likeliest)
        raise


def _found(view: View, noise: float, size: int | None, family: str, changed: bool) -> Blind:
    """As the photo shows it, or at half the size, where files show it better that were sharpened or
    compressed after the blur."""
    try:
        return _blind(view, noise, size, family, changed)
    except NotBlurred as error:
        if min(view.plane.shape) < WINDOW or size is not None:
            raise
        whole = error.likeliest
    try:
        return enlarged(_blind(view.halved(), noise, size, family, changed))
    except NotBlurred as error:
        error.likeliest = whole or (error.likeliest and enlarged(error.likeliest))
        raise


def _blind(view: View, noise: float, size: int | None, family: str, changed: bool) -> Blind:
    view, (top, left) = view.window()
    looks = [view, *view.continued()]
    spectra = [one for look in looks for one in look.spectrum().kept()]  # or it is refused
    free = _free(view, size) if family in ("free", "auto") else []
    found = _shown(spectra, family, free)
    blurred, whole = _sure(found), found
    if changed or not blurred or uneven(view, _best(found).kernel):
        strong = _strong(looks, family, free, _best(found), changed)
        agreed = bool(strong) and _sure(strong) and confidence(_best(strong), strong) >= AGREED
        if agreed or (strong and (blurred or changed)):  # sharp frames of a video look blurred
            found, blurred, changed = strong, agreed, True
    best = _best(found)
    exact = _exact(spectra, _best(whole), noise)
    named = {"window": (top, left, *view.plane.shape), "exact": exact}
    likeliest = blind([best, *_rivals(best, found)], found, noise, named, changed=changed)
    if changed:
        likeliest = replace(likeliest, whole=(blind([_best(whole)], whole, noise, named),))
    if not blurred:
        error = NotBlurred(
            "image: no blur to be sure of; the likeliest has a standard deviation of"
            f" {spread(best.kernel):.2f} pixels; if it is blurred, say how by its kernel"
        )
        some = best.evidence > 0 and spread(best.kernel) > SHARP
        error.likeliest = likeliest if some else None
        raise error
    return likeliest


def _strong(
    looks: list[View], family: str, free: list[tuple[int, Tensor]], best: Candidate, changed: bool
) -> list[Candidate]:
    """The candidates by those frequencies alone at which a photo is far above what may have been
    removed of it; none where they do not speak against the best of all, unless it is known to be
    changed."""
    spectra = [look.spectrum(REMOVED) for look in looks]
    found = _shown(spectra, family, free)
    other = _best(found)
    against = other.evidence - max(_above(one, best) for one in spectra)
    return found if changed or against > DOUBT else []


def _best(found: list[Candidate]) -> Candidate:
    return max(found, key=lambda one: one.evidence)


def _above(observed: Spectrum, one: Candidate) -> float:
    """The evidence for a candidate above no blur."""
    of, none = observed.evidence([one.kernel.float(), torch.ones(1, 1)]).tolist()
    return float(of - none) - (_FREEDOM if one.family == "free" else 0)


def _exact(spectra: list[Spectrum], best: Candidate, noise: float) -> float:
    """Nats by which it is likelier that nothing is left of what the best takes away; 0 where noise
    hides it."""
    if noise >= CALM:
        return 0.0
    exact, others = ([s for s in spectra if (s.epsilon == EXACT) is one] for one in (True, False))
    of, without = (max(_above(one, best) for one in some) for some in (exact, others))
    return of - without


def _sure(found: list[Candidate]) -> bool:
    """Whether the best of the candidates is a blur."""
    best = _best(found)
    return best.evidence > _least(found) and spread(best.kernel) > SHARP


def _least(found: list[Candidate]) -> float:
    """What the evidence for blur has to exceed: by far that for none, where a free kernel of some
    size has less.

    Of a blur kernels of all sizes tell, on sharp photos one may chance to suit the spectrum.
    """
    alike = all(one.evidence > 0 for one in found if one.family == "free")
    return 0 if alike else _LONE


def _rivals(best: Candidate, found: list[Candidate]) -> list[Candidate]:
    """The best of every other family that may be the blur as well, the likeliest first.

    Half of the evidence makes one worth trying, but a free kernel, which is never far behind.
    """
    half, near = best.evidence / 2, best.evidence - _NEAR
    others: dict[str, Candidate] = {}
    for one in sorted(found, key=lambda one: -one.evidence):
        least = max(half, near) if one.family == "free" else half
        if one.family != best.family and one.evidence > least and spread(one.kernel) > SHARP:
            others.setdefault(one.family, one)
    return [*others.values()]


def _shown(spectra: list[Spectrum], family: str, free: list[tuple[int, Tensor]]) -> list[Candidate]:
    """The candidates, each by the look that shows most of it: what is wrong with one hides it."""
    found: dict[tuple[str, tuple[float, ...]], Candidate] = {}
    for spectrum in spectra:
        for one in _candidates(spectrum, family, free):
            key = (one.family, one.parameters if one.family == "free" else ())
            found[key] = max(found.get(key, one), one, key=lambda one: one.evidence)
    return [*found.values()]


def _candidates(observed: Spectrum, family: str, free: list[tuple[int, Tensor]]) -> list[Candidate]:
    """The best of each family, and free kernels of some sizes, by their evidence above no blur."""
    found = [search(observed, name) for name in FAMILIES if family in (name, "auto")]
    found += _compared(observed, free) if free else []
    none = float(observed.evidence([torch.ones(1, 1)]))
    return [one._replace(evidence=one.evidence - none) for one in found]


def _compared(observed: Spectrum, free: list[tuple[int, Tensor]]) -> list[Candidate]:
    """The likelier free kernel of each size, and the mean of those of several."""
    evidence = observed.evidence([kernel for _, kernel in free]).tolist()
    pairs = zip(free, evidence, strict=True)
    each = [Candidate(e - _FREEDOM, "free", (float(s),), kernel) for (s, kernel), e in pairs]
    best = {one.parameters: one for one in sorted(each, key=lambda one: one.evidence)}
    found = [*best.values()]
    if len(found) > 1:
        mean = averaged([one.kernel for one in found], [one.evidence for one in found])
        nats = float(observed.evidence([mean])) - _FREEDOM
        found.append(Candidate(nats, "free", (), mean))
    return found


def _free(view: View, size: int | None) -> list[tuple[int, Tensor]]:
    """Free kernels of all sizes that the plane allows, or of one; where some of it is near white,
    two of each: light may have been brighter, or the edges of what is white tell as much as any."""
    sizes = [s for s in SIZES if s <= min(view.plane.shape) // 4] if size is None else [size]
    masks = [view.clear] if view.clear.all() else [view.clear, None]
    return [(s, free_kernel(view.plane, s, clear=clear)) for s in sizes for clear in masks]


def _require(image: Tensor, sigma: float | None, size: int | None, family: str) -> None:
    if image.ndim != 4 or image.shape[0] != 1:
        raise ValueError(f"image: shape {tuple(image.shape)}; pass one photo (1, C, H, W)")
    if min(image.shape[2:]) < LEAST_SIDE:
        raise Unknowable(
            f"image: {image.shape[2]} x {image.shape[3]} pixels are too few to tell a blur;"
            f" {LEAST_SIDE} a side are needed"
        )
    if sigma is not None and not 0 < sigma < math.inf:
        raise ValueError(f"sigma: got {sigma}; pass a number > 0, or none to have it estimated")
    if size is not None and (size < 5 or size % 2 == 0 or size > min(image.shape[2:]) // 2):
        raise ValueError(f"size: got {size}; pass an odd number from 5 to half the photo's side")
    if family not in (*FAMILIES, "free", "auto"):
        known = ", ".join((*FAMILIES, "free", "auto"))
        raise ValueError(f"family: got {family!r}; pass one of {known}")
