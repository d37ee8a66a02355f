"""Stage 1: autoencoders of diffusers' kinds that start as principal components of patches.

    none: AutoencoderDC, its encoder exactly and for ever the linear P^T      (compression.py)
    kl, vq: AutoencoderKL and VQModel, which start near it and learn freely   (convolutional.py)

Here they are built, run and scored alike. Latents are those of pictures in [-1, 1], not scaled.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from priors.training import compression, convolutional, patches
from priors.training.options import AutoencoderTraining

Distance = Callable[[Tensor, Tensor], Tensor]
COMMITMENT = 0.25
"""Weight of the encoder's share of the loss of a codebook, as in the paper."""
STEP = 0.1
"""Standard deviation of the shifts of latents that measure the isometry of a decoder."""


def build(options: AutoencoderTraining, pictures: Tensor, generator: torch.Generator) -> Any:
    """A diffusers model of the kind, factor and sizes in `options`, on the CPU.

    pictures: (N, 3, H, W) in [-1, 1], with sides that 8 divides, some hundreds of them; they give
    the principal components, the first codebook, and the `scaling_factor` that makes latents of
    unit standard deviation. The generator gives all random weights. ValueError for channels or
    widths that cannot be.
    """
    levels = max(options.factor.bit_length(), 1)
    width = (*options.width, *(options.width[-1:] * levels))[:levels]
    pictures = pictures.float().cpu()
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]):  # modules draw their weights from the global generator
        torch.default_generator.manual_seed(seed)
        if options.regularization == "none":
            basis = patches.patch_basis(pictures, options.factor)
            model = compression.pca_autoencoder(
                basis, options.factor, options.channels, width=width, layers=options.layers
            )
            latents = patches.project(
                basis[:, : options.channels], patches.unshuffle(pictures, options.factor)
            )
        else:
            model, latents = convolutional.build(
                options.regularization,
                options.factor,
                options.channels,
                width=width,
                layers=options.layers,
                codes=options.codes,
                pictures=pictures,
                generator=generator,
            )
    model.register_to_config(scaling_factor=round(1 / latents.std().item(), 5))
    return model


def encode(model: Any, picture: Tensor) -> Tensor:
    """The mode (B, c, H / f, W / f) of the latent of pictures, before any quantisation."""
    first = model.encode(picture, return_dict=False)[0]
    latent: Tensor = first if isinstance(first, Tensor) else first.mode()
    return latent


def decode(model: Any, latent: Tensor) -> Tensor:
    """Pictures (B, 3, H, W), about [-1, 1], not clipped; a VQModel quantises first."""
    picture: Tensor = model.decode(latent).sample
    return picture


def trainable(model: Any) -> nn.Module:
    """The part to optimise: the decoder where the encoder stays linear, else the whole model."""
    part: nn.Module = model.decoder if type(model).__name__ == "AutoencoderDC" else model
    return part


def loss(
    model: Any,
    picture: Tensor,
    options: AutoencoderTraining,
    generator: torch.Generator,
    distance: Distance | None = None,
) -> Tensor:
    """What stage 1 minimises, a scalar; pictures (B, 3, H, W) in [-1, 1], a generator of the CPU.

    L1 + 0.25 L1 of gradients at two scales; + isometry (|D(z + d) - D(z)| / |d| - 1)^2; + `lpips`
    times a distance of pictures in [0, 1]; + `kl` times the KL divergence or + the loss of the
    codebook. LDM sums both its error and its KL divergence over a picture (arXiv:2112.10752,
    equation 25); both are divided by the 3 H W values of a picture here, which changes no balance
    and depends on no crop size. The decoder learns from latents with noise of `robustness`, a
    standard deviation in units of pictures in [0, 1]. Precision is the caller's, by autocast.
    """
    latent, regularization = _regularized(model, picture, options, generator)
    decoded = _decoded(model, latent)
    total = reconstruction(decoded, picture) + regularization
    if options.isometry > 0:
        few = latent[: max(1, len(latent) // 4)]
        shift = STEP * _noise(few, generator)
        moved = (_decoded(model, few + shift) - decoded[: len(few)]).flatten(1).norm(dim=1)
        total = (
            total + options.isometry * (moved / shift.flatten(1).norm(dim=1) - 1).square().mean()
        )
    if options.lpips > 0:
        if distance is None:
            raise ValueError("distance: options.lpips needs one; pass it, or set lpips to 0")
        total = total + options.lpips * distance((decoded + 1) / 2, (picture + 1) / 2).mean()
    return total


def reconstruction(decoded: Tensor, picture: Tensor) -> Tensor:
    """L1, and a quarter of the L1 of gradients at full and at half resolution."""
    error = decoded - picture
    total = error.abs().mean()
    for scale in (1, 2):
        small = nn.functional.avg_pool2d(error, scale)
        total = total + 0.25 * (small.diff(dim=2).abs().mean() + small.diff(dim=3).abs().mean())
    return total


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) | N(0, 1)) of each of B latents, in nats: (B,)."""
    each = mean.square() + log_variance.exp() - 1 - log_variance
    return each.flatten(1).sum(1) / 2


def quantised(model: Any, latent: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest codes, with the gradient of what they replace, and the loss of the codebook.

    |sg(z) - e|^2 + 0.25 |z - sg(e)|^2, means over entries: arXiv:1711.00937, equation 3. diffusers'
    own loss has the weight at the other term, unless told not to be `legacy`.
    """
    _, _, (_, _, index) = model.quantize(latent)
    codes = model.quantize.embedding(index).view_as(latent.movedim(1, -1)).movedim(-1, 1)
    error = (codes - latent.detach()).square().mean()
    error = error + COMMITMENT * (codes.detach() - latent).square().mean()
    return latent + (codes - latent).detach(), error


def _regularized(
    model: Any, picture: Tensor, options: AutoencoderTraining, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """What the decoder learns from, and the regularization of the latents with its weight."""
    noise = 2 * options.robustness  # pictures in [-1, 1] have twice the units
    cost = picture.new_zeros(())
    if options.regularization == "none":
        with torch.no_grad(), torch.autocast(picture.device.type, enabled=False):
            latent = encode(model, picture)
    elif options.regularization == "kl":
        posterior = model.encode(picture).latent_dist
        mean, log_variance = posterior.mean.float(), posterior.logvar.float()
        cost = options.kl * divergence(mean, log_variance).mean() / picture[0].numel()
        latent = mean + (log_variance / 2).exp() * _noise(mean, generator)
    else:
        latent = encode(model, picture).float()
    if noise > 0:
        latent = latent + noise * _noise(latent, generator)
    return quantised(model, latent) if options.regularization == "vq" else (latent, cost)


def _decoded(model: Any, latent: Tensor) -> Tensor:
    """Decoded in float32; codes are codes already."""
    known = {"force_not_quantize": True} if hasattr(model, "quantize") else {}
    picture: Tensor = model.decode(latent, **known).sample
    return picture.float()


def _noise(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator).to(like.device)
