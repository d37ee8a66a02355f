"""Choose the classical methods' weights: python -m restore.bench.tune FOLDER [TASK ...].

Prints the table WEIGHTS of `restore.bench.baselines`: for every method and task the weight of its
grid with the highest mean PSNR over the photos of the folder, at both tuned noise levels.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from restore.bench.baselines import BASELINES, TUNED_SIGMAS, Baseline
from restore.bench.protocol import Picture, Task, find_pictures, load_picture, measure, tasks
from restore.metrics import psnr


def tuned(baseline: Baseline, task: Task, pictures: list[Picture], sigma: float) -> float:
    """Give the weight of the baseline's grid with the highest mean PSNR.

    The grid ascends and PSNR has one peak in it, so the search stops two steps past the best.
    """
    measurements = [measure(task, picture, sigma) for picture in pictures]
    scores: list[float] = []
    for weight in baseline.grid:
        estimates = [baseline.estimate(m, weight).clamp(0, 1) for m in measurements]
        pairs = zip(estimates, pictures, strict=True)
        scores.append(sum(float(psnr(x, picture.pixels)) for x, picture in pairs))
        if len(scores) > 2 and scores[-1] < scores[-2] < scores[-3]:
            break
    return baseline.grid[scores.index(max(scores))]


def table(
    pictures: list[Picture], chosen: list[Task]
) -> Iterator[tuple[tuple[str, str], tuple[float, ...]]]:
    """Tune every classical method that has a weight, for the tasks it knows: (key, weights)."""
    for name, baseline in BASELINES.items():
        for task in chosen:
            if baseline.grid and task.name in baseline.tasks:
                weights = tuple(tuned(baseline, task, pictures, s) for s in TUNED_SIGMAS)
                yield (name, task.name), weights


def main(arguments: list[str]) -> None:
    """Tune on the folder and tasks that the arguments name."""
    torch.set_num_threads(1)
    folder = Path(arguments[0])
    pictures = [load_picture(*found) for found in find_pictures(folder)]
    # Levin's kernels lie beside the set's folder.
    for (name, task), (low, high) in table(pictures, tasks(arguments[1:] or None, folder.parent)):
        sys.stdout.write(f'    ("{name}", "{task}"): ({low:.3g}, {high:.3g}),\n')


if __name__ == "__main__":
    main(sys.argv[1:])
