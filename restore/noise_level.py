"""The noise of a photo from the photo alone: the flat end of the spectrum of its patches.

Photos fill few of the directions in which a patch can vary, white noise fills all of them equally.
Two estimates from the eigenvalues of the patches' covariance, neither of which may exceed what the
calmest blocks vary by (second differences: Immerkaer, CVIU 1996), of colour differences and of the
mean of the channels:

  colour   Chen, Zhu and Heng, ICCV 2015: of patches with all three channels, drop the largest
           eigenvalues until the mean of the rest equals their median; that is the variance.
  plane    Liu, Tanaka and Okutomi, IEEE TIP 2013: of the mean of the channels, the smallest
           eigenvalues of those patches whose gradients noise alone can explain, iterated.

Texture is mostly grey, so the first is sharper; but it sees nothing where the channels share their
noise, as after the chroma subsampling of JPEG. A mean of three channels has sigma / sqrt(3) of
independent and sigma of shared noise: the colour's estimate is held between those bounds.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from operators.noise import Gaussian, Noise, PoissonGaussian

_COLOUR_SIDE, _PLANE_SIDE = 6, 7
_MOST_PATCHES = 100_000
_LEAST_PATCHES_A_DIMENSION = 10
_LEAST_WEAK = 3 * _PLANE_SIDE**2
_LIMIT = 2.5
"""Standard deviations from black and white within which noise is clipped too often to count."""
_MOST_CLIPPED = 0.5
"""Share of a channel near its limits beyond which the others are asked alone."""
_STEP = 1 / 255
ROUNDING = _STEP / math.sqrt(12)
"""Standard deviation of the rounding to 8 bits."""


@torch.no_grad()
def estimate_sigma(image: Tensor) -> Tensor:
    """Estimate the standard deviation of white noise, shape (B,), on the [0, 1] scale.

    image: (B, C, H, W) in [0, 1], sides of at least 16 pixels, else ValueError. All noise counts:
    for an image of 8 bits the rounding, 0.29/255, is part of it and the least that is returned.
    Values of exactly 0 or 1 are taken as clipped, and their surroundings left out; a channel that
    is so nearly everywhere is left out wholly. Noise that is not white counts only as far as it
    reaches the finest detail: after JPEG below quality 90 or so that is too little.
    """
    if image.ndim != 4 or min(image.shape[2:]) < 16:
        raise ValueError(
            f"image: shape {tuple(image.shape)}; pass (B, C, H, W) of 16 pixels a side"
        )
    return torch.tensor([_sigma(one) for one in image.detach().float().cpu()]).to(image)


def _sigma(image: Tensor) -> float:
    """Estimate twice where values are clipped: what lies near a limit is known when sigma is."""
    clipped = (image == 0) | (image == 1)
    sigma = _sigma_without(image, clipped.any(dim=0, keepdim=True))
    if bool(clipped.any()):
        near = _near_limit(image, _LIMIT * sigma)
        # A sea without red, a night without blue: that channel would hide what the others tell.
        share = near.flatten(1).float().mean(1)
        kept = share <= share.min().clamp(min=_MOST_CLIPPED)
        sigma = _sigma_without(image[kept], near[kept].any(dim=0, keepdim=True))
    return max(sigma, _rounding(image))


def _sigma_without(image: Tensor, clipped: Tensor) -> float:
    plane, settled = _plane_sigma(image.mean(dim=0, keepdim=True), clipped)
    if bool((image == image[:1]).all()):
        return plane
    colour = math.sqrt(_flat_end(_eigenvalues(_patches(image, _COLOUR_SIDE, clipped))))
    differences = (image - image.roll(1, 0))[: max(1, len(image) * (len(image) - 1) // 2)]
    calm = [_calm_variance(one[None], clipped) for one in differences / math.sqrt(2)]
    colour = min(colour, math.sqrt(min(calm)))
    calmest = math.sqrt(_calm_variance(image.mean(dim=0, keepdim=True), clipped))
    plane = min(plane, calmest)
    return min(max(colour, plane if settled else 0.0), math.sqrt(len(image)) * plane)


def _rounding(image: Tensor) -> float:
    levels = image / _STEP
    return ROUNDING if bool(((levels - levels.round()).abs() < 1e-3).all()) else 0.0


def _near_limit(image: Tensor, reach: float) -> Tensor:
    """Tell where the brightness of each channel is within reach of 0 or 1, (C, H, W)."""
    local = F.avg_pool2d(image, 5, stride=1, padding=2, count_include_pad=False)
    return (local < reach) | (local > 1 - reach)


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


_BLOCK, _BINS, _LEAST_BLOCKS, _LOW = 12, 12, 20, 0.15
_SIGNIFICANT, _LEAST_CHANGE = 10.0, 0.6


@torch.no_grad()
def estimate_noise(image: Tensor) -> Noise:
    """Estimate the noise of one photo (1, C, H, W): white, or shot noise where it shows.

    Shot noise has variance gain x + sigma^2 (Foi et al., IEEE TIP 2008). Over blocks of like
    brightness the low quantile of the variance of second differences (Immerkaer, CVIU 1996), which
    texture only raises, gives a point; a line through the points is told where its slope exceeds
    ten standard errors, the variance along it changes by 0.6 of its mean, and at mid-grey exceeds
    that of 8 bits' rounding. ValueError as of `estimate_sigma`, and for a batch.
    """
    if len(image) != 1:
        raise ValueError(f"image: {len(image)} of them; pass one, (1, C, H, W)")
    white = Gaussian(float(estimate_sigma(image)[0]))
    gain, intercept = _line(*_points(image[0].detach().float().cpu())) or (0.0, 0.0)
    if gain < 2 * ROUNDING**2:
        return white
    return PoissonGaussian(gain, math.sqrt(max(intercept, _rounding(image[0]) ** 2, 1e-8)))


def _points(image: Tensor) -> tuple[Tensor, Tensor]:
    """Give brightness and noise variance, one point a bin of blocks of a channel."""
    places, variances = [], []
    for plane in image[:, None]:
        free = ~_touched((plane == 0) | (plane == 1))
        means = F.avg_pool2d(plane[None], _BLOCK, stride=_BLOCK // 2).flatten()[free]
        found = _block_variances(plane)[free]
        for part in means.argsort().tensor_split(_BINS):
            if len(part) >= _LEAST_BLOCKS:
                places.append(float(means[part].mean()))
                variances.append(float(found[part].quantile(_LOW)) / _calm(_LOW))
    return torch.tensor(places).double(), torch.tensor(variances).double()


def _calm_variance(plane: Tensor, clipped: Tensor) -> float:
    """Give the noise variance of the calmest blocks of a plane (1, H, W)."""
    found, free = _block_variances(plane), ~_touched(clipped)
    found = found[free] if int(free.sum()) >= _LEAST_BLOCKS else found
    return float(found.quantile(_LOW)) / _calm(_LOW) if len(found) >= _LEAST_BLOCKS else math.inf


@lru_cache
def _calm(share: float) -> float:
    """The quantile of block variances of noise of one."""
    unit = torch.randn(1, 512, 512, generator=torch.Generator().manual_seed(0))
    return float(_block_variances(unit).quantile(share))


def _touched(clipped: Tensor) -> Tensor:
    """Tell which blocks hold a clipped value."""
    return F.max_pool2d(clipped[None].float(), _BLOCK, stride=_BLOCK // 2).flatten() > 0


def _block_variances(plane: Tensor) -> Tensor:
    """Give the variance of noise in blocks of a plane (1, H, W), by second differences."""
    line = torch.tensor([1.0, -2.0, 1.0])
    kernel = (line[:, None] * line / 6)[None, None]
    rough = F.conv2d(F.pad(plane[None], (1, 1, 1, 1), mode="reflect"), kernel).square()
    return F.avg_pool2d(rough, _BLOCK, stride=_BLOCK // 2).flatten()


def _line(x: Tensor, v: Tensor) -> tuple[float, float] | None:
    """Fit v = gain x + intercept by least squares on relative errors, outliers weighed down.

    None where the slope is not significant.
    """
    if len(x) < 6:
        return None
    rows = torch.stack([x, torch.ones_like(x)], dim=1)
    weights = 1 / v.clamp(min=1e-9)
    share = torch.ones_like(v)
    for _ in range(10):
        scaled = (share * weights)[:, None] * rows
        fit = torch.linalg.lstsq(scaled, (share * weights * v)[:, None]).solution[:, 0]
        model = (rows @ fit).clamp(min=0.1 * v.median())
        weights = 1 / model
        residual = (v - rows @ fit) * weights
        scale = 1.4826 * residual.abs().median()
        share = (1.5 * scale / residual.abs().clamp(min=1e-12)).clamp(max=1).sqrt()
    spread = (share * residual).square().sum() / max(len(x) - 2, 1)
    error = (spread * torch.linalg.inv(scaled.T @ scaled)[0, 0]).sqrt()
    gain, intercept = float(fit[0]), float(fit[1])
    change = gain * float(x.max() - x.min()) / float(model.mean())
    if gain <= _SIGNIFICANT * float(error) or change < _LEAST_CHANGE:
        return None
    return gain, intercept
