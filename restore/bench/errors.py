"""`python -m restore.bench.errors PHOTOS PRIOR...`: what networks do with held-out photos.

Mean squared errors of x_0, on states, by noise level. What the benchmark's own photos say decides
nothing about a prior.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import torch

from priors import LatentPrior
from priors.hub import load
from priors.training import diffusion, photos
from priors.training.loop import generator

RATIOS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
COUNT, SIDE = 24, 256


@torch.no_grad()
def errors(folder: Path, prior: LatentPrior) -> list[float]:
    """Mean squared errors of x_0 by `RATIOS`, on crops of the held-out photos of a folder."""
    held_out = photos.load(folder, held_out=True, minimum=SIDE)
    pictures = (held_out.crops(COUNT, SIDE, generator(0, 2)) + 1) / 2
    z = torch.cat([prior.encode(some) for some in pictures.split(8)])
    found = diffusion.denoising_error(prior.network.float(), z, prior.prediction, RATIOS)
    return [*found.values()]


def main(folder: str, *names: str, report: Callable[[str], None] = print) -> None:
    """Report a table with a row for every name of a prior."""
    report(f"| prior | {' | '.join(map(str, RATIOS))} |\n|---|{'---|' * len(RATIOS)}")
    for name in names:
        prior = load(name)
        if not isinstance(prior, LatentPrior):
            raise SystemExit(f"{name}: an autoencoder and a UNet are needed")
        row = " | ".join(f"{error:.6f}" for error in errors(Path(folder), prior))
        report(f"| {name} | {row} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
