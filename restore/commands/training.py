"""train: make a prior from a folder of photos; progress on standard error."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from priors.training.options import AutoencoderTraining, DiffusionTraining, Training
from restore.commands.failure import FAILED, OK, Refusal
from restore.commands.parameters import checked, declared

if TYPE_CHECKING:
    from priors.training.loop import Progress
    from priors.training.validation import Metric

SECONDS_BETWEEN_LINES = 30.0
STAGES: dict[str, type[Training]] = {
    "autoencoder": AutoencoderTraining,
    "diffusion": DiffusionTraining,
}


app = typer.Typer(
    no_args_is_help=True,
    help="Train a latent diffusion prior on a folder of photos: first an autoencoder, then a score "
    "network on its latents. Started again with the same output, a training goes on where it "
    "stopped; accelerate launch -m restore.cli train ... runs it on several devices.",
)


def _stage_command(stage: str) -> None:
    @app.command(stage, help=STAGES[stage].__doc__, no_args_is_help=True)
    @declared(STAGES[stage])
    def command(
        photos: Annotated[str, typer.Argument(help="Folder, searched with all its folders.")],
        given: dict[str, Any],
        output: Annotated[
            str, typer.Option("-o", "--output", help="Directory of the prior; resumed if begun.")
        ],
        lpips_weights: Annotated[
            str | None, typer.Option(help="File of LPIPS weights. Default: downloaded, or none.")
        ] = None,
    ) -> None:
        raise typer.Exit(run(stage, photos, output, given, lpips_weights))


for _stage in STAGES:
    _stage_command(_stage)


def run(
    stage: str, photos: str, output: str, given: dict[str, Any], lpips_weights: str | None
) -> int:
    """Train one stage; the exit code."""
    options = checked(STAGES[stage], given)
    from priors.training.photos import find
    from priors.training.stages import train_autoencoder, train_diffusion

    weights = None if lpips_weights is None else Path(lpips_weights)
    common: dict[str, Any] = {"report": _say, "watch": _Watch(sys.stderr.isatty())}
    folder, out = Path(photos), Path(output)
    if not folder.is_dir():
        raise Refusal(f"{photos}: no such folder; name a folder of photos", FAILED)
    find(folder, held_out=False)  # before anything is downloaded
    if isinstance(options, AutoencoderTraining):
        found = _metrics(weights, required=options.lpips > 0)
        distance = found.get("lpips")
        train_autoencoder(folder, out, options, metrics=found, distance=distance, **common)
    elif isinstance(options, DiffusionTraining):
        train_diffusion(folder, out, options, **common)
    sys.stdout.write(f"{out}\n")
    return OK


def _metrics(weights: Path | None, *, required: bool) -> "dict[str, Metric]":
    """SSIM, and LPIPS where its weights are to be had; MetricError where they are asked for."""
    from functools import partial

    import torch

    from restore.metrics import MetricError, lpips, ssim

    found: dict[str, Callable[..., Any]] = {"ssim": ssim}
    blank = torch.zeros(1, 3, 64, 64)
    try:
        lpips(blank, blank, weights)
        found["lpips"] = partial(lpips, weights=weights)
    except MetricError:
        if required or weights is not None:
            raise
    return found


class _Watch:
    """Progress of a training: one changing line for a person, now and then a line for a file."""

    def __init__(self, terminal: bool) -> None:
        self._terminal, self._spoke = terminal, -SECONDS_BETWEEN_LINES

    def __call__(self, progress: "Progress") -> None:
        """Show it, if it is time."""
        now = time.monotonic()
        if now - self._spoke < (0.5 if self._terminal else SECONDS_BETWEEN_LINES):
            return
        self._spoke = now
        line = (
            f"step {progress.step} ({100 * progress.share:.0f} %), loss {progress.loss:.4g}, "
            f"{progress.images_per_second:.0f} crops a second, {_left(progress.seconds_left)} left"
        )
        sys.stderr.write(f"\r\x1b[K{line}" if self._terminal else line + "\n")
        sys.stderr.flush()


def _left(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _say(line: str) -> None:
    lead = "\r\x1b[K" if sys.stderr.isatty() else ""
    sys.stderr.write(f"{lead}{line}\n")
    sys.stderr.flush()
