"""Stage 1: an `AutoencoderDC` whose trunk is the principal component analysis of 4 x 4 patches.

    z = P^T patch        patch = P z + learned residual

The encoder *is* the orthonormal transform P^T, so that latent units are picture units and white
noise in the picture is white noise of the same size in the latent; the decoder starts as P and
learns what the discarded components probably were. diffusers alone loads and runs the result.
"""

from typing import Any

import torch
from torch import Tensor


def patch_basis(crops: Tensor, factor: int = 4) -> Tensor:
    """Eigenvectors of the uncentred patch covariance, (3 f^2, 3 f^2), most energetic first.

    Rows are patch entries in the order of two nested pixel unshuffles (channel, inner, outer).
    """
    patches = unshuffle(crops, factor).movedim(1, -1).flatten(0, -2).double()
    _, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    basis: Tensor = vectors.flip(1).float()
    return basis


def unshuffle(x: Tensor, factor: int) -> Tensor:
    """Nested pixel unshuffles, as in the network: (B, C, H, W) to (B, C f^2, H/f, W/f)."""
    while factor > 1:
        x = torch.nn.functional.pixel_unshuffle(x, 2)
        factor //= 2
    return x


def pca_autoencoder(
    basis: Tensor,
    channels: int,
    *,
    width: tuple[int, int] = (64, 128),
    layers: tuple[int, int] = (1, 2),
) -> Any:
    """An f = 4 `AutoencoderDC` that encodes by `basis[:, :channels]` and decodes by its transpose.

    `width` and `layers` size the decoder at half and quarter resolution; its residual blocks start
    at zero. The encoder has no width to speak of: it stays linear.
    """
    from diffusers.models.autoencoders.autoencoder_dc import AutoencoderDC

    patch = basis.shape[0]
    if patch != 48:
        raise ValueError(f"basis: expected 48 rows (4 x 4 patches of RGB), got {patch}")
    model = AutoencoderDC(
        latent_channels=channels,
        encoder_block_out_channels=(12, 12, patch),
        encoder_layers_per_block=(0, 1, 0),
        encoder_qkv_multiscales=((), (), ()),
        encoder_out_shortcut=False,
        decoder_block_out_channels=(width[0], width[0], width[1]),
        decoder_layers_per_block=(0, *layers),
        decoder_qkv_multiscales=((), (), ()),
        decoder_in_shortcut=False,
    )
    with torch.no_grad():
        _linear_encoder(model.encoder, basis[:, :channels])
        _linear_decoder(model.decoder, basis[:, :channels])
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(False)
    return model


def _centre(conv: Any, matrix: Tensor, bias: Tensor | None = None) -> None:
    """Make a 3 x 3 convolution act on single pixels as `matrix` (out, in)."""
    conv.weight.zero_()
    conv.weight[: matrix.shape[0], : matrix.shape[1], 1, 1] = matrix
    if conv.bias is not None:
        conv.bias.zero_()
        if bias is not None:
            conv.bias[: len(bias)] = bias


def _linear_encoder(encoder: Any, basis: Tensor) -> None:
    block, down = encoder.down_blocks[1]
    _centre(encoder.conv_in.conv, torch.eye(3))
    block.conv2.weight.zero_()
    block.norm.weight.zero_()
    block.norm.bias.zero_()
    # Its shortcut from 12 to 48 channels averages groups of one: already the identity.
    _centre(down.conv, torch.zeros(12, 12))
    _centre(encoder.conv_out, basis.T)


def _linear_decoder(decoder: Any, basis: Tensor) -> None:
    """Trunk = patch entries; the last norm is made linear by one large constant channel.

    RMSNorm divides by the root mean square of all channels; a constant C far above the signal makes
    that root C / sqrt(n) everywhere, and +-pairs carry the signal through the last ReLU unharmed.
    """
    up = decoder.up_blocks[1][0]
    half = up.conv.out_channels // 4
    quarter = up.conv.in_channels
    constant = 64.0
    _centre(decoder.conv_in, torch.cat([basis, torch.zeros(quarter - 48, basis.shape[1])]))
    wanted = torch.zeros(4 * half, quarter)
    wanted[:48, :48] = torch.eye(48)
    wanted[48:96, :48] = -torch.eye(48)
    bias = torch.zeros(4 * half)
    bias[-4:] = constant
    repeat = torch.eye(quarter).repeat_interleave(up.repeats, 0)
    _centre(up.conv, wanted - repeat, bias)
    for level in decoder.up_blocks:
        for block in level:
            if hasattr(block, "norm"):
                block.norm.weight.zero_()
                block.norm.bias.zero_()
    decoder.norm_out.weight.fill_(constant / half**0.5)
    decoder.norm_out.bias.zero_()
    out = torch.zeros(12, half)
    out[:, :12] = torch.eye(12)
    out[:, 12:24] = -torch.eye(12)
    _centre(decoder.conv_out.conv, out)
