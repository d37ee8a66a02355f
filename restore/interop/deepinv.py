"""deepinv (https://deepinv.github.io): the prior as its denoiser, a restorer as its reconstructor,
its physics as an operator. Needs the extra `deepinv`; nothing else imports it.
"""

from dataclasses import dataclass
from typing import Any

import deepinv
import torch
from torch import Tensor
from torch.nn.functional import pad

from operators.base import LinearOperator, Shape
from priors.base import Prior
from restore.restorer import Restorer


class Denoiser(deepinv.models.Denoiser):  # type: ignore[misc, unused-ignore]
    """The denoiser of a prior, D(E[z0 | alpha E(x)]), for pictures of any size; differentiable."""

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, x: Tensor, sigma: float | Tensor, **_: Any) -> Tensor:
        """Remove noise of sigma, one or (B,), on [0, 1] from pictures (B, 3, H, W)."""
        levels = torch.as_tensor(sigma, dtype=torch.float64).flatten().expand(len(x)).tolist()
        return torch.cat([self._one(x[k : k + 1], level) for k, level in enumerate(levels)])

    def _one(self, x: Tensor, sigma: float) -> Tensor:
        height, width = x.shape[2:]
        below, right = (-side % self.prior.multiple for side in (height, width))
        whole = pad(x, (0, right, 0, below), mode="replicate")
        level = self.prior.schedule.at_ratio(sigma / self.prior.unit)
        clean = self.prior.denoise(level.alpha * self.prior.encode(whole), level)
        return self.prior.decode(clean)[..., :height, :width]


@dataclass(frozen=True, eq=False)
class Physics(LinearOperator):
    """A linear physics of deepinv for pictures of the shape (C, H, W)."""

    physics: Any
    shape: tuple[int, int, int]

    def __call__(self, x: Tensor) -> Tensor:
        """Apply A."""
        y: Tensor = self.physics.A(x)
        return y

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A_adjoint."""
        x: Tensor = self.physics.A_adjoint(y)
        return x

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give the shape, for as many pictures."""
        return (y_shape[0], *self.shape)


class Reconstructor(deepinv.models.Reconstructor):  # type: ignore[misc, unused-ignore]
    """A restorer that is called as deepinv calls its networks."""

    def __init__(self, restorer: Restorer, **options: Any) -> None:
        """options: of the call of a restorer, such as seed, samples, and those of its solver."""
        super().__init__()
        self.restorer, self.options = restorer, options

    def forward(self, y: Tensor, physics: Any, **_: Any) -> Tensor:
        """Restore y (B, C, h, w), seen through a linear physics; its noise model tells sigma, and
        where it has none, sigma is estimated."""
        shape = tuple(physics.A_adjoint(y).shape[1:])
        sigma = getattr(physics.noise_model, "sigma", None)
        told = {"noise": None if sigma is None else float(sigma), **self.options}
        return self.restorer(y, Physics(physics, shape), **told).pixels.to(y)
