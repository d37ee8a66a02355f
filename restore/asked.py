"""What a caller asks for: the solver and the restorer that options name, and the restoration."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from operators.base import Operator
from operators.noise import Noise
from restore import solvers
from restore.images import Photo
from restore.lacking import with_noise
from restore.preparation import CALL, OWN
from restore.restorer import Restorer
from restore.result import Result
from restore.solvers import Solver


@dataclass(frozen=True, eq=False)
class Asked:
    """What every call takes: noise, seed, samples, polish, and options of restorer and solver."""

    noise: float | Noise | None
    seed: int | Sequence[int]
    samples: int
    polish: bool
    options: dict[str, Any]

    @property
    def solver(self) -> Solver:
        """The one that is named, or the one for what is asked."""
        return chosen_solver(self.options, self.samples)

    def run(
        self, photo: Photo | None, operator: Operator, y: Tensor, hidden: float | None
    ) -> Result:
        """The result with the noise, or with what there has to be; hidden: what the file hides."""
        restorer, rest = made(self.options, self.samples)
        others = {"seed": self.seed, "samples": self.samples, "polish": self.polish, **rest}
        result = with_noise(restorer, y, operator, self.noise, hidden, others)
        return result if photo is None else result.of(photo)

    def told(self, result: Result) -> Result:
        """The result with whether there was a camera, and whether its noise was estimated."""
        used = {**result.report["noise"], "estimated": self.noise is None}
        return replace(result, report={"camera": None, **result.report, "noise": used})


def check_names(options: dict[str, Any], samples: int, *others: str) -> None:
    """Refuse an unknown solver (ValueError) or option (TypeError) before anything is read.

    others: what the task takes besides, to be named where it is nearest.
    """
    given = [name for name, value in options.items() if name not in OWN and value is not None]
    solvers.check_options(chosen_solver(options, samples), given, also=(*OWN, *CALL, *others))


def made(options: dict[str, Any], samples: int = 1) -> tuple[Restorer, dict[str, Any]]:
    """A restorer from the options that are its own, and those that are left for the solver."""
    taken = {name: options[name] for name in OWN if name in options}
    taken["solver"] = chosen_solver(options, samples)
    rest = {name: value for name, value in options.items() if name not in OWN and value is not None}
    return Restorer(**taken), rest


def chosen_solver(options: dict[str, Any], samples: int) -> Solver:
    """The solver that the options name; of none named the one for what is asked."""
    solver = options.get("solver")
    if solver is None:
        solver = solvers.default(samples, options.get("fidelity"))
    return solvers.get(solver) if isinstance(solver, str) else solver
