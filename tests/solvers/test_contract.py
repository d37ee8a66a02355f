"""The contract of every solver, over operators, pixels and latents, and schedules."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from operators.base import Operator
from operators.blur import Blur
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian, Noise, PoissonGaussian
from operators.seeds import Seeds
from priors.base import Prior
from restore import solvers
from tests.solvers.toys import (
    KERNEL,
    OPERATORS,
    PRIORS,
    SCHEDULES,
    Counting,
    Curve,
    last,
    picture,
)

Options = dict[str, Any]

OPTIONS: dict[str, Options] = {
    "blended": {"steps": 4, "repeats": 2},
    "daps": {"steps": 8, "ode_steps": 2},
    "ddnm": {"steps": 4},
    "diffpir": {"steps": 4},
    "dpir": {"steps": 4},
    "dps": {"steps": 4},
    "flair": {"steps": 4},
    "flowchef": {"steps": 4},
    "flowdps": {"steps": 4},
    "latino": {"steps": 3, "inner": 2},
    "mcgdiff": {"steps": 4, "particles": 3},
    "mmps": {"steps": 4},
    "mpgd": {"steps": 4},
    "pigdm": {"steps": 4},
    "pnpdm": {"steps": 4, "inner": 2},
    "psld": {"steps": 4},
    "reddiff": {"steps": 20},
    "resample": {"steps": 12, "every": 2},
    "sdedit": {"steps": 4, "start_sigma": 0.1},
    "stsl": {"steps": 4},
    "tds": {"steps": 20, "particles": 6},
    "tradeoff": {"steps": 5, "inner": 2},
    "treg": {"steps": 4},
}
EVALUATIONS: dict[str, Callable[[Options], int]] = {
    **{name: lambda options: options["steps"] for name in OPTIONS},
    # the last level lies below the noise of the measurement and is not repeated
    "blended": lambda options: options["repeats"] * (options["steps"] - 1) + 1,
    "daps": lambda options: options["steps"] * options["ode_steps"],
    "dpir": lambda options: 2 * options["steps"],
    "latino": lambda options: options["steps"] * options["inner"],
    "pnpdm": lambda options: options["steps"] * options["inner"],
    "stsl": lambda options: 2 * options["steps"],
    "tradeoff": lambda options: options["steps"] // 5 * (8 + options["inner"]),
}
BY_GRADIENT = {"daps", "dps", "flowchef", "flowdps", "mmps", "mpgd", "pigdm", "pnpdm"}
BY_GRADIENT |= {"reddiff", "resample", "stsl", "tds"}
"""These take any differentiable operator and any noise with a likelihood."""
NOISELESS = {"daps", "flowchef", "mmps", "mpgd", "pigdm", "pnpdm", "resample"}
"""Of them, those that take no measurement for more exact than one in 8 bits."""
MASKS = {"blended"}
"""These take masks alone, and states on a grid."""

CASES = [
    pytest.param(name, kind, space, curve, id=f"{name}-{kind}-{space}-{curve}")
    for name in solvers.names()
    for kind in OPERATORS
    for space in PRIORS
    for curve in SCHEDULES
    if kind != "curve" or name in BY_GRADIENT
    if (kind == "mask" and space != "latent") or name not in MASKS
]
EACH = pytest.mark.parametrize("name", solvers.names())


def latent_of(name: str) -> Prior:
    """The latent prior of pictures (3, 5, 7), or the one on a grid where a solver needs that."""
    return PRIORS["linear" if name in MASKS else "latent"]((3, 5, 7), SCHEDULES["vp"])


def observe(kind: str, count: int = 2, noise: Noise | None = None) -> Measurement[Operator]:
    operator, shape = OPERATORS[kind]
    return simulate(operator, noise or Gaussian(0.05), picture(shape, count), Seeds(*range(count)))


def one_of(measurement: Measurement[Operator], index: int) -> Measurement[Operator]:
    y = measurement.y[index : index + 1]
    return Measurement(y, measurement.operator, measurement.noise)


def run(name: str, measurement: Measurement[Any], prior: Any, *seeds: int) -> Tensor:
    return last(solvers.get(name), measurement, prior, Seeds(*seeds), **OPTIONS[name]).x


def test_every_solver_is_in_the_suite() -> None:
    assert sorted(OPTIONS) == solvers.names()


@pytest.mark.parametrize(("name", "kind", "space", "curve"), CASES)
def test_seeds_decide_everything_and_the_data_are_heard(
    name: str, kind: str, space: str, curve: str
) -> None:
    measurement = observe(kind)
    prior = PRIORS[space](OPERATORS[kind][1], SCHEDULES[curve])
    states = list(solvers.get(name)(measurement, prior, Seeds(7, 8), **OPTIONS[name]))
    end = states[-1]
    assert [state.step for state in states] == list(range(1, end.steps + 1))
    assert end.steps == OPTIONS[name]["steps"]
    assert torch.equal(end.x, end.x0)
    assert end.x.shape == prior.state_shape(measurement.image_shape)
    assert end.x.dtype == torch.float32
    assert bool(end.x.isfinite().all())
    assert not any(state.x.requires_grad or state.x0.requires_grad for state in states)
    # same seeds, same bytes
    assert torch.equal(run(name, measurement, prior, 7, 8), end.x)
    # an image alone is that image in the batch: matrix products of one row and of two round
    # differently, and the square root of a residual magnifies that
    alone = run(name, one_of(measurement, 1), prior, 8)
    torch.testing.assert_close(alone, end.x[1:], rtol=1e-3, atol=2e-4)
    # the picture explains the measurement better than the prior's mean does
    flat = torch.full(measurement.image_shape, 0.5)
    assert bool((measurement.misfit(prior.decode(end.x)) < measurement.misfit(flat)).all())


@EACH
def test_float32_is_close_to_float64(name: str) -> None:
    # a circular blur is inverted in closed form: no stopping rule that depends on the dtype
    operator = OPERATORS["mask"][0] if name in MASKS else Blur(KERNEL, "circular")
    measurement = simulate(operator, Gaussian(0.05), picture((3, 5, 7), 2), Seeds(0, 1))
    prior = latent_of(name)
    single = run(name, measurement, prior, 3, 4)
    double = run(name, Measurement(measurement.y.double(), operator, Gaussian(0.05)), prior, 3, 4)
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-3)


@EACH
def test_the_network_is_evaluated_as_often_as_declared(name: str) -> None:
    prior = Counting(latent_of(name))
    run(name, observe("mask"), prior, 0, 1)
    assert prior.evaluations == EVALUATIONS[name](OPTIONS[name])


@EACH
@pytest.mark.parametrize("enabled", [True, False])
def test_leaving_the_loop_stops_the_work_and_leaves_the_gradient_mode(
    name: str, enabled: bool
) -> None:
    prior = Counting(latent_of(name))
    with torch.set_grad_enabled(enabled):
        job: Any = solvers.get(name)(observe("mask"), prior, Seeds(0, 1), **OPTIONS[name])
        assert prior.evaluations == 0
        next(job)
        assert torch.is_grad_enabled() == enabled
        done = prior.evaluations
        assert done <= EVALUATIONS[name](OPTIONS[name]) / 2
        job.close()
        assert torch.is_grad_enabled() == enabled
        assert list(job) == []
        assert prior.evaluations == done


@EACH
def test_the_measurement_is_not_touched(name: str) -> None:
    measurement = observe("mask")
    before = measurement.y.clone()
    run(name, measurement, PRIORS["pixel"]((3, 5, 7), SCHEDULES["flow"]), 0, 1)
    assert torch.equal(measurement.y, before)


@pytest.mark.parametrize("name", sorted(BY_GRADIENT | {"psld"}))
def test_shot_noise_enters_by_its_likelihood(name: str) -> None:
    measurement = observe("mask", noise=PoissonGaussian(0.01, 0.02))
    prior = PRIORS["latent"]((3, 5, 7), SCHEDULES["vp"])
    found = prior.decode(run(name, measurement, prior, 0, 1))
    flat = torch.full(measurement.image_shape, 0.5)
    assert bool((measurement.log_likelihood(found) > measurement.log_likelihood(flat)).all())


@pytest.mark.parametrize("name", sorted(set(solvers.names()) - BY_GRADIENT - {"psld"} | NOISELESS))
def test_measurements_without_noise_are_taken(name: str) -> None:
    measurement = observe("mask", noise=Gaussian(0.0))
    prior = PRIORS["pixel"]((3, 5, 7), SCHEDULES["vp"])
    assert bool(run(name, measurement, prior, 0, 1).isfinite().all())


@pytest.mark.parametrize("name", sorted(BY_GRADIENT - NOISELESS | {"psld"}))
def test_a_likelihood_without_noise_is_refused(name: str) -> None:
    measurement = observe("mask", noise=Gaussian(0.0))
    with pytest.raises(ValueError, match="sigma"):
        run(name, measurement, PRIORS["pixel"]((3, 5, 7), SCHEDULES["vp"]), 0, 1)


@EACH
def test_zero_steps_are_refused(name: str) -> None:
    prior = PRIORS["pixel"]((3, 5, 7), SCHEDULES["vp"])
    with pytest.raises(ValueError, match="steps"):
        next(solvers.get(name)(observe("mask"), prior, Seeds(0, 1), steps=0))


@EACH
def test_check_reads_the_annotation_of_the_solver(name: str) -> None:
    solver = solvers.get(name)
    solvers.check(solver, OPERATORS["mask" if name in MASKS else "blur"][0], OPTIONS[name])
    if name in BY_GRADIENT:
        solvers.check(solver, Curve(), {})
    else:
        kind = "Mask" if name in MASKS else "LinearOperator( or Bent)?"
        with pytest.raises(TypeError, match=rf"{name} needs a {kind}; Curve\(\) is not"):
            solvers.check(solver, Curve(), {})


@EACH
def test_a_misspelt_option_is_refused_at_once(name: str) -> None:
    with pytest.raises(TypeError, match=r"'stepz'; did you mean .*steps"):
        solvers.check(solvers.get(name), OPERATORS["mask"][0], {"stepz": 3})


@EACH
def test_every_option_is_annotated_and_has_a_default(name: str) -> None:
    options = solvers.options(solvers.get(name))
    assert "steps" in options
    for option in options.values():
        assert option.annotation is not option.empty
        assert option.default is not option.empty


def test_solvers_by_name_and_by_module() -> None:
    assert solvers.get("dps") is solvers.dps
    assert solvers.get("restore.solvers:dps") is solvers.dps
    with pytest.raises(ValueError, match="no solver 'dip'; did you mean d"):
        solvers.get("dip")
    with pytest.raises(ValueError, match="cannot be imported"):
        solvers.get("restore.nowhere:dps")
