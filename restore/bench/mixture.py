"""`python -m restore.bench.mixture`: are two networks of one descent better than either?

    w B + (1 - w) A        Wortsman et al. 2022, arXiv:2203.05482

Of networks that were trained on from the same weights the mean often keeps the best of both. The
errors are of held-out photos, by noise level: what the benchmark's own photos say decides nothing.
"""

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from priors import LatentPrior
from priors.hub import load
from priors.training import diffusion, photos
from priors.training.loop import generator

SHARES = (0.0, 1.0, 0.5, 0.75)
"""Of the second network."""
RATIOS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
COUNT, SIDE = 24, 256


def mixed(one: Any, other: Any, share: float) -> Any:
    """Weights of a network, share of them the other's; ValueError where they do not fit."""
    first, second = one.state_dict(), other.state_dict()
    if {name: w.shape for name, w in first.items()} != {n: w.shape for n, w in second.items()}:
        raise ValueError("networks: of different shapes; mix two of one descent")
    return {name: torch.lerp(w.float(), second[name].float(), share) for name, w in first.items()}


@torch.no_grad()
def measured(
    folder: Path, one: LatentPrior, other: LatentPrior, shares: Sequence[float] = SHARES
) -> Iterator[tuple[float, list[float]]]:
    """Shares, and mean squared errors of x_0 by `RATIOS`, on held-out photos of a folder.

    The network of `one` is left with the weights of the last share.
    """
    held_out = photos.load(folder, held_out=True, minimum=SIDE)
    pictures = (held_out.crops(COUNT, SIDE, generator(0, 2)) + 1) / 2
    z = torch.cat([one.encode(some) for some in pictures.split(8)])
    network, second = one.network.float(), other.network.float()
    first = copy.deepcopy(network)
    for share in shares:
        network.load_state_dict(mixed(first, second, share))
        errors = diffusion.denoising_error(network, z, one.prediction, RATIOS)
        yield share, [*errors.values()]


def main(folder: str, *names: str, report: Callable[[str], None] = print) -> None:
    """Report a table of the priors that two names stand for."""
    one, other = map(load, names)
    if not isinstance(one, LatentPrior) or not isinstance(other, LatentPrior):
        raise SystemExit("two priors of an autoencoder and a UNet are needed")
    report(f"| share | {' | '.join(map(str, RATIOS))} |\n|---|{'---|' * len(RATIOS)}")
    for share, errors in measured(Path(folder), one, other):
        report(f"| {share:g} | {' | '.join(f'{error:.6f}' for error in errors)} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
