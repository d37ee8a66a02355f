"""Kernels of no family from the edges of a photo, coarse to fine: one, or one for each part.

    for scales from coarse to fine, a few times each:
        x  <- argmin_x |k * x - y|^2 + lambda |grad x|_0
        k  <- argmin_{k >= 0} |k * grad x - grad y|^2 + gamma |k|^2,  cut, centred, of sum one

The picture x keeps few, strong edges: the unnatural sparsity of Xu, Zheng and Jia (CVPR 2013), by
half-quadratic splitting as in Pan, Hu, Su and Yang (CVPR 2014): with thresholds that fall,
    g <- grad x where |grad x|^2 >= lambda / beta, else 0;
    x <- argmin_x |k * x - y|^2 + beta |grad x - g|^2;   beta <- 2 beta.

The kernels k_r of several parts are found together, with mu sum |k_r - k_s|^2 over neighbours r, s
added to the second line: parts that tell little follow those that tell more, and all keep one
origin, as their mean is what is centred.
"""

import math

import numpy
import torch
from torch import Tensor
from torch.nn import functional as F

from operators.convolution import embedded
from priors.threads import share_cores
from restore.blind.periodic import fast_length, gradient, gradient_transfer, periodic
from restore.blind.saturated import LEAST

_SCALE = math.sqrt(0.5)
_LEAST_SIZE = 5
_ROUNDS = 5
_LAMBDA, _LEAST_LAMBDA, _DECAY = 4e-3, 1e-4, 1.1
_MOST_BETA = 1e5
_CUT, _LEAST_MASS = 0.05, 0.1
REACH, _ALL = 0.25, 0.999
MU = 0.01
"""Of the pull between neighbours, in units of the mean strength of the parts' edges."""
GAMMA = 3.0
"""Weight of the square of a kernel, where gradients are of pictures on [0, 1]."""


def free_kernel(
    plane: Tensor, size: int, gamma: float = GAMMA, *, clear: Tensor | None = None
) -> Tensor:
    """Estimate a kernel within size x size from a plane (H, W); arguments as of `free_kernels`."""
    seen = None if clear is None else clear[None]
    return free_kernels(plane[None], size, plane.new_zeros(1, 1), gamma, clear=seen)[0]


def free_kernels(
    planes: Tensor,
    size: int,
    neighbours: Tensor,
    gamma: float = GAMMA,
    *,
    clear: Tensor | None = None,
) -> Tensor:
    """Estimate kernels (R, size, size) of planes (R, H, W) of one scene; size odd, gamma >= 0.

    neighbours (R, R): 1 for planes whose kernels should be alike, else 0. clear: (R, H, W), whether
    pixels are as the blur made them, if not all are.
    """
    pull = torch.diag(neighbours.sum(1)) - neighbours
    levels = max(0, math.floor(math.log(_LEAST_SIZE / size) / math.log(_SCALE)))
    lambda_, found = _LAMBDA, planes.new_zeros(len(planes), 3, 3)
    found[:, 1, 1:] = 0.5
    for level in range(levels, -1, -1):
        share_cores(planes.device)
        side = _odd(size * _SCALE**level)
        sides = [round(n * _SCALE**level) for n in planes.shape[1:]]
        small = _resized(planes, sides)
        seen = None if clear is None else within(shrunk(clear, sides), side)
        if level == levels:
            found = _framed(found, side)
        else:
            found = together(_resized(found, [side, side]))
        found, lambda_ = _at_scale(small, found, lambda_, pull, gamma, seen)
    return found


def _at_scale(
    planes: Tensor,
    found: Tensor,
    lambda_: float,
    pull: Tensor,
    gamma: float,
    seen: Tensor | None,
) -> tuple[Tensor, float]:
    side = found.shape[-1]
    y = periodic(planes, 2 * side)
    inside = torch.zeros_like(y)
    inside[:, : planes.shape[1] - 1, : planes.shape[2] - 1] = 1
    if seen is not None:
        inside[:, : planes.shape[1], : planes.shape[2]] *= seen
    inside = inside[:, None]
    target = gradient(y) * inside
    for turn in range(_ROUNDS):
        source = gradient(_edges(y, found, lambda_)) * inside
        solved = _solved(*_normal_equations(source, target, side), gamma, pull)
        share = _CUT if turn == _ROUNDS - 1 else 0.0
        found = together(torch.stack([cut(kernel, share) for kernel in solved]))
        lambda_ = max(lambda_ / _DECAY, _LEAST_LAMBDA)
    return found, lambda_


def shrunk(clear: Tensor, sides: list[int]) -> Tensor:
    """Tell of planes (R, H, W) reduced to such sides which pixels have seen none but clear ones."""
    share = F.interpolate(clear.float()[None], sides, mode="bilinear", antialias=True)[0]
    return share > _ALL


def within(clear: Tensor, side: int) -> Tensor:
    """Where gradients tell of kernels of a side: 1 away from what is not clear (R, H, W), else 0;
    1 everywhere where that leaves too little."""
    reach = max(1, round(side * REACH))
    near = F.max_pool2d((~clear).float()[:, None], 2 * reach + 1, 1, padding=reach)[:, 0]
    enough = near.mean((1, 2), keepdim=True) < 1 - LEAST
    return torch.where(enough, 1 - near, 1.0)


def _edges(y: Tensor, kernels: Tensor, lambda_: float) -> Tensor:
    """Restore planes y with few edges: the first line of the module's equations."""
    size = (y.shape[1], y.shape[2])
    k = torch.fft.rfft2(torch.stack([embedded(kernel, size) for kernel in kernels]))
    pull, power = k.conj() * torch.fft.rfft2(y), k.abs().square()
    roughness = gradient_transfer(y.shape).abs().square().sum(0)
    x, beta, strong = y, 2 * lambda_, torch.empty_like(y)  # of floats: a mask of bools is slow
    while beta < _MOST_BETA:
        right, down = x.roll(-1, -1).sub_(x), x.roll(-1, -2).sub_(x)
        torch.ge(right.square().addcmul_(down, down), lambda_ / beta, out=strong)
        right, down = right.mul_(strong), down.mul_(strong)
        back = right.roll(1, -1).sub_(right).add_(down.roll(1, -2)).sub_(down)
        split = torch.fft.rfft2(back).mul_(beta).add_(pull)
        split = split * (power + beta * roughness).reciprocal_()
        x = torch.fft.irfft2(split, s=size)
        beta *= 2
    return x


def fitted(source: Tensor, target: Tensor, size: int, gamma: float = GAMMA) -> Tensor:
    """Minimise |k * source - target|^2 + gamma |k|^2 over k >= 0 within size x size."""
    normal, wanted = _normal_equations(source[None], target[None], size)
    return _solved(normal, wanted, gamma, wanted.new_zeros(1, 1))[0]


def _normal_equations(source: Tensor, target: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Convolutions with the autocorrelations of source (R, 2, H, W), as spectra of at
    least twice the size, and what they have to give (R, size, size)."""
    shape, half = source.shape[2:], size // 2
    x, y = torch.fft.rfft2(source), torch.fft.rfft2(target)
    own = torch.fft.irfft2((x.abs() ** 2).sum(1), s=shape)
    cross = torch.fft.irfft2((x.conj() * y).sum(1), s=shape)
    near, far = torch.arange(-half, half + 1), torch.arange(-2 * half, 2 * half + 1)
    n = fast_length(2 * size)
    laid = [embedded(one, (n, n)) for one in own[:, far][:, :, far]]
    return torch.fft.rfft2(torch.stack(laid)).real.clamp(min=0), cross[:, near][:, :, near]


def _solved(normal: Tensor, wanted: Tensor, gamma: float, pull: Tensor, steps: int = 60) -> Tensor:
    """Solve the normal equations (R, ...) of kernels >= 0, pull (R, R) between them.

    By the projected gradients of Beck and Teboulle (SIAM J. Imaging Sciences 2009).
    """
    size = wanted.shape[-1]
    n, most = (normal.shape[1],) * 2, normal.flatten(1).amax(1)
    tied = MU * most.mean() * pull
    bound = float(most.max()) + gamma + float(torch.linalg.eigvalsh(tied).max().clamp(min=0))
    k = ahead = torch.zeros_like(wanted)
    t = 1.0
    for _ in range(steps):
        product = torch.fft.irfft2(normal * torch.fft.rfft2(ahead, s=n), s=n)
        slope = product[:, :size, :size] + gamma * ahead - wanted
        if len(pull) > 1:
            slope += torch.einsum("rs,sij->rij", tied, ahead)
        new, s = (ahead - slope / bound).clamp(min=0), (1 + math.sqrt(1 + 4 * t * t)) / 2
        ahead, k, t = new + (t - 1) / s * (new - k), new, s
    return k


def cut(kernel: Tensor, share: float = _CUT) -> Tensor:
    """Drop weights below a share of the largest, and islands that hold little."""
    from scipy import ndimage

    kept = torch.where(kernel < share * kernel.max(), 0, kernel)
    labels, count = ndimage.label((kept > 0).numpy(), numpy.ones((3, 3)))
    places = torch.from_numpy(labels).long().flatten()
    mass = torch.zeros(count + 1).index_add_(0, places, kept.flatten())
    return torch.where((mass >= _LEAST_MASS * mass.sum())[places].reshape(kept.shape), kept, 0)


def centred(kernel: Tensor) -> Tensor:
    """Move the centre of mass to the middle, by whole pixels, and make the sum one."""
    return together(kernel[None])[0]


def together(found: Tensor) -> Tensor:
    """Move the centre of mass of all kernels (R, n, n) to the middle, and make each sum one."""
    found = found.clamp(min=0)
    size, sums = found.shape[-1], found.sum((1, 2), keepdim=True)
    middle = _framed(found.new_ones(1, 1, 1), size)
    mean = torch.where(sums > 0, found / sums.clamp(min=1e-30), middle).mean(0)
    places = torch.arange(size).to(found) - size // 2
    down, right = (round(float((mean.sum(axis) * places).sum())) for axis in (1, 0))
    wide = F.pad(found, (size, size, size, size))
    moved = wide[:, size + down : 2 * size + down, size + right : 2 * size + right]
    sums = moved.sum((1, 2), keepdim=True)
    return torch.where(sums > 0, moved / sums.clamp(min=1e-30), middle)


def _framed(kernel: Tensor, size: int) -> Tensor:
    margin = (size - kernel.shape[-1]) // 2
    return F.pad(kernel, (margin, margin, margin, margin))


def _resized(x: Tensor, shape: list[int]) -> Tensor:
    if list(x.shape[-2:]) == shape:
        return x
    wide = x.reshape(1, -1, *x.shape[-2:])
    small = F.interpolate(wide, shape, mode="bicubic", antialias=True)
    return small.reshape(*x.shape[:-2], *shape)


def _odd(size: float) -> int:
    return round(size) + 1 - round(size) % 2
