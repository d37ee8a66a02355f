"""Draws of a solver against the posterior in closed form: of a mixture again a mixture."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from operators.measurement import Measurement
from priors.analytic import GaussianMixturePrior
from restore.bench.toy import draw, measured, sample
from restore.solvers import Solver

LEVEL, DRAWS = 0.9, 19
"""The next of 20 exact draws lies between the least and the greatest of the other 19 so often."""


def posterior(prior: GaussianMixturePrior, measurement: Measurement[Any]) -> GaussianMixturePrior:
    """What one measurement leaves of the prior; its denoiser is E[x0 | x_t, y]."""
    weights, means, covariances = prior.components(measurement)
    return GaussianMixturePrior(weights[0], means[0], covariances, prior.schedule, prior.decoder)


def moments(prior: GaussianMixturePrior) -> tuple[Tensor, Tensor]:
    """Mean (D,) and covariance (D, D) of a mixture."""
    mean = prior.weights @ prior.means
    apart = prior.means - mean
    within = torch.einsum("k,kij->ij", prior.weights, prior.covariances)
    return mean, within + torch.einsum("k,ki,kj->ij", prior.weights, apart, apart)


def odds(prior: GaussianMixturePrior, x: Tensor) -> Tensor:
    """The probability (N, K) of each component, given x (N, D); its mean over draws is weights."""
    each = MultivariateNormal(prior.means, prior.covariances).log_prob(x[:, None])
    return torch.softmax(prior.weights.log() + each, dim=1)


@dataclass(frozen=True)
class Errors:
    """Of draws (N, D) against the exact posterior, and of their residuals.

    worst: largest |error of the mean| in standard errors; bias: error of the mean in posterior
    standard deviations, spread: standard deviation over the posterior's, both the root mean square
    over whitened directions; shape: relative Frobenius error of the covariance; fit: mean squared
    residual over its expectation; modes: largest error of the weight of a mode.
    """

    worst: float
    bias: float
    spread: float
    shape: float
    fit: float
    modes: float


def errors(prior: GaussianMixturePrior, measurement: Measurement[Any], x: Tensor) -> Errors:
    """The errors of draws x (N, ...) of the posterior of one measurement."""
    truth = posterior(prior, measurement)
    mean, covariance = moments(truth)
    flat = x.double().flatten(1)
    apart, centred = flat.mean(0) - mean, flat - flat.mean(0)
    found = centred.T @ centred / max(len(x) - 1, 1)
    root = torch.linalg.cholesky(covariance)
    whiten = torch.linalg.inv(root)

    def residual(states: Tensor) -> Tensor:
        return measurement.residual(prior.decode(states.view(-1, *x.shape[1:]))).flatten(1)

    middle = residual(mean)
    expected = middle.square().sum() + (residual(mean + root.T) - middle).square().sum()
    return Errors(
        worst=(apart / (found.diagonal() / len(x)).sqrt().clamp(min=1e-12)).abs().max().item(),
        bias=(whiten @ apart).square().mean().sqrt().item(),
        spread=(whiten @ found @ whiten.T).diagonal().mean().sqrt().item(),
        shape=(torch.linalg.matrix_norm(found - covariance) / covariance.norm()).item(),
        fit=(residual(flat).square().sum(1).mean() / expected).item(),
        modes=(odds(truth, flat).mean(0) - truth.weights).abs().max().item(),
    )


def calibration(
    solver: str | Solver,
    prior: GaussianMixturePrior,
    measurement: Measurement[Any],
    count: int,
    seed: int = 0,
    **options: Any,
) -> tuple[Tensor, Measurement[Any], Tensor]:
    """States (B, D) of the prior, their measurements, and DRAWS of a solver (B, DRAWS, D) of each.

    They are measured as `measurement` was; seed: of the states, seed + 1: of the noise.
    """
    states, shape = draw(prior, count, seed), measurement.image_shape[1:]
    many = measured(prior, states, measurement.operator, shape, seed + 1)
    found = sample(solver, prior, many, DRAWS, seed, **options)
    return states, many, found.reshape(count, DRAWS, -1).double()


def ranks(states: Tensor, draws: Tensor) -> Tensor:
    """How many of the draws (B, DRAWS, D) are less than the state (B, D): uniform if exact.

    Simulation-based calibration (Talts et al., arXiv:1804.06788).
    """
    return (draws < states[:, None]).sum(1)


def coverage(prior: GaussianMixturePrior, measurement: Measurement[Any], draws: Tensor) -> float:
    """How probable a picture's value is to lie between the least and the greatest of the draws.

    The mean over values and measurements; LEVEL if the draws (B, DRAWS, D) are exact.
    """
    count = len(draws)
    shape = prior.state_shape(measurement.image_shape)[1:]

    def picture(states: Tensor) -> Tensor:
        return prior.decode(states.reshape(-1, *shape)).flatten(1)

    weights, means, covariances = prior.components(measurement)
    values = picture(draws).view(count, DRAWS, -1)
    centres = picture(means).view(count, weights.shape[1], -1)
    unit = torch.eye(means.shape[2], dtype=means.dtype)
    columns = picture(unit) - picture(0 * unit[:1])
    wide = torch.einsum("ip,kij,jp->kp", columns, covariances, columns).sqrt()

    def below(limit: Tensor) -> Tensor:
        each = torch.special.ndtr((limit[:, None] - centres) / wide)
        return torch.einsum("bk,bkp->bp", weights, each)

    return (below(values.amax(1)) - below(values.amin(1))).mean().item()
