"""An `AutoencoderDC` whose trunk is the principal component analysis of f x f patches.

    z = P^T patch        patch = P z + learned residual

The encoder *is* the orthonormal transform P^T, so that latent units are picture units and white
noise in the picture is white noise of the same size in the latent; the decoder starts as P and
learns what the discarded components probably were. diffusers alone loads and runs the result.
Architecture: Chen et al., Deep Compression Autoencoder, ICLR 2025 (arXiv:2410.10733).
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

CONSTANT = 256.0
"""A channel so far above the signal that the root mean square of all channels is its own."""


def pca_autoencoder(
    basis: Tensor, factor: int, channels: int, *, width: tuple[int, ...], layers: int
) -> Any:
    """Encodes by the first columns of a basis (3 f^2, 3 f^2), decodes by their transpose.

    `width` sizes the decoder from its finest level on, which is that of 2 x 2 pixels unless f = 1;
    `layers` counts its residual blocks a level, at least one where a level is followed by a finer
    one or is of single pixels: the class needs it. The encoder is frozen. ValueError for more
    channels than a patch has entries, and for widths that cannot carry the start.
    """
    from diffusers.models.autoencoders.autoencoder_dc import AutoencoderDC

    _check(factor, channels, width)
    halvings = factor.bit_length() - 1
    levels = halvings + 1
    carriers = (3,) if factor == 1 else (12, *(3 * 4**k for k in range(1, levels)))
    deeper = max(halvings - 1, 0)
    unused = () if factor == 1 else (width[0],)  # the first two levels of the class are one
    blocks = (max(1, layers),) if factor == 1 else (0, *(max(1, layers),) * deeper, layers)
    model = AutoencoderDC(
        latent_channels=channels,
        encoder_block_out_channels=carriers,
        encoder_layers_per_block=(1,) if factor == 1 else (0, *(1,) * deeper, 0),
        encoder_qkv_multiscales=((),) * levels,
        encoder_out_shortcut=False,
        decoder_block_out_channels=(*unused, *width[: max(halvings, 1)]),
        decoder_layers_per_block=blocks,
        decoder_qkv_multiscales=((),) * levels,
        decoder_in_shortcut=False,
    )
    with torch.no_grad():
        _linear_encoder(model.encoder, basis[:, :channels])
        _linear_decoder(model.decoder, basis[:, :channels])
    model.encoder.requires_grad_(False)
    return model


def _check(factor: int, channels: int, width: tuple[int, ...]) -> None:
    """ValueError where the linear map does not fit."""
    patch = 3 * factor**2
    if not 1 <= channels <= patch:
        raise ValueError(
            f"channels: {channels} is more than the {patch} values of a patch of {factor} x "
            f"{factor} pixels; give at most {patch}, a larger factor, or the regularization kl"
        )
    first = 7 if factor == 1 else 25
    needed = {1: [first], 2: [first], 4: [first, channels], 8: [first, 48, channels]}[factor]
    used = width[: len(needed)]
    if any(wide < least for wide, least in zip(used, needed, strict=True)):
        raise ValueError(f"width: {used} is too narrow to start as components; give >= {needed}")
    for fine, coarse in pairwise(used):
        if 4 * fine % coarse:
            raise ValueError(
                f"width: {coarse} channels do not divide 4 x {fine}, those of the finer level; "
                "give powers of two"
            )


def _set(conv: Any, first: int, matrix: Tensor, shortcut: Tensor | None = None) -> None:
    """Make rows of a 3 x 3 convolution, with its shortcut, act on single pixels as `matrix`."""
    rows = slice(first, first + len(matrix))
    conv.weight[rows] = 0
    conv.weight[rows, : matrix.shape[1], 1, 1] = matrix
    if shortcut is not None:
        conv.weight[rows, :, 1, 1] -= shortcut[rows]
    conv.bias[rows] = 0


def _silence(network: Any) -> None:
    """Make every residual block the identity."""
    for level in getattr(network, "down_blocks", None) or network.up_blocks:
        for block in level:
            if hasattr(block, "norm"):
                block.norm.weight.zero_()
                block.norm.bias.zero_()


def _linear_encoder(encoder: Any, basis: Tensor) -> None:
    """Pixel unshuffles, which the shortcuts do by themselves, and P^T at the end."""
    _silence(encoder)
    _set(getattr(encoder.conv_in, "conv", encoder.conv_in), 0, torch.eye(3))
    for level in encoder.down_blocks:
        for block in level:
            if hasattr(block, "factor"):
                block.conv.weight.zero_()
                block.conv.bias.zero_()
    _set(encoder.conv_out, 0, basis.T)


def _linear_decoder(decoder: Any, basis: Tensor) -> None:
    """Latents, then all patch entries, then what the last norm and ReLU cannot bend.

    RMSNorm divides by the root mean square of all channels; a constant C far above the signal makes
    that root C / sqrt(n) everywhere, and +-pairs carry the signal through the last ReLU unharmed.
    The constant itself goes no further. All other channels start as random features that nothing
    reads yet.
    """
    _silence(decoder)
    patch, channels = basis.shape
    ups = [block for level in reversed(decoder.up_blocks) for block in level if _is_up(block)]
    if not ups:
        maps = [basis]
    elif len(ups) == 1:
        maps = [torch.eye(channels), basis]
    else:
        maps = [torch.eye(channels), basis, torch.eye(patch // 4)]
    convolutions = [(decoder.conv_in, None)] + [(up.conv, _repeat(up)) for up in ups]
    for (conv, shortcut), matrix in zip(convolutions[:-1], maps[:-1], strict=True):
        _set(conv, 0, matrix, shortcut)
    (conv, shortcut), matrix = convolutions[-1], maps[-1]
    split = 1 if shortcut is None else 4
    _set(conv, 0, torch.cat([matrix, -matrix]), shortcut)
    _set(conv, conv.out_channels - split, torch.zeros(split, conv.in_channels), shortcut)
    conv.bias[-split:] = CONSTANT
    wide, entries = conv.out_channels // split, len(matrix) // split
    decoder.norm_out.weight.fill_(CONSTANT / wide**0.5)
    decoder.norm_out.weight[-1] = 0
    decoder.norm_out.bias.zero_()
    out = torch.cat([torch.eye(entries), -torch.eye(entries)], 1)
    _set(getattr(decoder.conv_out, "conv", decoder.conv_out), 0, out)


def _is_up(block: Any) -> bool:
    return hasattr(block, "repeats")


def _repeat(up: Any) -> Tensor:
    """What the shortcut of an upsampling block adds, as a matrix (4 out, in)."""
    return torch.eye(up.conv.in_channels).repeat_interleave(up.repeats, 0)
