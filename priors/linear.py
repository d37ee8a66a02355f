"""The decoder's linear part: the pseudo-inverse of an affine encoder, at the price of one product.

    E(x) = W x + b on every patch of f x f pixels;   D_lin(z) = W^+ (z - b),   W^+ = W^T / c

where W W^T = c I, as for the principal components of patches. Then E(D_lin(z)) = z, D_lin(E(x)) is
the orthogonal projection of x onto the pictures that states can say, and distances between states
are distances between pictures: a prox of the picture is nearly one of the state.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pixel_shuffle

from priors.base import Prior, Shape
from priors.schedule import Level

TOLERANCE = 0.01
"""Relative error up to which an encoder counts as affine; bfloat16 alone makes 0.003."""


class Linear(Prior):
    """`prior` with its encoder as one strided convolution and that one's pseudo-inverse as decoder.

    Schedule, unit, sides and denoiser are the prior's. Both maps are differentiable, take any batch
    and follow the dtype and device of what they are given.
    """

    def __init__(self, prior: Prior, like: Tensor) -> None:
        """Read W and b off the encoder, on the device and in the dtype of `like`, of any shape.

        ValueError where the encoder is not affine, or sees more than its own patch.
        """
        self.prior = prior
        self.schedule, self.multiple, self.unit = prior.schedule, prior.multiple, prior.unit
        side = prior.multiple
        shape = prior.state_shape((1, 3, side, side))
        if len(shape) != 4 or side % shape[-1]:
            raise ValueError(f"prior: states of shape {shape} are no grid of patches")
        self.kernel, self.offset = _read_off(prior, side // shape[-1], like)
        flat = self.kernel.flatten(1)
        self.inverse = torch.linalg.pinv(flat).mT.reshape(self.kernel.shape)
        self._check(like)

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """As the prior."""
        return self.prior.denoise(x, level)

    def encode(self, image: Tensor) -> Tensor:
        """The state of a picture, W x + b."""
        self.state_shape(tuple(image.shape))
        stride = self.kernel.shape[-1]
        return conv2d(image, self.kernel.to(image), self.offset.to(image), stride=stride)

    def decode(self, x: Tensor) -> Tensor:
        """W^+ (x - b): of the pictures that encode to x the one of least norm."""
        return self.synthesis(x - self.offset.to(x)[:, None, None])

    def synthesis(self, x: Tensor) -> Tensor:
        """W^+ x, the decoder without its offset."""
        # A product of matrices: the transposed convolution is slower on processors.
        patches = self.inverse.to(x).flatten(1).T @ x.flatten(2)
        return pixel_shuffle(patches.unflatten(2, x.shape[2:]), self.kernel.shape[-1])

    def synthesis_adjoint(self, image: Tensor) -> Tensor:
        """The exact transpose of `synthesis`."""
        return conv2d(image, self.inverse.to(image), stride=self.kernel.shape[-1])

    @property
    def lossless(self) -> bool:
        """True where states say everything of a picture: W is square, and D_lin its inverse."""
        return self.kernel.shape[0] == self.kernel[0].numel()

    def state_shape(self, image_shape: Shape) -> Shape:
        """As of the prior."""
        return self.prior.state_shape(image_shape)

    @torch.no_grad()
    def _check(self, like: Tensor) -> None:
        side = 4 * self.multiple
        noise = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        image = noise.to(like)
        expected = self.prior.encode(image)
        error = ((self.encode(image) - expected).norm() / expected.norm()).item()
        if not error <= TOLERANCE:
            raise ValueError(
                f"prior: its encoder is {100 * error:.3g} % from affine on patches of "
                f"{self.kernel.shape[-1]} pixels, more than {100 * TOLERANCE:.3g} %"
            )


def linear(prior: Prior, like: Tensor) -> Prior:
    """`Linear(prior, like)` where its encoder is affine on patches, the prior itself elsewhere."""
    try:
        return Linear(prior, like)
    except ValueError:
        return prior


@torch.no_grad()
def _read_off(prior: Prior, patch: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """W (C, 3, patch, patch) and b (C,) in float64, from steps up and down of single values.

    They start at grey, the middle of every network's range: from black half of what bfloat16 can
    tell would be spent on the brightness, and W be 15 % off.
    """
    count = 3 * patch**2
    probes = like.new_full((2 * count + 1, 3, prior.multiple, prior.multiple), 0.5)
    units = torch.eye(count).to(like).view(count, 3, patch, patch)
    probes[1:, :, :patch, :patch] += torch.cat([units, -units]) / 2
    grey, *moved = prior.encode(probes)[:, :, 0, 0].double().split([1, count, count])
    matrix = (moved[0] - moved[1]).T
    return matrix.reshape(-1, 3, patch, patch), grey[0] - matrix.sum(1) / 2
