"""The table of posteriors: figures of draws whose errors are known, what solvers ask for, files."""

import inspect
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from operators.base import LinearOperator, Operator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.analytic import GaussianMixturePrior
from priors.base import Prior
from restore import solvers, spec_bench
from restore.bench import BenchError, posterior
from restore.bench.exact import DRAWS, LEVEL, coverage, errors, moments, odds
from restore.bench.exact import posterior as exact_posterior
from restore.bench.posterior import EXACT, FIGURES, needs
from restore.bench.toy import KINDS, SIZE, Dense, cosine, draw, measured, problem
from restore.cli import main
from restore.solvers import State

kinds = pytest.mark.parametrize("kind", KINDS)


def run(output: Path, **options: Any) -> dict[str, Any]:
    return posterior.main(output=output, report=lambda line: None, **options)


def blind(
    measurement: Measurement[LinearOperator], prior: Prior, seeds: Seeds, *, steps: int = 1
) -> Iterator[State]:
    """A solver that does not look at the data."""
    shape = prior.state_shape(measurement.image_shape)
    x = seeds.normal_like(measurement.y.new_empty(shape))
    yield State(1, 1, x, x)


@pytest.mark.parametrize("masked", [False, True])
def test_the_second_mode_is_off_along_the_null_space(masked: bool) -> None:
    prior, measurement = problem(cosine(), kind="mixture", masked=masked)
    modes = prior.means.view(prior.state_shape((3, *measurement.image_shape[1:])))
    seen = measurement.operator(prior.decode(modes)).flatten(1)
    torch.testing.assert_close(seen[0], seen[1])
    assert (seen[0] - seen[2]).abs().max() > 0.05
    truth = exact_posterior(prior, measurement)
    torch.testing.assert_close(truth.weights[1] / truth.weights[0], torch.tensor(0.6).double())
    assert truth.weights.min() > 0.1


@kinds
def test_draws_of_a_prior_have_its_moments(kind: str) -> None:
    prior, _ = problem(cosine(), kind=kind)
    x = draw(prior, 200_000, seed=1)
    mean, covariance = moments(prior)
    torch.testing.assert_close(x.mean(0), mean, atol=0.01, rtol=0)
    torch.testing.assert_close(x.T.cov(), covariance, atol=0.02, rtol=0)
    torch.testing.assert_close(odds(prior, x).mean(0), prior.weights, atol=0.005, rtol=0)


@kinds
def test_the_posterior_is_what_is_left_of_the_prior_by_importance(kind: str) -> None:
    prior, measurement = problem(cosine(), kind=kind, size=2)
    x = draw(prior, 500_000, seed=2)
    weights = measurement.log_likelihood(prior.decode(x)).softmax(0)
    mean, covariance = moments(exact_posterior(prior, measurement))
    torch.testing.assert_close(weights @ x, mean, atol=0.01, rtol=0)
    apart = x - mean
    found = torch.einsum("n,ni,nj->ij", weights, apart, apart)
    torch.testing.assert_close(found, covariance, atol=0.01, rtol=0)


@kinds
def test_errors_are_those_that_were_made(kind: str) -> None:
    prior, measurement = problem(cosine(), kind=kind)
    truth = exact_posterior(prior, measurement)
    mean, covariance = moments(truth)
    root = torch.linalg.cholesky(covariance)
    x = draw(truth, 50_000, seed=3)
    moved = errors(prior, measurement, x + 0.5 * root.sum(1))
    assert moved.bias == pytest.approx(0.5, abs=0.02)
    assert moved.spread == pytest.approx(1, abs=0.01)
    assert moved.worst > 50
    narrowed = errors(prior, measurement, mean + 0.7 * (x - mean))
    assert narrowed.spread == pytest.approx(0.7, abs=0.01)
    assert narrowed.shape == pytest.approx(0.51, abs=0.02)
    assert narrowed.bias < 0.02
    middle = measurement.misfit(prior.decode(mean[None])).square().item()
    whole = measurement.misfit(prior.decode(x)).square().mean().item()
    assert errors(prior, measurement, x).fit == pytest.approx(1, abs=0.02)
    assert narrowed.fit == pytest.approx(0.49 + 0.51 * middle / whole, rel=0.02)


def test_the_weight_of_a_mode_counts() -> None:
    prior, measurement = problem(cosine(), kind="mixture")
    truth = exact_posterior(prior, measurement)
    kept = torch.tensor([1.0, 0.0, 0.0]).double()
    alone = GaussianMixturePrior(kept, truth.means, truth.covariances, truth.schedule)
    found = errors(prior, measurement, draw(alone, 5000, seed=4))
    largest = max(1 - truth.weights[0].item(), truth.weights[1:].max().item())
    assert found.modes == pytest.approx(largest, abs=0.02)


@kinds
@pytest.mark.parametrize(("factor", "expected"), [(1.0, LEVEL), (0.5, None), (2.0, None)])
def test_coverage_of_draws_of_known_width(kind: str, factor: float, expected: float | None) -> None:
    prior, once = problem(cosine(), kind=kind)
    states, shape = draw(prior, 200, seed=5), once.image_shape[1:]
    measurement = measured(prior, states, once.operator, shape, seed=6)
    weights, means, covariances = prior.components(measurement)
    draws = torch.stack([
        draw(GaussianMixturePrior(w, m, factor**2 * covariances, prior.schedule), DRAWS, seed=k)
        for k, (w, m) in enumerate(zip(weights, means, strict=True))
    ])  # fmt: skip
    found = coverage(prior, measurement, draws)
    if expected is not None:
        assert found == pytest.approx(expected, abs=0.01)
    elif kind == "gaussian":
        # of 19 normal draws, against one `factor` times as wide
        wide = torch.randn(200_000, DRAWS, generator=torch.Generator().manual_seed(7)) * factor
        ends = torch.special.ndtr(wide.amax(1)) - torch.special.ndtr(wide.amin(1))
        assert found == pytest.approx(ends.mean().item(), abs=0.02)


@pytest.mark.parametrize(
    ("name", "evaluations", "operator", "through"),
    [
        ("blended", 142, "Mask", ""),
        ("daps", 30, "Operator", "D"),
        ("diffpir", 30, "LinearOperator", ""),
        ("dpir", 32, "LinearOperator", ""),
        ("mmps", 100, "Operator", "UD"),
    ],
)
def test_what_a_solver_needs_is_watched(
    name: str, evaluations: int, operator: str, through: str
) -> None:
    expected = {"evaluations": evaluations, "operator": operator, "through": through}
    assert needs(solvers.get(name)) == expected


def test_gradients_through_the_encoder_are_seen() -> None:
    found = needs(solvers.psld, steps=4)
    assert found == {"evaluations": 4, "operator": "LinearOperator", "through": "UDE"}


def test_every_particle_is_an_evaluation() -> None:
    def many(measurement: Measurement[Operator], prior: Any, seeds: Seeds) -> Iterator[State]:
        x = torch.zeros(7, SIZE, dtype=torch.float64)
        prior.denoise(x, prior.schedule.at(0.5))
        yield State(1, 1, x[:1], x[:1])

    assert needs(many)["evaluations"] == 7


def test_a_run_writes_its_table_and_is_the_same_again(tmp_path: Path) -> None:
    names = ["dpir", f"{__name__}:blind"]
    summary = run(tmp_path, solvers=names, draws=300)
    assert json.loads((tmp_path / "report.json").read_text()) == summary
    assert list(summary["solvers"]) == [EXACT, *names]
    assert run(tmp_path, solvers=names, draws=300) == summary
    other = run(tmp_path / "other", solvers=names, draws=300, seed=1)
    assert other["solvers"] != summary["solvers"]
    for name, row in summary["solvers"].items():
        figures = posterior.figures(row)
        assert tuple(figures) == FIGURES
        assert all(math.isfinite(value) for value in figures.values()), name
    exact, fast, heedless = (posterior.figures(row) for row in summary["solvers"].values())
    assert exact["bias"] < 0.15 and exact["coverage"] == LEVEL
    assert fast["spread"] < 0.7 and heedless["spread"] > 1.5 and heedless["residual"] > 3
    table = (tmp_path / "report.md").read_text()
    words = posterior.documented()["dpir"][1]
    assert f"| {fast['coverage']:.2f} | 32 | linear | none | {words} |" in table
    assert f"| {names[1]} | {heedless['bias']:.2f} | {heedless['spread']:.2f} |" in table


def test_the_documented_table_is_read_off_the_docstring(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "Words on dps 1.\n\n    dps  0.10  1.20  13.00  0.30  0.40    some words, 5\n    other  1\n"
    )
    monkeypatch.setattr(solvers, "__doc__", text)
    assert posterior.documented() == {"dps": ((0.1, 1.2, 13.0, 0.3, 0.4), "some words, 5")}


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"solvers": ["dip"]}, "no solver 'dip'"), ({"draws": 99}, "at least 100")],
)
def test_what_cannot_be_is_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        run(tmp_path, **changed)
    assert not (tmp_path / "report.md").exists()


def test_the_command_prints_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "posterior", "--solvers", "sdedit", "--draws", "100", "-o", str(tmp_path)]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert printed.out == (tmp_path / "report.md").read_text() + "\n"
    assert printed.err.startswith("1/1 sdedit, ")
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "report.json").read_text())
    assert main([*words[:-4], "--draws", "9"]) == 2
    assert main([*words[:2], "--solvers", "dip"]) == 2


def test_the_options_are_declared_as_they_are() -> None:
    python = inspect.signature(posterior.main).parameters
    fields = spec_bench.BenchPosterior.model_fields
    assert set(python) - set(fields) == {"output", "report"}
    assert {name: field.default for name, field in fields.items()} == {
        name: python[name].default for name in fields
    }


def test_a_product_and_its_transpose() -> None:
    operator = Dense(torch.arange(24.0).view(2, 12), (3, 2, 2))
    x, y = torch.randn(3, 3, 2, 2), torch.randn(3, 1, 1, 2)
    forward: Tensor = (operator(x) * y).sum()
    torch.testing.assert_close(forward, (x * operator.adjoint(y)).sum(), rtol=1e-4, atol=1e-3)
