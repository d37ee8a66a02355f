"""Solvers, a paper a file: generators (measurement, prior, seeds, *, options) -> States.

Which may be trusted for its uncertainty? On a Gaussian toy whose posterior is known
(tests/solvers/test_posterior.py; 200 steps where the default is more):

              bias  spread  residual
    mmps      0.02    0.97      0.95    exact, but for the number of steps
    latino    0.18    0.83      1.04    the residual, not the null space
    diffpir   0.13    1.01      1.37    the spread, but its residual is too large
    daps      0.04    0.70      0.57    too narrow, by its temperature
    resample  0.03    0.75      0.66    too narrow
    dps       0.09    0.90      0.70    too wide where A is weak, too narrow elsewhere
    psld      0.09    0.90      0.70    the same
    ddnm      0.31    0.81      0.64    too narrow, fits the noise
    sdedit    0.96    2.03      7.70    hears the data only at its start
    dpir      0.22    0.52      0.58    one picture near the mean, its spread too small

With temperature = 1 daps is nearly exact here (0.04, 1.04, 1.06); on photos it then leaves noise.

bias: error of the mean in posterior standard deviations; spread: standard deviation of the samples
over the posterior's (both root mean squares over whitened directions); residual: mean of
|y - A x|^2 over its expectation.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_type_hints

from operators.base import Operator
from restore.solvers.base import State
from restore.solvers.daps import daps
from restore.solvers.ddnm import ddnm
from restore.solvers.diffpir import diffpir
from restore.solvers.dpir import dpir
from restore.solvers.dps import dps
from restore.solvers.latino import latino
from restore.solvers.mmps import mmps
from restore.solvers.psld import psld
from restore.solvers.resample import resample
from restore.solvers.sdedit import sdedit

Solver = Callable[..., Iterator[State]]

__all__ = [
    "Solver",
    "State",
    "check",
    "daps",
    "ddnm",
    "diffpir",
    "dpir",
    "dps",
    "get",
    "latino",
    "mmps",
    "names",
    "options",
    "psld",
    "resample",
    "sdedit",
]

_SOLVERS = (daps, ddnm, diffpir, dpir, dps, latino, mmps, psld, resample, sdedit)


def names() -> list[str]:
    """The names of the solvers that come along, in alphabetical order."""
    return [solver.__name__ for solver in _SOLVERS]


def get(name: str) -> Solver:
    """The solver of that name, or the function that `module:function` names.

    ValueError where there is none.
    """
    if ":" in name:
        module, function = name.split(":", 1)
        try:
            solver: Solver = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise ValueError(f"solver {name!r} cannot be imported: {error}") from error
        return solver
    for known in _SOLVERS:
        if known.__name__ == name:
            return known
    raise ValueError(f"there is no solver {name!r}{_nearest(name, names())}")


def options(solver: Solver) -> dict[str, inspect.Parameter]:
    """The keyword options of a solver with their annotations and defaults."""
    parameters = inspect.signature(solver).parameters
    return {k: p for k, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def check(solver: Solver, operator: Operator, given: Mapping[str, Any]) -> None:
    """Refuse now what a generator would refuse at its first step.

    TypeError where the operator is not of the kind that the solver's annotation of `measurement`
    asks for, and where an option is unknown.
    """
    name = getattr(solver, "__name__", repr(solver))
    kinds = get_args(get_type_hints(solver).get("measurement"))
    if kinds and not isinstance(operator, kinds[0]):
        raise TypeError(f"{name} needs a {kinds[0].__name__}; {operator!r} is not one")
    known = list(options(solver))
    for option in given:
        if option not in known:
            raise TypeError(f"{name} has no option {option!r}{_nearest(option, known)}")


def _nearest(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=3) or known
    return f"; did you mean {', '.join(close)}?"
