"""The noise of a photo from the photo alone: the flat end of the spectrum of its patches.

Chen, Zhu and Heng, "An efficient statistical method for image noise level estimation", ICCV 2015:
photos fill few directions of the space of patches, white noise fills all of them equally. The
covariance of the patches is taken apart; its largest eigenvalues are dropped until the mean of the
rest equals their median, and that mean is the noise variance.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

_SIDE = 8


@torch.no_grad()
def estimate_sigma(image: Tensor) -> Tensor:
    """Estimate the standard deviation of white noise, shape (B,), on the [0, 1] scale.

    image: (B, C, H, W) in [0, 1], sides of at least 8 pixels, else ValueError.
    """
    if image.ndim != 4 or min(image.shape[2:]) < _SIDE:
        raise ValueError(f"image: shape {tuple(image.shape)}; pass (B, C, H, W), sides >= {_SIDE}")
    return torch.stack([_sigma(one) for one in image.float().cpu()]).to(image)


def _sigma(image: Tensor) -> Tensor:
    patches = F.unfold(image[None], _SIDE)[0].T
    values = torch.linalg.eigvalsh(torch.cov(patches.T.double())).flip(0)
    for first in range(len(values)):
        rest = values[first:]
        if rest.mean() <= rest.median():
            break
    return rest.mean().clamp(min=0).sqrt()
