"""What the decoder's linear part buys: python -m restore.bench.latent_prox FOLDER [LIMIT [SIZE]].

Prints a table of plug-and-play restorations by where the prox is: in pictures by the decoder at
every step, by its linear part up to the last 5, 3, 1 or 0 steps, and in the states. PSNR and LPIPS
are means over the pictures; seconds are processor time over that of the first row, in this run.
LPIPS as elsewhere by PHOTOMEND_LPIPS_WEIGHTS; FOLDER as of the benchmark, LIMIT photos a set.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from priors.base import Prior, Shape
from priors.hub import load
from priors.linear import linear
from priors.schedule import Level
from restore.bench.protocol import SIZE, Picture, Task, find_pictures, load_picture, measure, tasks
from restore.metrics import lpips, psnr
from restore.restorer import Restorer

STEPS = 20
SIGMA = 0.025
NAMES = ("gaussian", "motion", "x4", "box", "random")
LAST = (5, 3, 1)
"""Numbers of steps at the end that use the decoder itself."""

Row = tuple[str, dict[str, tuple[float, float]], float]


class Switching(Prior):
    """The prior, whose decoder is its linear part for the first `rough` calls."""

    def __init__(self, prior: Prior, rough: int) -> None:
        self.prior, self.rough, self.calls = prior, rough, 0
        self.schedule, self.multiple, self.unit = prior.schedule, prior.multiple, prior.unit

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """As the prior."""
        return self.prior.denoise(x, level)

    def encode(self, image: Tensor) -> Tensor:
        """As the prior."""
        return self.prior.encode(image)

    def decode(self, x: Tensor) -> Tensor:
        """By the linear part, then by the prior."""
        self.calls += 1
        return (linear(self.prior, x) if self.calls <= self.rough else self.prior).decode(x)

    def state_shape(self, image_shape: Shape) -> Shape:
        """As of the prior."""
        return self.prior.state_shape(image_shape)


def variants(prior: Prior) -> Iterator[tuple[str, Restorer]]:
    """A title and a restorer for every row; each is used once, as `Switching` counts."""
    yield "pictures, D", Restorer(prior, steps=STEPS, prox_in="pictures")
    for last in LAST:
        # The decoder is called after every step but the last, and once for the result.
        part = Switching(prior, STEPS - 1 - last)
        title = f"pictures, D in the last {last}"
        yield title, Restorer(part, steps=STEPS, prox_in="pictures")
    yield "pictures, D_lin", Restorer(prior, steps=STEPS, prox_in="linear")
    yield "states", Restorer(prior, steps=STEPS, prox_in="states")


def table(prior: Prior, pictures: list[Picture], chosen: list[Task]) -> list[Row]:
    """(title, {task: (PSNR, LPIPS)}, seconds a picture and task) for every variant, in order."""
    scores: dict[str, dict[str, list[Tensor]]] = {}
    seconds: dict[str, float] = {}
    for picture in pictures:
        for task in chosen:
            measurement = measure(task, picture, SIGMA)
            for title, restorer in variants(prior):
                began = time.process_time()
                found = restorer(measurement.y, measurement.operator, noise=SIGMA).pixels
                seconds[title] = seconds.get(title, 0.0) + time.process_time() - began
                both = torch.stack([psnr(found, picture.pixels), lpips(found, picture.pixels)])
                scores.setdefault(title, {}).setdefault(task.name, []).append(both[:, 0])
    count = len(pictures) * len(chosen)
    return [
        (title, {task: _mean(each) for task, each in by_task.items()}, seconds[title] / count)
        for title, by_task in scores.items()
    ]


def _mean(scores: list[Tensor]) -> tuple[float, float]:
    psnrs, distances = torch.stack(scores).mean(0).tolist()
    return psnrs, distances


def lines(rows: list[Row]) -> Iterator[str]:
    """The rows as a table in Markdown."""
    named = list(rows[0][1])
    yield f"| prox in | {' | '.join(named)} | seconds |"
    yield "|---" * (len(named) + 2) + "|"
    for title, scores, seconds in rows:
        cells = " | ".join(f"{scores[name][0]:.2f} / {scores[name][1]:.3f}" for name in named)
        yield f"| {title} | {cells} | {seconds / rows[0][2]:.2f} |"


def main(arguments: list[str]) -> None:
    """Measure on the folder, number of photos a set and side that the arguments name."""
    torch.set_num_threads(1)
    folder, limit = Path(arguments[0]), int(arguments[1]) if arguments[1:] else None
    size = int(arguments[2]) if arguments[2:] else SIZE
    pictures = [load_picture(*found, size) for found in find_pictures(folder, limit)]
    for line in lines(table(load("embedded"), pictures, tasks(NAMES))):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
