"""`photomend bench strengths`: what one default for all tasks costs against tuning each by hand.

The strength of a solver is the option by which its paper's authors tune it from task to task: a
step size, or the weight of the prior. It is multiplied by every factor, in every task; the loss is
how far the default stays below the best of them, in dB of the mean PSNR.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from restore import solvers
from restore.bench import protocol
from restore.bench.protocol import BenchError, Picture, Task
from restore.bench.reports import Report, written
from restore.metrics import psnr
from restore.restorer import Restorer
from restore.solvers import Divergence

STRENGTHS = {
    **dict.fromkeys(("dpir", "diffpir", "daps", "resample", "reddiff", "latino"), "lambda_"),
    **dict.fromkeys(("dps", "psld", "stsl", "pigdm", "mpgd", "flowchef"), "zeta"),
    "flair": "weight",
}
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
USUAL = ("dpir", "diffpir", "daps", "resample", "dps", "pigdm")


def main(
    folder: Path | None,
    *,
    chosen: Sequence[str] = USUAL,
    tasks: Sequence[str] | None = None,
    sigma: float = 0.025,
    limit: int | None = 1,
    size: int = 128,
    prior: str = "embedded",
    output: Path = Path("out/bench-strengths"),
    report: Report,
) -> dict[str, Any]:
    """Restore with the strengths of the solvers at every factor.

    folder, tasks, sigma, limit, size: as of `restore.bench.main`. chosen: of `STRENGTHS`.

    Writes report.json and report.md into output, tells report a line a solver and task, and gives
    what report.json holds. BenchError for a solver without a strength, and without photographs.
    """
    if not set(chosen) <= set(STRENGTHS):
        raise BenchError(f"solvers: {', '.join(chosen)}; strengths have {', '.join(STRENGTHS)}")
    place = protocol.default_folder() if folder is None else folder
    found = protocol.find_pictures(place, limit)
    pictures = [protocol.load_picture(*each, size) for each in found]
    rows = []
    for name in chosen:
        restorer = Restorer(prior, name)
        for task in protocol.tasks(tasks, place):
            scores = {f: _score(restorer, f, task, pictures, sigma) for f in FACTORS}
            rows.append({"solver": name, "task": task.name, **compared(scores)})
            report(", ".join(f"{key} {_shown(value)}" for key, value in rows[-1].items()))
    settings = {"sigma": sigma, "size": size, "photographs": len(pictures), "factors": FACTORS}
    summary = {"settings": settings, "rows": rows}
    return written(summary, markdown(summary), output, report)


def compared(scores: Mapping[float, float | None]) -> dict[str, Any]:
    """The default's PSNR, the best, its factor and the loss; scores: by factor, None: diverged."""
    known = {factor: score for factor, score in scores.items() if score is not None}
    usual, best = scores[1.0], max(known, key=lambda f: known[f], default=None)
    loss = None if usual is None or best is None else known[best] - usual
    return {"default": usual, "best": None if best is None else known[best], "factor": best} | {
        "loss": loss,
        "psnr": {str(factor): score for factor, score in scores.items()},
    }


def _score(
    restorer: Restorer, factor: float, task: Task, pictures: Sequence[Picture], sigma: float
) -> float | None:
    """Mean PSNR in dB; None where a picture diverges."""
    name = STRENGTHS[solvers.title(restorer.solver)]
    strength = factor * solvers.options(restorer.solver)[name].default
    total = 0.0
    for picture in pictures:
        seen = protocol.measure(task, picture, sigma)
        options = {name: strength}
        try:
            result = restorer(seen.y, seen.operator, noise=sigma, seed=picture.index, **options)
        except Divergence:
            return None
        total += float(psnr(result.pixels, picture.pixels))
    return total / len(pictures)


LEGEND = """\
Loss in dB of the solver's default against the best of the factors of its strength, tuned for that
task alone; in brackets the factor, where it is not 1.
"""


def markdown(summary: Mapping[str, Any]) -> str:
    """The report: a row a solver, a column a task."""
    settings, rows = summary["settings"], summary["rows"]
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    lines = [
        "# Strengths",
        "",
        f"{settings['photographs']} photographs of {settings['size']} pixels, noise "
        f"{settings['sigma']}; factors {', '.join(f'{f:g}' for f in settings['factors'])}.",
        "",
        LEGEND,
        f"| solver | strength | {' | '.join(tasks)} | most |",
        f"|---|---|{'---:|' * (len(tasks) + 1)}",
    ]
    for solver in dict.fromkeys(row["solver"] for row in rows):
        own = {row["task"]: row for row in rows if row["solver"] == solver}
        losses = [math.inf if row["loss"] is None else row["loss"] for row in own.values()]
        cells = " | ".join(_cell(own[task]) for task in tasks)
        lines.append(f"| {solver} | {STRENGTHS[solver]} | {cells} | {max(losses):.2f} |")
    return "\n".join(lines) + "\n"


def _cell(row: Mapping[str, Any]) -> str:
    if row["loss"] is None:
        return "diverges"
    return f"{row['loss']:.2f}" + ("" if row["factor"] == 1 else f" ({row['factor']:g})")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{factor}: {_shown(score)}" for factor, score in value.items())
    return f"{value:.2f}" if isinstance(value, float) else str(value)
