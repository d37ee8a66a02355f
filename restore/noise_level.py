"""The noise of a photo from the photo alone: the flat end of the spectrum of its patches.

Photos fill few of the directions in which a patch can vary, white noise fills all of them equally.
Two estimates from the eigenvalues of the patches' covariance:

  colour   Chen, Zhu and Heng, ICCV 2015: of patches with all three channels, drop the largest
           eigenvalues until the mean of the rest equals their median; that is the variance.
  plane    Liu, Tanaka and Okutomi, IEEE TIP 2013: of the mean of the channels, the smallest
           eigenvalues of those patches whose gradients noise alone can explain, iterated.

Texture is mostly grey, so the first is sharper; but it sees nothing where the channels share their
noise, as after the chroma subsampling of JPEG. A mean of three channels has sigma / sqrt(3) of
independent and sigma of shared noise: the colour's estimate is held between those bounds.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_COLOUR_SIDE, _PLANE_SIDE = 6, 7
_MOST_PATCHES = 100_000
_LEAST_PATCHES_A_DIMENSION = 10
_LEAST_WEAK = 3 * _PLANE_SIDE**2
_STEP = 1 / 255
_ROUNDING = _STEP / math.sqrt(12)


@torch.no_grad()
def estimate_sigma(image: Tensor) -> Tensor:
    """Estimate the standard deviation of white noise, shape (B,), on the [0, 1] scale.

    image: (B, C, H, W) in [0, 1], sides of at least 16 pixels, else ValueError. All noise counts:
    for an image of 8 bits the rounding, 0.29/255, is part of it and the least that is returned.
    Values of exactly 0 or 1 are taken as clipped and left out. Noise that is not white counts only
    as far as it reaches the finest detail: after JPEG below quality 90 or so that is too little.
    """
    if image.ndim != 4 or min(image.shape[2:]) < 16:
        raise ValueError(
            f"image: shape {tuple(image.shape)}; pass (B, C, H, W) of 16 pixels a side"
        )
    return torch.tensor([_sigma(one) for one in image.detach().float().cpu()]).to(image)


def _sigma(image: Tensor) -> float:
    if bool((image == image[:1]).all()):
        plane, _ = _plane_sigma(image[:1], _clipped(image))
        return max(plane, _rounding(image))
    patches = _patches(image, _COLOUR_SIDE, _clipped(image))
    colour = math.sqrt(_flat_end(_eigenvalues(patches)))
    plane, settled = _plane_sigma(image.mean(dim=0, keepdim=True), _clipped(image))
    least = plane if settled else 0.0
    return max(min(max(colour, least), math.sqrt(len(image)) * plane), _rounding(image))


def _rounding(image: Tensor) -> float:
    levels = image / _STEP
    return _ROUNDING if bool(((levels - levels.round()).abs() < 1e-3).all()) else 0.0


def _clipped(image: Tensor) -> Tensor:
    return ((image == 0) | (image == 1)).any(dim=0, keepdim=True)


def _patches(image: Tensor, side: int, clipped: Tensor) -> Tensor:
    """Give patches (N, C side^2), those without clipped values where they are enough."""
    stride = math.ceil(math.sqrt(image.shape[1] * image.shape[2] / _MOST_PATCHES))
    patches = F.unfold(image[None], side, stride=stride)[0].T
    whole = F.max_pool2d(clipped.float(), side, stride=stride).flatten() == 0
    enough = int(whole.sum()) >= _LEAST_PATCHES_A_DIMENSION * patches.shape[1]
    return patches[whole] if enough else patches


def _eigenvalues(patches: Tensor) -> Tensor:
    """Give the eigenvalues of the covariance, the smallest first."""
    values: Tensor = torch.linalg.eigvalsh(torch.cov(patches.T).double())
    return values.clamp(min=0)


def _flat_end(values: Tensor) -> float:
    for count in range(len(values), 1, -1):
        rest = values[:count]
        if rest.mean() <= rest.median():
            break
    return float(rest.mean())


def _plane_sigma(plane: Tensor, clipped: Tensor) -> tuple[float, bool]:
    """Estimate sigma in one channel (1, H, W) from its weakly textured patches.

    Tells also whether there were enough of them; if not, texture counts as noise.
    """
    patches = _patches(plane, _PLANE_SIDE, clipped)
    noise = torch.randn(plane.shape, generator=torch.Generator().manual_seed(0))
    noise_patches = _patches(noise, _PLANE_SIDE, torch.zeros_like(clipped))
    # What unit noise does not exceed in one patch of a million, as a normal distribution has it.
    energy, noise_energy = _gradient_energy(patches), _gradient_energy(noise_patches)
    limit = float(noise_energy.mean() + 4.75 * noise_energy.std())
    chosen, variance = patches, math.inf
    for _ in range(12):
        # The smallest eigenvalues lie too low; those of as much noise alone tell by how much.
        previous, unit = variance, _smallest(noise_patches[: len(chosen)])
        variance = _smallest(chosen) / unit
        if abs(variance - previous) <= 1e-3 * variance:
            break
        weak = energy <= limit * variance
        if int(weak.sum()) < _LEAST_WEAK:
            return math.sqrt(variance), False
        chosen = patches[weak]
    return math.sqrt(variance), True


def _smallest(patches: Tensor) -> float:
    """Give the mean of the smallest tenth of the eigenvalues."""
    values = _eigenvalues(patches)
    return float(values[: max(1, len(values) // 10)].mean())


def _gradient_energy(patches: Tensor) -> Tensor:
    squares = patches.reshape(-1, _PLANE_SIDE, _PLANE_SIDE)
    across, down = squares.diff(dim=2), squares.diff(dim=1)
    return across.square().sum((1, 2)) + down.square().sum((1, 2))
