"""Published networks to compare with, written from their papers so that their weights load.

The weights are not part of photomend; a folder holds them under the names in `BF_CNN_FILE`,
`DNCNN_FILE` and `IMDN_FILE`. All networks take and give pictures in [0, 1], the range on which the
weights reproduce their papers' figures (on 0 to 255 IMDN and DnCNN fail; BF-CNN knows no unit).
"""

import os
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restore.bench.protocol import DATA_VARIABLE, BenchError, default_folder

BF_CNN_FILE = "BF_CNN_BSD300_color_noise0to100.pt"
DNCNN_FILE = "dncnn/dncnn_25_gray.pth"
IMDN_FILE = "IMDN_x4.pth"
# What torch.load lets through when a file is no state dict, or one that would run code.
_LOAD_ERRORS = (OSError, RuntimeError, EOFError, LookupError, ValueError, pickle.UnpicklingError)


class BiasFreeCNN(nn.Module):
    """The blind denoiser BF-CNN: y (B, C, H, W) of unknown white noise to its clean picture.

    Twenty 3 x 3 convolutions of 64 channels without any additive constant: normalisation divides
    by a running standard deviation and scales by gamma, so that f(a y) = a f(y) for a >= 0. The
    last convolution gives the noise. Mohan, Kadkhodaie, Simoncelli & Fernandez-Granda, ICLR 2020,
    arXiv:1906.05478.
    """

    def __init__(self, channels: int = 3, depth: int = 20, width: int = 64) -> None:
        super().__init__()
        widths = [channels, *[width] * (depth - 1), channels]
        self.conv_layers = nn.ModuleList(
            nn.Conv2d(n, m, 3, padding=1, bias=False) for n, m in pairwise(widths)
        )
        self.gammas = nn.ParameterList(torch.ones(1, width, 1, 1) for _ in range(depth - 2))
        self.running_sd = nn.ParameterList(torch.ones(1, width, 1, 1) for _ in range(depth - 2))

    def forward(self, y: Tensor) -> Tensor:
        """The denoised picture."""
        x = F.relu(self.conv_layers[0](y))
        inner = zip(self.conv_layers[1:-1], self.running_sd, self.gammas, strict=True)
        for convolution, deviation, gamma in inner:
            x = F.relu(convolution(x) / deviation * gamma)
        noise: Tensor = self.conv_layers[-1](x)
        return y - noise


class DnCNN(nn.Module):
    """The denoiser DnCNN-S, for grey pictures y (B, 1, H, W) and one level of noise.

    Seventeen 3 x 3 convolutions of 64 channels with rectifiers between them, batch normalisation
    merged into them; the last one gives the noise. Zhang, Zuo, Chen, Meng & Zhang, IEEE TIP 2017,
    arXiv:1608.03981.
    """

    def __init__(self, channels: int = 1, depth: int = 17, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        self.model = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, y: Tensor) -> Tensor:
        """The denoised picture."""
        noise: Tensor = self.model(y)
        return y - noise


class _ContrastAttention(nn.Module):
    """Weigh channels by their contrast, standard deviation + mean (section 3.2 of IMDN)."""

    def __init__(self, width: int, reduction: int = 16) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            nn.Conv2d(width, width // reduction, 1),
            nn.ReLU(),
            nn.Conv2d(width // reduction, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        deviation, mean = torch.std_mean(x, dim=(2, 3), correction=0, keepdim=True)
        weighed: Tensor = x * self.conv_du(deviation + mean)
        return weighed


class _Distillation(nn.Module):
    """Information multi-distillation block: a quarter of the channels is kept at each step."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kept = width // 4
        rest = width - self.kept
        self.c1 = nn.Conv2d(width, width, 3, padding=1)
        self.c2 = nn.Conv2d(rest, width, 3, padding=1)
        self.c3 = nn.Conv2d(rest, width, 3, padding=1)
        self.c4 = nn.Conv2d(rest, self.kept, 3, padding=1)
        self.c5 = nn.Conv2d(width, width, 1)
        self.cca = _ContrastAttention(width)

    def forward(self, x: Tensor) -> Tensor:
        distilled, rest = [], x
        for convolution in (self.c1, self.c2, self.c3):
            features = F.leaky_relu(convolution(rest), 0.05)
            distilled.append(features[:, : self.kept])
            rest = features[:, self.kept :]
        together = torch.cat([*distilled, self.c4(rest)], dim=1)
        fused: Tensor = self.c5(self.cca(together))
        return x + fused


class IMDN(nn.Module):
    """Super-resolution by information multi-distillation: (B, 3, h, w) to (B, 3, 4 h, 4 w).

    Hui, Gao, Yang & Wang, ACM Multimedia 2019, arXiv:1909.11856. Trained on bicubic shrinking
    without noise.
    """

    def __init__(self, width: int = 64, blocks: int = 6, factor: int = 4) -> None:
        super().__init__()
        self.blocks = blocks
        self.fea_conv = nn.Conv2d(3, width, 3, padding=1)
        for number in range(1, blocks + 1):
            self.add_module(f"IMDB{number}", _Distillation(width))
        self.c = nn.Sequential(nn.Conv2d(blocks * width, width, 1), nn.LeakyReLU(0.05))
        self.LR_conv = nn.Conv2d(width, width, 3, padding=1)
        self.upsampler = nn.Sequential(
            nn.Conv2d(width, 3 * factor**2, 3, padding=1), nn.PixelShuffle(factor)
        )

    def forward(self, y: Tensor) -> Tensor:
        """The enlarged picture."""
        first = self.fea_conv(y)
        outputs, x = [], first
        for number in range(1, self.blocks + 1):
            x = self.get_submodule(f"IMDB{number}")(x)
            outputs.append(x)
        enlarged: Tensor = self.upsampler(first + self.LR_conv(self.c(torch.cat(outputs, 1))))
        return enlarged


AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


def filled(network: AnyNetwork, file: Path) -> AnyNetwork:
    """The network with the weights in a file, for inference; BenchError where they do not fit."""
    try:
        state: Any = torch.load(file, map_location="cpu", weights_only=True)
        plain = {name.removeprefix("module."): value for name, value in state.items()}
        network.load_state_dict(plain)
    except (*_LOAD_ERRORS, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise BenchError(
            f"peers: {file} holds no weights of {type(network).__name__} ({reason}); name the "
            "folder of the published ones, or leave --peers out"
        ) from error
    return network.requires_grad_(False).eval()


def peer_file(folder: Path | None, name: str) -> Path | None:
    """The file `name` in the folder of peers; None where there is no folder or no such file."""
    file = None if folder is None else folder / name
    return file if file is not None and file.is_file() else None


def peers_folder(named: Path | None, place: Path) -> Path | None:
    """The folder of the peers' weights: the named one, else `peers` beside `eval`, else None.

    It is looked for around `place`, the photos in use, and in what PHOTOMEND_DATA names.
    BenchError where the named one is no folder.
    """
    if named is not None:
        if not named.is_dir():
            raise BenchError(f"peers: {named} is not a folder; name the one with {IMDN_FILE}")
        return named
    whole = place.resolve()
    roots = [whole, *whole.parents[:2]]
    if os.environ.get(DATA_VARIABLE):
        roots.append(default_folder())
    folders = (root / "peers" for root in roots if (root / "eval").is_dir())
    return next((folder for folder in folders if folder.is_dir()), None)
