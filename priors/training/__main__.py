"""`python -m priors.training autoencoder|diffusion|evaluate`: train a latent prior, measure it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from priors.hub import PriorError
from priors.training.loop import Budget, TrainingError
from priors.training.photos import TrainingDataError

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

Folder = Annotated[Path, typer.Argument(help="Folder of photos, searched recursively.")]
Out = Annotated[
    Path, typer.Option("-o", "--output", help="Directory of the prior; resumed if begun.")
]
Minutes = Annotated[float, typer.Option(help="Wall-clock budget, all runs together.", min=0)]
Steps = Annotated[int, typer.Option(help="Stop after so many steps.", min=0)]
Crop = Annotated[int, typer.Option(help="Side of the training crops in pixels.", min=16)]
Batch = Annotated[int, typer.Option(help="Crops a step.", min=1)]
Rate = Annotated[float, typer.Option(help="Peak learning rate.", min=0)]
Weights = Annotated[str, typer.Option(help="Sampling weight of sub-folders: name=2,other=0.5.")]
Threads = Annotated[int, typer.Option(help="CPU threads.", min=1)]


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _weights(text: str) -> dict[str, float] | None:
    pairs = [item.split("=") for item in text.split(",") if item]
    return {name: float(weight) for name, weight in pairs} or None


@app.command()
def autoencoder(
    photos: Folder,
    out: Out,
    minutes: Minutes = 10,
    steps: Steps = 10**9,
    channels: Annotated[int, typer.Option(help="Latent channels, 1 to 48.", min=1, max=48)] = 16,
    crop: Crop = 64,
    batch: Batch = 16,
    rate: Rate = 5e-4,
    weights: Weights = "",
    threads: Threads = 1,
) -> None:
    """Stage 1: the autoencoder (PCA encoder, learned decoder)."""
    import torch

    from priors.training.stages import Data, train_autoencoder

    torch.set_num_threads(threads)
    data = Data(photos, crop, batch, _weights(weights))
    budget = Budget(minutes, steps)
    train_autoencoder(data, out, budget, channels=channels, rate=rate, report=_say)


@app.command()
def diffusion(
    photos: Folder,
    out: Out,
    minutes: Minutes = 60,
    steps: Steps = 10**9,
    width: Annotated[str, typer.Option(help="Channels of each level of the UNet.")] = "64,96,128",
    crop: Crop = 64,
    batch: Batch = 64,
    rate: Rate = 3e-3,
    weights: Weights = "",
    threads: Threads = 1,
    compiled: Annotated[bool, typer.Option("--compile", help="Use torch.compile.")] = False,
) -> None:
    """Stage 2: the score network on the latents of the autoencoder in the output directory."""
    import torch

    from priors.training.stages import Data, train_diffusion

    torch.set_num_threads(threads)
    data = Data(photos, crop, batch, _weights(weights))
    widths = tuple(int(w) for w in width.split(","))
    train_diffusion(
        data, out, Budget(minutes, steps), width=widths, rate=rate, compiled=compiled, report=_say
    )


@app.command()
def evaluate(
    prior: Annotated[str, typer.Argument(help='"embedded", a directory or a hub id.')],
    photos: Folder,
    limit: Annotated[int, typer.Option(help="At most so many photos.", min=1)] = 1000,
    threads: Threads = 1,
) -> None:
    """Print the autoencoder's ceiling, its isometry error and the denoising PSNR on photos."""
    import torch

    from priors.hub import load
    from priors.training.evaluate import evaluate as measured

    torch.set_num_threads(threads)
    for name, value in measured(load(prior), photos, limit=limit).items():
        sys.stdout.write(f"{name} {value:.4g}\n")


def main() -> None:
    """Run; an expected failure is one line and exit code 1."""
    try:
        app()
    except (PriorError, TrainingDataError, TrainingError) as error:
        _say(str(error))
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
