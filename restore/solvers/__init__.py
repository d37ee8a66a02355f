"""Solvers, a paper a file: generators (measurement, prior, seeds, *, options) -> States.

Which may be trusted for its uncertainty? `photomend bench posterior` draws from small
posteriors that are known exactly, with default options, and prints:

              bias  spread  residual  modes  coverage
    mmps      0.02    0.94      0.88   0.09      0.89    the draws, the more so with more steps
    tds       0.04    0.99      1.04   0.11      0.90    the draws, with the modes' odds nearly
    mcgdiff   0.06    0.96      0.98   0.14      0.89    the draws, but for the odds of modes
    pnpdm     0.04    0.98      1.05   0.28      0.88    the draws, but for the odds of modes
    dps       0.15    0.97      0.99   0.11      0.87    the spread, and the modes' odds nearly
    psld      0.15    0.97      0.98   0.11      0.87    as dps
    stsl      0.16    0.97      0.99   0.13      0.87    as dps, which it is on Gaussians
    pigdm     0.08    0.75      0.41   0.24      0.84    the mean; too narrow, but not with zeta = 1
    blended   0.03    0.76      0.62   0.06      0.78    on masks: the odds of modes; too narrow
    latino    0.18    0.83      1.03   0.36      0.78    the residual, not the null space
    diffpir   0.12    0.91      1.09   0.34      0.83    nearly; a little too narrow
    treg      0.11    0.90      1.07   0.27      0.83    the residual; a little too narrow
    flair     0.11    0.96      1.18   0.34      0.83    the spread, a little; one mode
    daps      0.06    0.65      0.44   0.37      0.76    the mean; too narrow, by its temperature
    resample  0.05    0.73      0.56   0.37      0.78    the mean; too narrow
    flowdps   0.12    0.70      0.43   0.28      0.80    too narrow, fits the noise
    flowchef  0.24    0.66      0.15   0.25      0.82    too narrow, fits the noise
    ddnm      0.07    0.56      0.32   0.37      0.73    the mean; too narrow, fits the noise
    mpgd      0.11    0.79      0.49   0.23      0.84    too narrow, but not with zeta = 1
    sdedit    0.96    2.01      7.55   0.26      0.78    nothing: hears the data only at its start
    reddiff   0.34    0.28      0.08   0.65      0.38    one picture; no spread, fits the noise
    tradeoff  0.21    0.25      0.35   0.72      0.26    between dpir and a draw; no spread
    dpir      0.25    0.00      0.32   0.72      0.00    one picture near the mean; no spread

With steps = 250, iterations = 6 mmps is all but exact on Gaussians (0.01, 0.98, 0.95). With
temperature = lambda_ = 1 daps is, too (0.03, 1.01, 1.01); on photos it then leaves noise, as
does pnpdm with steps = 100 and reach = 0.25 (0.03, 0.99, 1.02). With zeta = 1 pigdm makes
0.13, 1.00, 1.16 and mpgd 0.17, 1.00, 1.13. blended takes masks alone, and is measured on one.
p2l needs a prior that reads text, and no exact posterior measures it.

bias: error of the mean in posterior standard deviations; spread: standard deviation of the draws
over the posterior's (both root mean squares over whitened directions); residual: mean of
|y - A x|^2 over its expectation; modes: largest error of the weight of a mode, where the prior has
three, one off along the null space of A; coverage: of 90 % intervals of the picture's values.
"""

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import get_args, get_type_hints

from operators.base import Operator
from restore.solvers.base import Divergence, State
from restore.solvers.blended import blended
from restore.solvers.daps import daps
from restore.solvers.ddnm import ddnm
from restore.solvers.diffpir import diffpir
from restore.solvers.dpir import dpir
from restore.solvers.dps import dps
from restore.solvers.flair import flair
from restore.solvers.flowchef import flowchef
from restore.solvers.flowdps import flowdps
from restore.solvers.latino import latino
from restore.solvers.mcgdiff import mcgdiff
from restore.solvers.mmps import mmps
from restore.solvers.mpgd import mpgd
from restore.solvers.p2l import p2l
from restore.solvers.pigdm import pigdm
from restore.solvers.pnpdm import pnpdm
from restore.solvers.psld import psld
from restore.solvers.reddiff import reddiff
from restore.solvers.resample import resample
from restore.solvers.sdedit import sdedit
from restore.solvers.stsl import stsl
from restore.solvers.tds import tds
from restore.solvers.tradeoff import tradeoff
from restore.solvers.treg import treg

Solver = Callable[..., Iterator[State]]

__all__ = [
    "Divergence",
    "Solver",
    "State",
    "blended",
    "check",
    "check_options",
    "daps",
    "ddnm",
    "default",
    "diffpir",
    "dpir",
    "dps",
    "flair",
    "flowchef",
    "flowdps",
    "get",
    "kinds",
    "latino",
    "mcgdiff",
    "mmps",
    "mpgd",
    "names",
    "options",
    "p2l",
    "pigdm",
    "pnpdm",
    "psld",
    "reddiff",
    "resample",
    "sdedit",
    "stsl",
    "tds",
    "title",
    "tradeoff",
    "treg",
]

_SOLVERS = (
    blended,
    daps,
    ddnm,
    diffpir,
    dpir,
    dps,
    flair,
    flowchef,
    flowdps,
    latino,
    mcgdiff,
    mmps,
    mpgd,
    pigdm,
    pnpdm,
    psld,
    reddiff,
    resample,
    sdedit,
    stsl,
    tds,
    tradeoff,
    treg,
)

_OF_TEXT = (p2l,)
"""Those that need a prior which reads text; no exact posterior measures them."""


def names(*, of_text: bool = False) -> list[str]:
    """The names of the solvers that come along, in alphabetical order.

    of_text: of those that tune the prior's text, instead of those that take any prior.
    """
    return [solver.__name__ for solver in (_OF_TEXT if of_text else _SOLVERS)]


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
    for known in (*_SOLVERS, *_OF_TEXT):
        if known.__name__ == name:
            return known
    near = _nearest(name, [*names(), *names(of_text=True)])
    raise ValueError(f"there is no solver {name!r}{near}")


def default(samples: int = 1, fidelity: float | None = None) -> str:
    """The solver for one picture, or for several samples that are to differ as the truth does."""
    return "tradeoff" if samples == 1 or fidelity is not None else "pnpdm"


def options(solver: Solver) -> dict[str, inspect.Parameter]:
    """The keyword options of a solver with their annotations and defaults."""
    parameters = inspect.signature(solver).parameters
    return {k: p for k, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def check(solver: Solver, operator: Operator, given: Iterable[str]) -> None:
    """Refuse now what a generator would refuse at its first step.

    TypeError where the operator is not of the kind that the solver's annotation of `measurement`
    asks for, and where an option is unknown.
    """
    if not isinstance(operator, kinds(solver)):
        wanted = " or ".join(kind.__name__ for kind in kinds(solver))
        able = [each.__name__ for each in _SOLVERS if isinstance(operator, kinds(each))]
        told = f"; {', '.join(able)} take it" if able else ""
        told = f"solver: {title(solver)} needs a {wanted}; {operator!r} is not one{told}"
        raise TypeError(told)
    check_options(solver, given)


def kinds(solver: Solver) -> tuple[type[Operator], ...]:
    """The kinds of operators that a solver's annotation of `measurement` asks for."""
    asked = get_args(get_type_hints(solver).get("measurement")) or (Operator,)
    return get_args(asked[0]) or asked


def check_options(solver: Solver, given: Iterable[str], also: Iterable[str] = ()) -> None:
    """TypeError where one of the given names is no option of the solver.

    also: what the caller takes besides, to be named where it is nearest.
    """
    known = options(solver)
    for option in given:
        if option not in known:
            near = _nearest(option, [*known, *also])
            raise TypeError(f"{title(solver)} has no option {option!r}{near}")


def title(solver: Solver) -> str:
    """What messages and reports call a solver."""
    name: str = getattr(solver, "__name__", repr(solver))
    return name


def _nearest(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=3) or known
    return f"; did you mean {', '.join(close)}?"
