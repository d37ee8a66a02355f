"""`photomend bench prior`: a prior before any solver, on photos, beside published networks."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from operators import Seeds
from operators.colour import Grayscale
from priors.base import Prior
from restore.bench import ode, protocol, quality, verdict
from restore.bench.peers import (
    BF_CNN_FILE,
    DNCNN_FILE,
    BiasFreeCNN,
    DnCNN,
    filled,
    peer_file,
    peers_folder,
)
from restore.bench.protocol import BenchError, Picture
from restore.bench.quality import GREY_SIGMA, SIGMAS, Denoiser
from restore.bench.reports import Report
from restore.bench.run import evenly, lpips_distance
from restore.bench.speed import cost
from restore.images import read, write
from restore.restorer import Restorer
from restore.sampling import draw
from restore.sheet import sheet

SETS = ("ffhq10", "imagenet10", "bsd100", "set14")
SAMPLES, STEPS = 4, 50
SHOWN = 3


@dataclass(frozen=True, eq=False)
class Bench:
    """The prior under test, its peers by name (colour, grey), LPIPS where it can be had."""

    prior: Prior
    device: torch.device
    colour: dict[str, Denoiser]
    grey: dict[str, Denoiser]
    lpips: Callable[[Tensor, Tensor], Tensor] | None


def main(
    folder: Path | None = None,
    *,
    prior: str | Prior = "embedded",
    limit: int | None = None,
    peers: Path | None = None,
    lpips_weights: Path | None = None,
    output: Path = Path("out/bench-prior"),
    report: Report,
    size: int = protocol.SIZE,
) -> dict[str, Any]:
    """Measure a prior on the central crops of photos, and some samples of it.

    folder: of photos, or one with the standard sets, also set14; by default what PHOTOMEND_DATA
    names. limit: photos a set. peers: folder of the published networks' weights, by default
    `peers` beside `eval`; left out where there is none. lpips_weights: as of `restore.bench.main`.
    size: side of the pictures and samples.

    Writes report.json, report.md, denoised.png and samples.png into output, tells report a line a
    picture, and gives what report.json holds. BenchError for arguments that do not fit,
    MetricError for LPIPS weights that cannot be read, priors.PriorError.
    """
    if limit is not None and limit < 1:
        raise BenchError(f"limit: got {limit}; pass at least 1")
    place = protocol.default_folder() if folder is None else folder
    pictures = [protocol.load_picture(*one, size) for one in find_pictures(place, limit)]
    restorer = Restorer(prior)
    bench = _bench(restorer, peers_folder(peers, place), lpips_distance(lpips_weights, report))
    output.mkdir(parents=True, exist_ok=True)
    summary = _measured(bench, pictures, output, report, _settings(restorer))
    (output / "report.json").write_text(json.dumps(summary, indent=1) + "\n")
    (output / "report.md").write_text(verdict.markdown(summary))
    report(f"report.md, report.json, denoised.png and samples.png are in {output}")
    return summary


def _measured(
    bench: Bench,
    pictures: Sequence[Picture],
    output: Path,
    report: Report,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Measure every picture, draw the sheets, give the report."""
    rows = []
    for count, picture in enumerate(pictures, start=1):
        rows.append(_row(bench, picture))
        report(f"{count}/{len(pictures)} {verdict.line(rows[-1])}")
    shown = [(pictures[i], rows[i]) for i in evenly(len(pictures), SHOWN)]
    _write_denoised(bench, shown, output / "denoised.png")
    first = pictures[0].pixels.to(bench.device)
    _write_samples(bench, first, output / "samples.png", report)
    summary = {
        "settings": {**settings, "size": first.shape[-1], "samples": SAMPLES, "steps": STEPS},
        **verdict.summarise(rows),
        "cost": cost(bench.prior, first),
        "pictures": rows,
    }
    return {**summary, "verdict": verdict.verdict(summary)}


def find_pictures(folder: Path, limit: int | None = None) -> list[tuple[str, int, Path]]:
    """List (set, index in the set, path) as `protocol.find_pictures`, with set14 where it is.

    BenchError when there is no photo.
    """
    root = folder / "eval" if (folder / "eval").is_dir() else folder
    sets = [root / name for name in SETS if (root / name).is_dir()] or [root]
    return [one for each in sets for one in protocol.find_pictures(each, limit)]


def samples(prior: Prior, like: Tensor, eta: float, seed: int, steps: int) -> Tensor:
    """Draw a picture of the size of `like` (1, 3, H, W), unclipped; eta as of `sampling.draw`."""
    return draw(prior, like, Seeds(seed), steps=steps, eta=eta)


def _bench(
    restorer: Restorer, folder: Path | None, lpips: Callable[[Tensor, Tensor], Tensor] | None
) -> Bench:
    def published(name: str, file: str, network: torch.nn.Module) -> dict[str, Denoiser]:
        path = peer_file(folder, file)
        if path is None:
            return {}
        ready = filled(network, path).to(restorer.device)
        return {name: lambda y, sigma: ready(y)}

    colour: dict[str, Denoiser] = {"prior": partial(quality.denoise, restorer.prior)}
    grey: dict[str, Denoiser] = {
        "prior": lambda y, sigma: quality.denoise_grey(restorer.prior, y, sigma, Seeds(0))
    }
    colour |= published(verdict.BF_CNN, BF_CNN_FILE, BiasFreeCNN())
    grey |= published(verdict.DNCNN, DNCNN_FILE, DnCNN())
    return Bench(restorer.prior, restorer.device, colour, grey, lpips)


@torch.no_grad()
def _row(bench: Bench, picture: Picture) -> dict[str, Any]:
    """All figures of a picture."""
    x, index = picture.pixels.to(bench.device), picture.index
    return {
        "set": picture.group,
        "image": picture.name,
        "index": index,
        "reconstruction": quality.reconstruction(bench.prior, x, bench.lpips),
        "isometry": quality.isometry(bench.prior, x, Seeds(3000 + index)),
        "denoising": {
            str(sigma): quality.scores(x, sigma / 255, index, bench.colour) for sigma in SIGMAS
        },
        "grey": quality.scores(Grayscale()(x), GREY_SIGMA / 255, index, bench.grey),
        "ode": ode.figures(bench.prior, x, Seeds(3000 + index)) if index < ode.PHOTOS else None,
    }


@torch.no_grad()
def _write_denoised(
    bench: Bench, chosen: Sequence[tuple[Picture, dict[str, Any]]], file: Path
) -> None:
    """Draw truth, noisy picture and what each denoiser makes of it, in colour and in grey."""
    names = list(dict.fromkeys([*bench.colour, *bench.grey]))
    peers = " or ".join(name for name in names if name != "prior")
    columns = ["truth", "noisy", "prior", *([peers] if peers else [])]
    rows = []
    for picture, row in chosen:
        truth = picture.pixels.to(bench.device)
        kinds = (
            (truth, GREY_SIGMA, bench.colour, row["denoising"][str(GREY_SIGMA)]),
            (Grayscale()(truth), GREY_SIGMA, bench.grey, row["grey"]),
        )
        for x, sigma, denoisers, scored in kinds:
            y = quality.noisy(x, sigma / 255, picture.index)
            drawn = [x, y, *(one(y, sigma / 255) for one in denoisers.values())]
            drawn += [torch.ones_like(x)] * (len(columns) - len(drawn))
            said = ", ".join(f"{name} {score:.2f} dB" for name, score in scored.items())
            label = f"{picture.name}, {sigma}/255: {said}"
            rows.append((label, [each.expand(-1, 3, -1, -1) for each in drawn]))
    write(read(sheet(rows, columns)), file, overwrite=True)


def _write_samples(bench: Bench, like: Tensor, file: Path, report: Report) -> None:
    """Draw samples from pure noise: ancestral and by the ODE, of as many evaluations."""
    rows = []
    for name, eta, steps in (("ancestral", 1.0, STEPS), ("ODE", 0.0, (STEPS + 1) // 2)):
        report(f"{SAMPLES} samples, {name}, {steps} steps")
        drawn = [samples(bench.prior, like, eta, seed, steps) for seed in range(SAMPLES)]
        rows.append((f"{name}, {steps} steps", drawn))
    columns = [f"seed {seed}" for seed in range(SAMPLES)]
    write(read(sheet(rows, columns)), file, overwrite=True)


def _settings(restorer: Restorer) -> dict[str, Any]:
    known = {
        "prior": restorer.prior_name,
        "dtype": restorer.dtype,
        "device": str(restorer.device),
        "threads": torch.get_num_threads(),
        "parameters": None,
        "bytes": None,
    }
    if restorer.dtype == "its own":
        return known
    from priors.hub import describe

    described = describe(restorer.prior_name)
    return {**known, "parameters": described.parameters, "bytes": described.bytes}
