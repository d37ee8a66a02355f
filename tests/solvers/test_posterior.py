"""Samples against exact posteriors: of a Gaussian prior and of a mixture, with a linear decoder.

The problems are those of `restore.bench.toy`. Exact solvers are held to what exact draws do; the
table of the others stands in `restore.solvers`, where users read it, and is checked here.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor
from torch.nn.functional import pad

from operators.base import Shape
from operators.mask import Mask
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from priors.analytic import GaussianMixturePrior, GaussianPrior
from priors.base import Prior
from priors.schedule import Level, Schedule
from restore import solvers
from restore.bench.exact import DRAWS, Errors, calibration, coverage, errors, posterior, ranks
from restore.bench.posterior import FIGURES, documented, operator_of
from restore.bench.toy import KINDS, SIZE, Dense, OneStream, draw, last, problem, random, sample
from restore.solvers import State
from restore.solvers.base import reverse, start
from tests.solvers.toys import SCHEDULES, Counting

DOUBLE = torch.float64
SIZES = (2, SIZE, 16)
VP = SCHEDULES["vp"]

slow = pytest.mark.slow
kinds = pytest.mark.parametrize("kind", KINDS)
schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=list(SCHEDULES))


def assert_exact(found: Errors, count: int = 4000) -> None:
    """Mean within 4.5 standard errors; covariance and residual within 10 %, of which the finite
    number of steps takes 3 to 6; the weights of modes within 0.03; or what few draws leave."""
    assert found.worst < 4.5
    assert found.shape < max(0.1, 5 / count**0.5)
    assert abs(found.fit - 1) < max(0.1, 2.5 / count**0.5)
    assert found.modes < max(0.03, 2 / count**0.5)


def assert_uniform(found: Tensor, alpha: float = 0.01) -> None:
    """Ranks (B, Q) of Q quantities, each by a chi-square test; alpha is shared among them."""
    for column in found.T:
        counts = torch.bincount(column, minlength=DRAWS + 1)
        assert chisquare(counts.numpy()).pvalue > alpha / found.shape[1]


def all_ranks(
    prior: GaussianMixturePrior, states: Tensor, measurement: Measurement[Dense], draws: Tensor
) -> Tensor:
    """Of all coordinates, and of the misfit: draws of the prior have uniform ranks but for that."""

    def misfit(x: Tensor) -> Tensor:
        shape = prior.state_shape(measurement.image_shape)
        return measurement.misfit(prior.decode(x.reshape(shape)))

    each = torch.stack([misfit(x) for x in draws.unbind(1)], dim=1)
    extra = ranks(misfit(states)[:, None], each[..., None])
    return torch.cat([ranks(states, draws), extra], dim=1)


@kinds
@pytest.mark.parametrize("size", SIZES)
def test_exact_draws_pass_the_statistics(kind: str, size: int) -> None:
    prior, measurement = problem(VP, kind=kind, size=size)
    truth = posterior(prior, measurement)
    assert_exact(errors(prior, measurement, draw(truth, 20_000, seed=1)))


@torch.no_grad()
def unconditional(
    measurement: Measurement[Dense], prior: Prior, seeds: Seeds, *, steps: int = 300
) -> Iterator[State]:
    """Ancestral sampling of the prior; exact for a posterior that is given as the prior."""
    levels = prior.schedule.levels(steps)
    x = start(measurement, prior, levels[0], seeds)
    for step, (t, s) in enumerate(pairwise(levels), start=1):
        x0 = prior.denoise(x, t)
        x = reverse(x, x0, t, s, 1.0, seeds)
        yield State(step, steps, x, x0)


@kinds
@schedules
@pytest.mark.parametrize(
    ("size", "count"), [(SIZE, 4000), *(pytest.param(n, 20_000, marks=slow) for n in SIZES)]
)
def test_the_exact_conditional_score_samples_the_posterior(
    kind: str, schedule: Schedule, size: int, count: int
) -> None:
    prior, measurement = problem(schedule, kind=kind, size=size)
    x = sample(unconditional, posterior(prior, measurement), measurement, count)
    assert_exact(errors(prior, measurement, x))


@dataclass(frozen=True)
class Control:
    """A solver that is exact: for which priors and dimensions, with which options.

    quick: draws in the default run; many: in the slow one, with `more` options. blind: the BUGS
    that leave it right.
    """

    kinds: tuple[str, ...]
    options: Callable[[int], dict[str, Any]]
    quick: int = 4000
    many: int = 20_000
    more: Mapping[str, int] = field(default_factory=dict)
    sizes: tuple[int, ...] = SIZES
    blind: tuple[str, ...] = ()


JACOBIANS = ("jacobian halved", "jacobian dropped", "transpose padded")
EXACT = {
    "mmps": Control(("gaussian",), lambda size: {"steps": 250, "iterations": size}),
    "pnpdm": Control(
        ("gaussian",),
        lambda size: {"steps": 200, "reach": 0.5, "end_sigma": 0.03},
        many=8000,
        more={"steps": 500},
        blind=JACOBIANS[:2],
    ),
    # their gradients propose, and what is proposed is weighed
    "tds": Control(
        tuple(KINDS),
        lambda size: {"particles": 64},
        quick=500,
        many=1000,
        more={"particles": 256, "steps": 200},
        sizes=(2, SIZE),
        blind=JACOBIANS,
    ),
    "mcgdiff": Control(
        tuple(KINDS),
        lambda size: {"particles": 32},
        quick=200,
        many=500,
        more={"particles": 256},
        sizes=(2, SIZE),
        blind=JACOBIANS,
    ),
}
CONTROLS = [(n, kind) for n in EXACT if n in solvers.names() for kind in EXACT[n].kinds]


def assert_control(
    name: str, kind: str, schedule: Schedule, *, count: int, decoded: bool, **options: Any
) -> None:
    """The statistics of an exact solver."""
    size = options.pop("size", SIZE)
    prior, measurement = problem(schedule, decoded, kind=kind, size=size)
    chosen = {**EXACT[name].options(size), **options}
    found = errors(prior, measurement, sample(name, prior, measurement, count, **chosen))
    assert_exact(found, count)


LONG = {"mcgdiff-gaussian", "mcgdiff-mixture"}
"""Checked fast by `tests/solvers/test_mcgdiff.py`."""
QUICKLY = [
    pytest.param(
        name,
        kind,
        SCHEDULES[curve],
        space == "latent",
        id=f"{name}-{kind}-{curve}-{space}",
        marks=slow
        if f"{name}-{kind}" in LONG
        or (curve, space) not in (("vp", "latent"), ("flow", "pixel"))
        or (curve == "flow" and EXACT[name].quick < 2000)
        else (),
    )
    for name, kind in CONTROLS
    for curve in SCHEDULES
    for space in ("latent", "pixel")
]


@pytest.mark.parametrize(("name", "kind", "schedule", "decoded"), QUICKLY)
def test_exact_solvers_sample_the_posterior(
    name: str, kind: str, schedule: Schedule, decoded: bool
) -> None:
    assert_control(name, kind, schedule, count=EXACT[name].quick, decoded=decoded)


@slow
@pytest.mark.parametrize(
    ("name", "kind", "size"), [(n, kind, size) for n, kind in CONTROLS for size in EXACT[n].sizes]
)
@schedules
def test_exact_solvers_sample_the_posterior_by_many_draws(
    name: str, kind: str, schedule: Schedule, size: int
) -> None:
    control = EXACT[name]
    options = {**control.more, "size": size}
    assert_control(name, kind, schedule, count=control.many, decoded=True, **options)


CALIBRATED = [pytest.param(n, k, 2000) for n, k in CONTROLS if EXACT[n].quick > 2000]
CALIBRATED += [pytest.param(n, k, max(EXACT[n].many, 4000), marks=slow) for n, k in CONTROLS]


@pytest.mark.parametrize(("name", "kind", "count"), CALIBRATED)
def test_exact_solvers_are_calibrated(name: str, kind: str, count: int) -> None:
    prior, once = problem(VP, kind=kind)
    options = EXACT[name].options(SIZE)
    states, measurement, draws = calibration(name, prior, once, count // DRAWS, **options)
    assert_uniform(all_ranks(prior, states, measurement, draws))
    assert coverage(prior, measurement, draws) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("name", ["daps", "dpir", "latino", "sdedit"])
def test_calibration_finds_what_is_wrong(name: str) -> None:
    prior, once = problem(VP)
    states, measurement, draws = calibration(name, prior, once, 100)
    with pytest.raises(AssertionError):
        assert_uniform(all_ranks(prior, states, measurement, draws))


def test_the_prior_for_the_posterior_is_found_by_the_misfit_alone() -> None:
    prior, once = problem(VP, kind="mixture")
    states, measurement, _ = calibration("sdedit", prior, once, 500)
    draws = draw(prior, 500 * DRAWS, seed=9).view(500, DRAWS, -1)
    found = all_ranks(prior, states, measurement, draws)
    assert_uniform(found[:, :-1])
    with pytest.raises(AssertionError):
        assert_uniform(found)


QUICK: dict[str, dict[str, Any]] = {
    "mcgdiff": {"count": 500},
    "psld": {"count": 1000},
}
"""Options with which the documented figures are checked faster, and numbers of draws."""


def posed(name: str, kind: str = "gaussian") -> tuple[GaussianMixturePrior, Measurement[Any]]:
    """A problem that the solver takes."""
    return problem(VP, kind=kind, masked=operator_of(solvers.get(name)) is Mask)


def measured(name: str, count: int, **options: Any) -> dict[str, float]:
    """The FIGURES of a solver."""
    prior, measurement = posed(name)
    found = errors(prior, measurement, sample(name, prior, measurement, count, **options))
    mixture, its = posed(name, "mixture")
    apart = errors(mixture, its, sample(name, mixture, its, count, **options))
    _, many, draws = calibration(name, prior, measurement, count // DRAWS, **options)
    covered = coverage(prior, many, draws)
    values = (found.bias, found.spread, found.fit, apart.modes, covered)
    return dict(zip(FIGURES, values, strict=True))


def assert_documented(name: str, found: dict[str, float], tolerance: dict[str, float]) -> None:
    """Figures as far as they are documented, within a tolerance that grows with the larger ones."""
    for figure, value in zip(FIGURES, documented()[name][0], strict=False):
        near = pytest.approx(value, rel=0.1, abs=tolerance[figure])
        assert found[figure] == near, figure


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=slow if n in ("mcgdiff", "tds") else ()) for n in solvers.names()],
)
def test_the_figures_are_the_documented_ones(name: str) -> None:
    # 2000 draws leave 0.02 of the mean and the spread, 0.01 of the modes; the table has two digits
    bands = {"bias": 0.05, "spread": 0.06, "residual": 0.05, "modes": 0.04, "coverage": 0.02}
    options = {"count": 2000, **QUICK.get(name, {})}
    assert_documented(name, measured(name, **options), bands)


@pytest.mark.parametrize(
    ("words", "name", "options"),
    [
        ("mmps is all but exact on Gaussians", "mmps", {"steps": 250, "iterations": SIZE}),
        ("daps is, too", "daps", {"temperature": 1.0, "lambda_": 1.0}),
    ],
)
def test_the_figures_with_options_are_the_documented_ones(
    words: str, name: str, options: dict[str, Any]
) -> None:
    prior, measurement = problem(VP)
    found = errors(prior, measurement, sample(name, prior, measurement, 4000, **options))
    text = " ".join((solvers.__doc__ or "").split())
    told = text.split(f"{words} (")[1].split(")")[0]
    expected = [float(number) for number in told.split(", ")]
    assert [found.bias, found.spread, found.fit] == pytest.approx(expected, abs=0.03)


@slow
@pytest.mark.parametrize("name", solvers.names())
def test_the_figures_are_the_documented_ones_at_the_defaults(name: str) -> None:
    assert_documented(name, measured(name, 10_000), dict.fromkeys(FIGURES, 0.02))


def test_the_table_is_of_all_solvers_and_tells_of_each() -> None:
    table = documented()
    assert sorted(table) == solvers.names()
    assert [name for name, (numbers, _) in table.items() if len(numbers) != len(FIGURES)] == []
    assert [name for name, (_, words) in table.items() if not words] == []


@schedules
def test_half_quadratic_splitting_converges_to_the_mode(schedule: Schedule) -> None:
    # slow annealing minimises |y - A x|^2 / (2 sigma^2) - log p(x), but for the gap between the two
    # halves, which goes with the square of the last level
    prior, _ = problem(schedule, decoded=False)
    rows = torch.linalg.qr(random(SIZE, SIZE, seed=7))[0][:5]  # of one norm: one speed
    truth = draw(prior, 1, seed=5).view(1, SIZE, 1, 1)
    measurement = simulate(Dense(rows, (SIZE, 1, 1)), Gaussian(0.1), truth, Seeds(3))
    options: dict[str, Any] = {
        "steps": 500,
        "lambda_": 1.0,
        "zeta": 0,
        "start_sigma": 0.5,
        "end_sigma": 0.02,
    }
    x = sample("dpir", prior, measurement, 1, **options)
    assert errors(prior, measurement, x).bias < 0.02


def test_decoupled_annealing_is_nearly_exact_where_its_gaussian_is() -> None:
    # an isotropic prior has covariance r^2 I given x_t, which is what the method assumes
    schedule = SCHEDULES["flow"]
    narrow, measurement = problem(schedule)
    identity = torch.eye(SIZE, dtype=DOUBLE)
    prior = GaussianPrior(narrow.means[0], 10 * identity, schedule, narrow.decoder)
    truth = prior.decode(draw(prior, 1, seed=5))
    measurement = simulate(measurement.operator, Gaussian(0.1), truth, Seeds(3))
    reach = 10**0.5 * prior.unit
    options: dict[str, Any] = {"steps": 40, "temperature": 1.0, "lambda_": 1.0, "reach": reach}
    options["start_sigma"] = 20 * reach  # so much noise that its mean does not matter
    assert_exact(errors(prior, measurement, sample("daps", prior, measurement, 4000, **options)))


PERTURBING = {"blended", "daps", "mcgdiff", "pnpdm", "tradeoff"}
"""These draw the measurement again because their method says so."""


@pytest.mark.parametrize("name", solvers.names())
def test_the_likelihood_is_deterministic(name: str) -> None:
    # the code of a paper re-noises the prediction A D(z0^), which no statistic sees
    prior, measurement = posed(name)
    shapes = set()

    class Watching(OneStream):
        def normal_like(self, x: Tensor) -> Tensor:
            shapes.add(tuple(x.shape[-3:]))
            return super().normal_like(x)

    untouched = torch.get_rng_state()
    options = {key: QUICK.get(name, {})[key] for key in QUICK.get(name, {}) if key != "count"}
    last(solvers.get(name), measurement, prior, Watching(0), **options)
    assert torch.equal(torch.get_rng_state(), untouched)
    assert (tuple(measurement.y.shape[1:]) in shapes) == (name in PERTURBING)


def test_the_steps_of_psld_draw_nothing_at_eta_0() -> None:
    prior, measurement = problem(VP)
    counted = 0

    class Counted(OneStream):
        def normal_like(self, x: Tensor) -> Tensor:
            nonlocal counted
            counted += 1
            return super().normal_like(x)

    last(solvers.psld, measurement, prior, Counted(0), steps=5, eta=0.0)
    assert counted == 1


@dataclass(frozen=True)
class Bug:
    """What is wrong: the prior, its estimate changed by (x, x0, level), the measurement, noise."""

    prior: Callable[[GaussianMixturePrior], GaussianMixturePrior] = lambda prior: prior
    estimate: Callable[[Tensor, Tensor, Level], Tensor] = lambda x, x0, level: x0
    measurement: Callable[[Measurement[Dense]], Measurement[Dense]] = lambda m: m
    stream: type[OneStream] = OneStream


class Planted(Counting):
    """A prior whose estimate has a bug."""

    def __init__(self, inner: Prior, bug: Bug) -> None:
        super().__init__(inner)
        self.bug = bug

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        return self.bug.estimate(x, super().denoise(x, level), level)


def tweedie_with_the_variance(x: Tensor, x0: Tensor, level: Level) -> Tensor:
    """x0 from (1 - alpha^2) eps in place of sqrt(1 - alpha^2) eps."""
    eps = (x - level.alpha * x0) / level.sigma
    return (x - level.sigma**2 * eps) / level.alpha


class Quiet(OneStream):
    """Noise divided by the square root of two."""

    def normal_like(self, x: Tensor) -> Tensor:
        return super().normal_like(x) / 2**0.5


class Silent(OneStream):
    """No noise at all."""

    def normal_like(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def shifted(prior: GaussianMixturePrior) -> GaussianMixturePrior:
    """The same prior, whose decoder lost its offset, as of an autoencoder's shift."""
    assert prior.decoder is not None
    decoder = replace(prior.decoder, offset=0 * prior.decoder.offset)
    parts = prior.weights, prior.means, prior.covariances
    return GaussianMixturePrior(*parts, prior.schedule, decoder)


def padded(y: Tensor, shape: Shape) -> Tensor:
    """Zeros behind the measurement (B, 1, 1, m), to pictures (B, *shape)."""
    flat = y.flatten(1)
    picture: Tensor = pad(flat, (0, math.prod(shape) - flat.shape[1])).view(-1, *shape)
    return picture


class PaddedBack(torch.autograd.Function):
    """A product whose derivative is taken for zero padding."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, operator: Dense) -> Tensor:
        ctx.shape = operator.shape
        return Dense.__call__(operator, x)

    @staticmethod
    def backward(ctx: Any, *pulled: Tensor) -> tuple[Tensor, None]:
        return padded(pulled[0], ctx.shape), None


class Padded(Dense):
    """An operator whose transpose is taken for zero padding, also by automatic differentiation."""

    def __call__(self, x: Tensor) -> Tensor:
        product: Tensor = PaddedBack.apply(x, self)
        return product

    def adjoint(self, y: Tensor) -> Tensor:
        return padded(y, self.shape)


BUGS = {
    "none": Bug(),
    "noise too small": Bug(stream=Quiet),
    "sigma halved": Bug(measurement=lambda m: replace(m, noise=Gaussian(m.sigma / 2))),
    "y ignored": Bug(measurement=lambda m: replace(m, noise=Gaussian(1e3))),
    "no noise": Bug(stream=Silent),
    "tweedie factor": Bug(estimate=tweedie_with_the_variance),
    "offset missing": Bug(prior=shifted),
    "jacobian halved": Bug(estimate=lambda x, x0, level: (x0 + x0.detach()) / 2),
    "jacobian dropped": Bug(estimate=lambda x, x0, level: x0.detach() + x - x.detach()),
    "transpose padded": Bug(
        measurement=lambda m: replace(m, operator=Padded(m.operator.matrix, m.operator.shape))
    ),
}
CONDITIONAL = Control(("gaussian", "mixture"), lambda size: {"steps": 200}, blind=JACOBIANS)
PLANTED = [
    pytest.param(bug, name, kind, marks=slow if control.quick < 2000 or name == "mmps" else ())
    for name, control in {"conditional": CONDITIONAL, **EXACT}.items()
    if name == "conditional" or name in solvers.names()
    for kind in control.kinds
    for bug in BUGS
    if bug not in control.blind
]


@pytest.mark.parametrize(("name", "solver", "kind"), PLANTED)
def test_planted_bugs_are_found(name: str, solver: str, kind: str) -> None:
    bug, control = BUGS[name], EXACT.get(solver, CONDITIONAL)
    count = min(2000, control.quick)
    prior, measurement = problem(VP, kind=kind)
    wrong, observed = bug.prior(prior), bug.measurement(measurement)
    chosen = solvers.get(solver) if solver in EXACT else unconditional
    asked = Planted(wrong if solver in EXACT else posterior(wrong, observed), bug)
    many = replace(observed, y=observed.y.expand(count, -1, -1, -1))
    found = errors(
        prior,
        measurement,
        last(chosen, many, asked, bug.stream(0, count), **control.options(SIZE)).x,
    )
    if name == "none":
        assert_exact(found, count)
    else:
        with pytest.raises(AssertionError):
            assert_exact(found, count)
