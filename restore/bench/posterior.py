"""`photomend bench posterior`: which solver may be trusted for its uncertainty, as a table.

Every solver, with its default options, draws from two posteriors that are known exactly: of a
Gaussian prior, and of a mixture of three modes of which one is off along the null space of the
operator (`restore.bench.toy`, `restore.bench.exact`).
"""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from operators.base import Operator
from operators.mask import Mask
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import Level
from restore import solvers as known
from restore.bench.exact import DRAWS, LEVEL, calibration, coverage, errors, posterior
from restore.bench.protocol import BenchError
from restore.bench.reports import Report, written
from restore.bench.toy import KINDS, SIGMA, cosine, draw, last, problem, sample
from restore.preparation import CountedPrior
from restore.solvers import Solver

EXACT = "exact draws"
"""The row of the posterior itself: what the figures are when nothing is wrong."""
OPERATORS = {"Operator": "any", "LinearOperator": "linear", "Mask": "mask"}
FIGURES = ("bias", "spread", "residual", "modes", "coverage")
"""The numbers of the table in `restore.solvers`, in this order."""


def main(
    *,
    solvers: Sequence[str] | None = None,
    draws: int = 4000,
    seed: int = 0,
    output: Path = Path("out/bench-posterior"),
    report: Report,
) -> dict[str, Any]:
    """Measure solvers against exact posteriors.

    solvers: by name or as module:function; by default all but those of masks alone. draws: of every
    posterior, at least 100; an error of the mean is known to 1 / sqrt(draws) standard deviations.
    seed: of the draws.

    Writes report.json and report.md into output, tells report a line a solver, and gives what
    report.json holds. BenchError for an unknown solver or too few draws.
    """
    if draws < 100:
        raise BenchError(f"draws: got {draws}; at least 100 are needed")
    chosen = {name: _solver(name) for name in (known.names() if solvers is None else solvers)}
    rows = {EXACT: _exact(draws, seed)}
    for count, (name, solver) in enumerate(chosen.items(), start=1):
        began = time.perf_counter()
        rows[name] = _row(name, solver, draws, seed)
        seconds = time.perf_counter() - began
        report(f"{count}/{len(chosen)} {name}, {seconds:.0f} s: {_line(rows[name])}")
    summary = {
        "settings": {"draws": draws, "seed": seed, "sigma": SIGMA, "level": LEVEL},
        "solvers": rows,
    }
    return written(summary, markdown(summary), output, report)


def operator_of(solver: Solver) -> type[Operator]:
    """The kind of operator that the annotation of a solver's measurement asks for."""
    return known.kinds(solver)[0]


def documented() -> dict[str, tuple[tuple[float, ...], str]]:
    """The table in the docstring of `restore.solvers`: the FIGURES of a solver, and its words."""
    table = {}
    for line in (known.__doc__ or "").splitlines():
        name, *rest = line.split() or [""]
        count = next((k for k, word in enumerate(rest) if not _is_number(word)), len(rest))
        if line.startswith("    ") and name in known.names() and count:
            table[name] = tuple(map(float, rest[:count])), " ".join(rest[count:])
    return table


def figures(row: dict[str, Any]) -> dict[str, float]:
    """The FIGURES of a row of the report."""
    gaussian, mixture = row["gaussian"], row["mixture"]
    return {
        "bias": gaussian["bias"],
        "spread": gaussian["spread"],
        "residual": gaussian["fit"],
        "modes": mixture["modes"],
        "coverage": gaussian["coverage"],
    }


class Watched(CountedPrior):
    """A prior that tells what a solver asks of it: pictures denoised, gradients through what."""

    def __init__(self, prior: Prior) -> None:
        super().__init__(prior)
        self.denoised, self.through = 0, set[str]()

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """As the prior."""
        self.denoised += len(x)
        return super().denoise(self._note("U", x), level)

    def encode(self, image: Tensor) -> Tensor:
        """As the prior."""
        return super().encode(self._note("E", image))

    def decode(self, x: Tensor) -> Tensor:
        """As the prior."""
        return super().decode(self._note("D", x))

    def _note(self, part: str, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and x.requires_grad:
            self.through.add(part)
        return x


def needs(solver: Solver, **options: Any) -> dict[str, Any]:
    """What one draw asks for: evaluations, operator, gradients.

    evaluations: of the network, every particle counted. operator: the kind that the solver's
    annotation names. through: gradients through U (network), D (decoder), E (encoder).
    """
    kind = operator_of(solver)
    prior, measurement = problem(cosine(), masked=kind is Mask)
    watched = Watched(prior)
    last(solver, measurement, watched, Seeds(0), **options)
    return {
        "evaluations": watched.denoised,
        "operator": kind.__name__,
        "through": "".join(part for part in "UDE" if part in watched.through),
    }


def _row(name: str, solver: Solver, draws: int, seed: int) -> dict[str, Any]:
    """All that is measured of a solver."""
    row: dict[str, Any] = {}
    for kind in KINDS:
        prior, measurement = problem(cosine(), kind=kind, masked=operator_of(solver) is Mask)
        found = errors(prior, measurement, sample(solver, prior, measurement, draws, seed))
        _, many, several = calibration(solver, prior, measurement, draws // DRAWS, seed)
        row[kind] = {**asdict(found), "coverage": coverage(prior, many, several)}
    _, words = documented().get(name, ((), ""))
    return {**row, **needs(solver), "words": words}


def _exact(draws: int, seed: int) -> dict[str, Any]:
    """The row of exact draws, whose coverage is known."""
    row = {}
    for kind in KINDS:
        prior, measurement = problem(cosine(), kind=kind)
        found = errors(prior, measurement, draw(posterior(prior, measurement), draws, seed))
        row[kind] = {**asdict(found), "coverage": LEVEL}
    return row


def _solver(name: str) -> Solver:
    try:
        return known.get(name)
    except ValueError as error:
        raise BenchError(f"solvers: {error}") from error


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).isdigit()


def _line(row: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in figures(row).items())


LEGEND = """\
Draws with default options against posteriors in closed form: states of 6 dimensions, pictures of
12 values, of which 5 mixtures are seen in noise of 0.1. An exact denoiser: what is wrong is the
solver's.

- bias: error of the posterior mean, in posterior standard deviations; spread: standard deviation
  of the draws over the posterior's; both the root mean square over whitened directions.
- covariance: its relative error. residual: mean of |y - A x|^2 over its expectation.
- modes: largest error of the weight of a mode, where the prior has three and one is off along the
  null space of A; the other figures are of a Gaussian prior.
- coverage: how often a value of the picture lies in a 90 % interval, between the least and the
  greatest of 19 draws, over pictures drawn from the prior.
- evaluations: of the network, a draw. operator: linear, or any that can be differentiated; where
  it must be a mask, pictures are the states, 2 x 3 pixels of which three are hidden.
  gradients: through U (network), D (decoder), E (encoder); none is the cheapest.
"""


def markdown(summary: dict[str, Any]) -> str:
    """The report as a table, a row a solver, and a legend."""
    heads = ["solver", "bias", "spread", "covariance", "residual", "modes", "coverage"]
    heads += ["evaluations", "operator", "gradients", "what may be trusted"]
    lines = [f"| {' | '.join(heads)} |", "|---" + "|---:" * 7 + "|---" * 3 + "|"]
    for name, row in summary["solvers"].items():
        shown = {name: f"{value:.2f}" for name, value in figures(row).items()}
        shape = f"{row['gaussian']['shape']:.2f}"
        cells = [name, shown["bias"], shown["spread"], shape]
        cells += [shown["residual"], shown["modes"], shown["coverage"]]
        if name == EXACT:
            cells += ["", "", "", "the floor of the figures"]
        else:
            cells += [str(row["evaluations"]), OPERATORS.get(row["operator"], row["operator"])]
            cells += [row["through"] or "none", row["words"]]
        lines.append(f"| {' | '.join(cells)} |")
    settings = f"{summary['settings']['draws']} draws, seed {summary['settings']['seed']}."
    return "\n".join(["# Posteriors", "", LEGEND, settings, "", *lines]) + "\n"
