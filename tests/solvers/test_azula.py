"""Against azula, an independent implementation of diffusion samplers, where it is installed.

The denoiser is ours, as it is exact; all else is theirs. It is no dependency: pip install azula.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from operators.measurement import Measurement
from operators.noise import Gaussian
from priors.base import Prior
from priors.schedule import Schedule
from restore import solvers
from restore.bench.exact import errors
from restore.bench.toy import SIZE, Dense, OneStream, draw, problem, random, sample
from restore.solvers.mmps import conditional_mean
from tests.solvers.toys import SCHEDULES

denoise: Any = pytest.importorskip("azula.denoise", reason="azula is not installed")
covariance: Any = pytest.importorskip("azula.linalg.covariance")
guidance: Any = pytest.importorskip("azula.guidance.mmps")
pgdm: Any = pytest.importorskip("azula.guidance.pgdm")
samplers: Any = pytest.importorskip("azula.sample")
# of torch itself, where torch.func.jvp loads its rules
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")


def curve(schedule: Schedule) -> Any:
    """Our schedule as theirs: t -> (alpha, sigma)."""

    def at(t: Tensor) -> tuple[Tensor, Tensor]:
        level = schedule.at(t.item())
        return t.new_tensor(level.alpha), t.new_tensor(level.sigma)

    return at


def denoiser(prior: Prior) -> Any:
    """Our prior as theirs."""

    class Ours(denoise.Denoiser):  # type: ignore[misc]
        schedule = staticmethod(curve(prior.schedule))

        def forward(self, x: Tensor, t: Tensor) -> Any:
            return denoise.DiracPosterior(prior.denoise(x, prior.schedule.at(t.item())))

    return Ours()


def theirs(prior: Prior, measurement: Measurement[Dense], iterations: int) -> Any:
    """Their moment matching with our denoiser."""
    return guidance.MMPSDenoiser(
        denoiser(prior),
        measurement.y.flatten(1),
        lambda x: measurement.operator(prior.decode(x)).flatten(1),
        covariance.IsotropicCovariance(measurement.sigma**2),
        solver="cg",
        iterations=iterations,
    )


@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
@pytest.mark.parametrize("iterations", [1, 3, 5])
def test_a_step_of_moment_matching_is_theirs(
    kind: str, schedule: Schedule, iterations: int
) -> None:
    prior, measurement = problem(schedule, kind=kind)
    peer = theirs(prior, measurement, iterations)
    for u in (0.95, 0.5, 0.1, 0.01):
        level = schedule.at(u)
        x = level.sigma * OneStream(0, 4).normal_like(torch.empty(4, 6, dtype=torch.float64))
        ours = conditional_mean(measurement, prior, x, level, iterations)
        expected = peer(x, torch.tensor(u, dtype=torch.float64)).mean
        torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
def test_their_sampler_finds_what_ours_does(kind: str) -> None:
    prior, measurement = problem(SCHEDULES["vp"], kind=kind)
    options = {"steps": 100, "iterations": 5}
    ours = errors(prior, measurement, sample("mmps", prior, measurement, 2000, **options))
    peer = samplers.DDPMSampler(
        theirs(prior, measurement, 5), steps=100, silent=True, dtype=torch.float64
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = peer(torch.randn(2000, 6, dtype=torch.float64))
    found = errors(prior, measurement, drawn)
    # Two runs of 2000 draws each.
    assert found.bias == pytest.approx(ours.bias, abs=0.04)
    assert found.spread == pytest.approx(ours.spread, abs=0.03)
    assert found.fit == pytest.approx(ours.fit, abs=0.05)
    assert found.modes == pytest.approx(ours.modes, abs=0.03)


@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))
def test_pseudoinverse_guidance_is_theirs_without_noise(kind: str, schedule: Schedule) -> None:
    prior, _ = problem(schedule, decoded=False, kind=kind)
    rows = torch.linalg.qr(random(SIZE, SIZE, seed=7))[0][:5]
    operator = Dense(rows, (SIZE, 1, 1))
    truth = draw(prior, 3, seed=5).view(3, SIZE, 1, 1)
    measurement = Measurement(operator(truth), operator, Gaussian(0.0))
    options: dict[str, Any] = {"steps": 2, "zeta": 1.0, "eta": 0.0, "reach": 100.0}
    middle, end = solvers.pigdm(measurement, prior, OneStream(0, 3), **options)
    # Rows are orthonormal: the transpose is the pseudo-inverse.
    peer = pgdm.PGDMSampler(denoiser(prior), measurement.y, operator, operator.adjoint, eta=0.0)
    half, clean = torch.tensor([0.5, 0.0], dtype=torch.float64)
    # The noise of 8 bits, of which no measurement has less, is all that is between them.
    torch.testing.assert_close(end.x0, peer.step(middle.x, half, clean), rtol=0, atol=1e-4)
    assert (end.x0 - prior.denoise(middle.x, schedule.at(0.5))).abs().max() > 0.1
