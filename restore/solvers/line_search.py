"""How far to go along the gradient of the likelihood: to the end of a line search.

    d = grad_{x_t} log p(y | D(x0^));    V = sigma_t^2 / alpha_t  d x0^ / d x_t
    s = argmax_s log p(y | D(x0^ + s d)) - s^2 / 2 <d, V^-1 d>

V is the covariance of x0 given x_t, by Tweedie's formula of second order. With g the gradient by
x0^ instead of x_t, V g = sigma_t^2 / alpha_t d, so that V^-1 need not be known: to first order,
with b = (d A(D(x0^)) / d x0^) d and v the variance of the noise,

    s = <g, d> / (<b, b / v> + alpha_t / sigma_t^2 <g, d>)

which is the first of the descents that together are `restore.solvers.mmps`, exact of a single
measurement, and never more than the sigma_t^2 / alpha_t of Tweedie's formula of first order.

What the data see faintly hardly is in a single gradient and comes too late. So steps go on,

    s_t = s (1 + (zeta - 1) ratio_s^2 / ratio_t^2),    ratio = sigma / alpha

to where what they see well is overfitted, as far as there are levels to come that mend it: of the
difference a step makes, 1 - ratio_s^2 / ratio_t^2 is kept at the next level, s, all at the last.
"""

from typing import Any

import torch
from torch import Tensor

from operators.measurement import Measurement
from priors.base import Prior
from priors.schedule import Level
from restore.solvers.base import column

AGAIN = 5
"""Steps from one search to the next: it costs a decoder's and an operator's call."""
PROBE = 0.5
"""The way that is tried, in sigmas of the level."""
TINY = 1e-12


class LineSearch:
    """The lengths of the steps of one solver; `share` is s in sigma_t^2 / alpha_t, in [0, 1]."""

    def __init__(self, measurement: Measurement[Any], prior: Prior, zeta: float) -> None:
        self.measurement, self.prior, self.zeta = measurement, prior, zeta
        self.share = torch.ones(())

    @torch.no_grad()
    def __call__(
        self, step: int, t: Level, s: Level, x0: Tensor, seen: Tensor, push: Tensor, pull: Tensor
    ) -> Tensor:
        """s_t (B, 1, ...), to multiply `pull`, the gradient d; steps, from t to s, count from 1.

        x0 the estimate, seen = A(D(x0)) and push the gradient of the log-likelihood there.
        """
        whole = t.sigma**2 / t.alpha
        if step % AGAIN == 1:
            size = pull.square().flatten(1).mean(1).sqrt().clamp(min=TINY)
            way = PROBE * t.ratio
            tried = x0 + way * pull / column(size, pull)
            moved = (self.measurement.operator(self.prior.decode(tried)) - seen) / way
            variance = self.measurement.noise.variance(self.measurement.y)
            gained = (push * moved).flatten(1).sum(1).clamp(min=0.0)
            bent = (moved.square() / variance).flatten(1).sum(1)
            against = bent * size * whole + gained
            self.share = column(gained / against.clamp(min=TINY), pull)
        return self.share * whole * (1 + (self.zeta - 1) * (s.ratio / t.ratio) ** 2)
