"""How near a picture is to its reference: PSNR, SSIM and LPIPS, one number an image."""

import os
import pickle
import warnings
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

WEIGHTS_VARIABLE = "PHOTOMEND_LPIPS_WEIGHTS"
# What torch.load lets through when a file is no state dict, or one that would run code.
_LOAD_ERRORS = (
    OSError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError,
    pickle.UnpicklingError,
)  # fmt: skip


class MetricError(ValueError):
    """A metric that cannot be computed: pictures of different sizes, or weights out of reach."""


def psnr(x: Tensor, reference: Tensor) -> Tensor:
    """Give 10 log10(1 / mean squared error) in dB, shape (B,); infinite for equal pictures.

    x and reference: (B, C, H, W), clipped to [0, 1]. MetricError when their shapes differ.
    """
    x, reference = _clipped(x, reference)
    return -10 * (x - reference).square().flatten(1).mean(1).log10()


def ssim(x: Tensor, reference: Tensor) -> Tensor:
    """Give the mean structural similarity, shape (B,), at most 1.

    x and reference: (B, C, H, W), clipped to [0, 1], sides of at least 11 pixels, else
    MetricError. Wang et al., IEEE TIP 2004: Gaussian window of 11 x 11 with sigma 1.5, population
    covariance, k1 = 0.01, k2 = 0.03; averaged over the channels and over the windows that lie
    wholly inside, so that no border is invented.
    """
    x, reference = _clipped(x, reference)
    if min(x.shape[2:]) < 11:
        raise MetricError(f"x: sides {tuple(x.shape[2:])}; ssim needs at least 11 pixels a side")
    # Variances do not depend on the origin, and near 0 float32 loses less to cancellation.
    a, b = x - 0.5, reference - 0.5
    mean_a, mean_b = _windowed(a), _windowed(b)
    variance_a = _windowed(a * a) - mean_a**2
    variance_b = _windowed(b * b) - mean_b**2
    covariance = _windowed(a * b) - mean_a * mean_b
    mean_a, mean_b = mean_a + 0.5, mean_b + 0.5
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return (luminance * structure).flatten(1).mean(1)


def lpips(x: Tensor, reference: Tensor, weights: str | os.PathLike[str] | None = None) -> Tensor:
    """Give the learned perceptual distance (AlexNet, version 0.1), shape (B,), 0 for equal images.

    Zhang et al., CVPR 2018, arXiv:1801.03924. x and reference: (B, 3, H, W), clipped to [0, 1].
    weights: a state dict with `features.N.weight`, `features.N.bias` and `lin0..4.weight`; by
    default the file that the environment variable PHOTOMEND_LPIPS_WEIGHTS names, else the
    published weights, downloaded once. MetricError when none can be had.
    """
    x, reference = _clipped(x, reference)
    path = weights or os.environ.get(WEIGHTS_VARIABLE) or None
    network = _network(None if path is None else str(Path(path)), str(x.device))
    distance: Tensor = network(2 * x - 1, 2 * reference - 1)
    return distance.flatten()


def _clipped(x: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    if x.shape != reference.shape or x.ndim != 4:
        shapes = f"{tuple(x.shape)} and {tuple(reference.shape)}"
        raise MetricError(f"x, reference: shapes {shapes}; pass two of the same (B, C, H, W)")
    return x.float().clamp(0, 1), reference.to(x.device).float().clamp(0, 1)


def _windowed(x: Tensor) -> Tensor:
    offsets = torch.arange(-5, 6, dtype=x.dtype, device=x.device)
    window = torch.exp(-(offsets**2) / (2 * 1.5**2))
    window = (window / window.sum()).expand(x.shape[1], 1, 1, -1)
    rows = F.conv2d(x, window, groups=x.shape[1])
    return F.conv2d(rows, window.mT, groups=x.shape[1])


@lru_cache(maxsize=2)
def _network(path: str | None, device: str) -> torch.nn.Module:
    import lpips as package

    state = None if path is None else _state_dict(path)
    try:
        # The package draws random weights before it loads the real ones, and warns of torchvision.
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network: torch.nn.Module = package.LPIPS(
                net="alex", pretrained=path is None, pnet_rand=path is not None, verbose=False
            )
    except OSError as error:
        raise MetricError(
            f"lpips: its AlexNet cannot be downloaded ({error}); pass weights=PATH or set "
            f"{WEIGHTS_VARIABLE}"
        ) from error
    if state is not None:
        _fill(network, state, str(path))
    return network.requires_grad_(False).to(device)


def _state_dict(path: str) -> Mapping[str, Tensor]:
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except _LOAD_ERRORS as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MetricError(
            f"weights: {path} cannot be read ({reason}); pass a state dict"
        ) from error
    if not isinstance(state, Mapping):
        raise MetricError(f"weights: {path} holds a {type(state).__name__}; pass a state dict")
    return state


def _fill(network: torch.nn.Module, state: Mapping[str, Tensor], path: str) -> None:
    """Load `features.N.*` and `linK.weight`; every weight of the network must be there and fit."""
    filled = dict(network.state_dict())
    for name in filled:
        key = _published_name(name)
        if key is None:
            continue
        if key not in state or state[key].shape != filled[name].shape:
            raise MetricError(f"weights: {path} lacks {key}; pass AlexNet features and LPIPS heads")
        filled[name] = state[key].float()
    network.load_state_dict(filled)


def _published_name(name: str) -> str | None:
    """Translate net.slice2.3.bias to features.3.bias, lin0.model.1.weight to lin0.weight."""
    parts = name.split(".")
    if parts[0] == "net":
        return f"features.{parts[-2]}.{parts[-1]}"
    if parts[0] == "lins":
        return f"lin{parts[1]}.weight"
    return f"{parts[0]}.weight" if parts[0].startswith("lin") else None
