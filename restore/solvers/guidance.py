"""How far a solver goes along the gradient of the likelihood, by Tweedie's formula.

E[x_0 | x_t, y] = E[x_0 | x_t] + sigma^2 / alpha grad_{x_t} log p(y | x_t)
"""

from typing import Any

import torch
from torch import Tensor

from operators.measurement import Measurement
from priors.base import Prior
from priors.schedule import Level
from restore.solvers.base import column, deviation


def guided(
    measurement: Measurement[Any], prior: Prior, x: Tensor, level: Level
) -> tuple[Tensor, Tensor]:
    """x0^ = E[x_0 | x_t = x], and the step from there along grad_{x_t} log p(y | D(x0^))."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        x0 = prior.denoise(x, level)
        seen = measurement.operator(prior.decode(x0))
        likelihood = measurement.noise.log_likelihood(measurement.y, seen)
        g, d = torch.autograd.grad(likelihood.sum(), (x0, x))
    return x0.detach(), descent(measurement, seen.detach(), g, d, level) * d


def descent(
    measurement: Measurement[Any], seen: Tensor, g: Tensor, d: Tensor, level: Level, glue: Any = 0.0
) -> Tensor:
    """Length s (B, 1, ...) of the step x0^ + s d towards E[x_0 | x_t, y], at most sigma^2 / alpha.

    g and d are the gradients of log p(y | D(x0^)) by x0^ and by x_t, and seen = A(D(x0^)). With
    V = sigma^2 / alpha d x0^ / d x_t, the covariance of x_0, and v the variance of the noise,

        E[x_0 | x_t, y] = x0^ + V G^T u,   (v + G V G^T) u = y - seen,   G = d A(D(x0^)) / d x0^

    to first order. V G^T v^-1 (y - seen) is sigma^2 / alpha d, and the first of the conjugate
    gradients that `restore.solvers.mmps` takes, scaled by v, gives it the share P / (P + Q) with
    P = |y - seen|^2 / v and Q = sigma^2 / alpha <g, d>; exact of a single measurement. glue (B,)
    is added to P: the square of what else x0^ is held to, in its standard deviations.
    """
    variance = measurement.noise.variance(seen)
    apart = ((measurement.y - seen).square() / variance).flatten(1).sum(1) + glue
    whole = level.sigma**2 / level.alpha
    against = whole * (g * d).flatten(1).sum(1).clamp(min=0.0)
    return column(whole * apart / (apart + against).clamp(min=1e-12), d)


def pull_scale(measurement: Measurement[Any], level: Level, gain: Tensor) -> Tensor:
    """Factor c (B,) of E[x_0 | x_t, y] = x_0^ + c grad_{x_t} log p(y | x_0^).

    Tweedie's formula has c = sigma^2 / alpha for log p(y | x_t), whose variance is that of the
    noise and of what is unknown of x_0, at most gain ratio^2 in the measurement, where gain (B,)
    is its sensitivity to the state. So c is divided by the sum of both: no step overshoots
    the data, whatever the task.
    """
    unknown = gain * (level.sigma / deviation(measurement)) ** 2
    return level.sigma**2 * level.alpha / (level.alpha**2 + unknown)
