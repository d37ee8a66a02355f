"""`AutoencoderKL` and `VQModel` that start as linear codes of f x f patches, and learn from there.

The encoder starts as the principal component analysis P^T: strided convolutions gather 2 x 2
pixels, residual branches are silent, and the last GroupNorm and SiLU are made linear, since

    silu(a) - silu(-a) = a      and      +-C, C large, fix mean and variance of every group.

Where a level is narrower than its patch entries, their most energetic components go on; latents
beyond those that fit (half the last width, less one a group, or the patch) start silent. The
decoder upsamples by repetition and so cannot be P: the same convolution serves all four pixels of
a repeated one. It starts as the best linear map of its form, fitted level by level to pictures.
Rombach et al., CVPR 2022 (arXiv:2112.10752); van den Oord et al., NeurIPS 2017 (arXiv:1711.00937).
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from priors.training import patches

CONSTANT = 256.0
"""Far above the signal; exact in half precision."""
LOG_VARIANCE = -10.0
"""Of the posterior at the start: a standard deviation of 0.0067."""
PICTURES = 64
"""How many pictures the decoder is fitted to."""


def build(
    regularization: str,
    factor: int,
    channels: int,
    *,
    width: tuple[int, ...],
    layers: int,
    codes: int,
    pictures: Tensor,
    generator: torch.Generator,
) -> tuple[Any, Tensor]:
    """A "kl" or "vq" model fitted to pictures (N, 3, H, W) in [-1, 1], and their latents.

    `width` counts from full resolution on and needs 8 channels a level; `layers` are the residual
    blocks of an encoder level, at least one; the decoder has one more, as the classes have it.
    There is no attention, so that any size can be run. ValueError for widths that do not fit.
    """
    levels = factor.bit_length()
    wide = width[:levels]
    if min(wide) < 8:
        raise ValueError(f"width: {wide} is too narrow; give at least 8 channels a level")
    model = _make(regularization, wide, channels, layers, codes)
    with torch.no_grad():
        _silence(model)
        latents = _linear_encoder(model.encoder, pictures, channels)
        if regularization == "vq":
            for conv in (model.quant_conv, model.post_quant_conv):
                _write(conv, torch.eye(channels)[:, :, None, None])
        else:
            model.encoder.conv_out.weight[channels:] = 0
            model.encoder.conv_out.bias[channels:] = LOG_VARIANCE
        if regularization == "vq":
            vectors = latents.movedim(1, -1).flatten(0, -2)
            model.quantize.embedding.weight.copy_(patches.codebook(vectors, codes, generator))
        _linear_decoder(model.decoder, latents[:PICTURES], pictures[:PICTURES])
    return model, latents


def _make(
    regularization: str, width: tuple[int, ...], channels: int, layers: int, codes: int
) -> Any:
    from diffusers import AutoencoderKL, VQModel

    shared: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * len(width),
        "up_block_types": ("UpDecoderBlock2D",) * len(width),
        "block_out_channels": width,
        "layers_per_block": max(1, layers),
        "latent_channels": channels,
        "norm_num_groups": _groups(math.gcd(*width)),
        "mid_block_add_attention": False,
    }
    if regularization == "vq":
        return VQModel(**shared, num_vq_embeddings=codes)
    return AutoencoderKL(**shared, use_quant_conv=False, use_post_quant_conv=False)


def _groups(width: int) -> int:
    """At most 32 groups of at least 8 channels."""
    return max(n for n in range(1, 33) if width % n == 0 and (n == 1 or width // n >= 8))


def _silence(model: Any) -> None:
    """Make every residual branch zero."""
    for block in model.modules():
        if hasattr(block, "conv_shortcut"):
            block.conv2.weight.zero_()
            block.conv2.bias.zero_()


@dataclass(frozen=True, eq=False)
class _Link:
    """A convolution of the trunk, and the 1 x 1 one after it where the width changes there."""

    conv: Any
    shortcut: Any | None

    @property
    def room(self) -> int:
        """How many channels can pass."""
        passed = self.conv if self.shortcut is None else self.shortcut
        return min(int(self.conv.out_channels), int(passed.out_channels))

    def carry(self, kernel: Tensor) -> None:
        """Make the first channels that pass those of a convolution with this kernel."""
        _write(self.conv, kernel)
        if self.shortcut is not None:
            _write(self.shortcut, torch.eye(len(kernel))[:, :, None, None])

    def end(self, kernel: Tensor, norm: Any, out: Any) -> None:
        """The same up to the output convolution, through a norm and a SiLU; all else is zero."""
        last = self.conv
        if self.shortcut is not None:
            _write(self.conv, kernel)
            last, kernel = self.shortcut, torch.eye(len(kernel))[:, :, None, None]
        plus, minus, constant = _places(norm, len(kernel))
        last.weight.zero_()
        last.bias.zero_()
        last.weight[plus, : kernel.shape[1]] = kernel
        last.weight[minus, : kernel.shape[1]] = -kernel
        last.bias[constant[::2]], last.bias[constant[1::2]] = CONSTANT, -CONSTANT
        norm.weight.fill_(CONSTANT * (2 * norm.num_groups / norm.num_channels) ** 0.5)
        norm.weight[constant] = 0
        norm.bias.zero_()
        out.weight[:, torch.cat([plus, minus, constant])] = 0
        rows = torch.arange(len(kernel))
        out.weight[rows, plus, 1, 1] = 1
        out.weight[rows, minus, 1, 1] = -1
        out.bias.zero_()


def _places(norm: Any, pairs: int) -> tuple[Tensor, Tensor, Tensor]:
    """Channels of +values, of -values, and of the two constants of every group."""
    grid = torch.arange(norm.num_channels).view(norm.num_groups, -1)
    free = grid[:, 2:]
    halves = free[:, : free.shape[1] // 2 * 2].unflatten(1, (-1, 2)).flatten(0, 1)
    return halves[:pairs, 0], halves[:pairs, 1], grid[:, :2].flatten()


def _capacity(norm: Any) -> int:
    return int(norm.num_groups * ((norm.num_channels // norm.num_groups - 2) // 2))


def _write(conv: Any, kernel: Tensor) -> None:
    rows, columns = kernel.shape[:2]
    conv.weight[:rows] = 0
    conv.weight[:rows, :columns] = kernel
    conv.bias[:rows] = 0


def _linear_encoder(encoder: Any, pictures: Tensor, channels: int) -> Tensor:
    """Unshuffles by two while they fit, components of them where they do not, P^T at the end.

    Gives the latents of the pictures.
    """
    links = [_Link(encoder.conv_in, None)]
    for above, below in pairwise(encoder.down_blocks):
        links.append(_Link(above.downsamplers[0].conv, below.resnets[0].conv_shortcut))
    norm, trunk = encoder.conv_norm_out, pictures
    for index, link in enumerate(links):
        entries = F.pixel_unshuffle(trunk, 2) if index else trunk
        last, basis = link is links[-1], torch.eye(entries.shape[1])
        room = min(link.room, channels, _capacity(norm)) if last else link.room
        if last or room < len(basis):
            basis = patches.principal(entries.split(64))[:, :room]
        trunk = patches.project(basis, entries)
        if index:  # diffusers pads below and on the right: the first 2 x 2 entries are the pixels
            kernel = F.pad(basis.T.unflatten(1, (-1, 2, 2)), (0, 1, 0, 1))
        else:
            kernel = F.pad(basis.T[:, :, None, None], (1, 1, 1, 1))
        if last:
            link.end(kernel, norm, encoder.conv_out)
        else:
            link.carry(kernel)
    return F.pad(trunk, (0, 0, 0, 0, 0, channels - trunk.shape[1]))


def _linear_decoder(decoder: Any, latents: Tensor, pictures: Tensor) -> None:
    """From level to level the convolution that predicts the principal components best."""
    links = [_Link(decoder.conv_in, None)]
    for below, above in pairwise(decoder.up_blocks):
        links.append(_Link(below.upsamplers[0].conv, above.resnets[0].conv_shortcut))
    trunk, parts, halvings = latents, 8, len(links) - 1
    for index, link in enumerate(links):
        factor = 2 ** (halvings - index)
        if index == 0 and halvings:
            kernel = F.pad(torch.eye(min(link.room, latents.shape[1]))[:, :, None, None], (1,) * 4)
            kernel = F.pad(kernel, (0, 0, 0, 0, 0, latents.shape[1] - kernel.shape[1]))
            trunk = trunk[:, : len(kernel)]
        else:
            grow = _repeated if index else _same
            basis = patches.patch_basis(pictures, factor)[:, : link.room]
            basis = torch.eye(3) if factor == 1 else basis
            goals = [
                patches.project(basis, patches.unshuffle(p, factor)) for p in pictures.split(parts)
            ]
            kernel = patches.regression((grow(t) for t in trunk.split(parts)), goals, 3)
            trunk = torch.cat([F.conv2d(grow(t), kernel, padding=1) for t in trunk.split(parts)])
        if link is links[-1]:
            link.end(kernel, decoder.conv_norm_out, decoder.conv_out)
        else:
            link.carry(kernel)


def _same(x: Tensor) -> Tensor:
    return x


def _repeated(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
