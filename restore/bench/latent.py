"""`photomend bench latent`: which latent space, when every one is trained for the same time?

Perceptual compression is a trade: a smaller latent makes the network faster and its task simpler,
and loses detail for good (Rombach et al., CVPR 2022, arXiv:2112.10752, section 4.1). Here a small
prior of every kind is trained on the same photos for the same processor time, the encoder's
included, then asked to restore.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Self

from priors import load
from priors.training.options import AutoencoderTraining, DiffusionTraining
from priors.training.record import read_run
from priors.training.stages import train_autoencoder, train_diffusion
from restore.bench import protocol, run
from restore.bench.chart import draw, markdown
from restore.bench.methods import DEFAULT_SOLVER
from restore.bench.protocol import BenchError
from restore.bench.quality import reconstruction
from restore.bench.reports import Report
from restore.bench.run import lpips_distance
from restore.bench.speed import EVALUATION
from restore.restorer import Restorer

CONFIGURATIONS = (
    "none-f1c3", "none-f2c6", "none-f2c12", "none-f4c8", "none-f4c16", "none-f4c24", "none-f8c32",
    "none-f8c64", "kl-f4c16", "kl-f8c16", "vq-f4c3",
)  # fmt: skip
TASKS = ("gaussian", "x4", "random")
WIDTH = (32, 64, 128)
"""Decoder channels at full, half and quarter resolution, the same for all kinds."""
LATENTS = 64 * 16 * 16
"""Latent pixels of a step of stage 2 at most: 64 crops of 64 pixels at f = 4."""


@dataclass(frozen=True)
class Configuration:
    """One latent space: how it is regularized, compression of each side, channels."""

    regularization: str
    factor: int
    channels: int

    @classmethod
    def named(cls, name: str) -> Self:
        """Read "kl-f4c16"; BenchError for anything else."""
        match = re.fullmatch(r"(none|kl|vq)-f([1248])c([1-9]\d*)", name)
        if match is None:
            raise BenchError(
                f"configurations: {name!r} is none; write none, kl or vq, a factor of 1, 2, 4 or "
                "8 and the channels, like kl-f4c16"
            )
        return cls(match[1], int(match[2]), int(match[3]))

    @property
    def name(self) -> str:
        """As `named` reads it."""
        return f"{self.regularization}-f{self.factor}c{self.channels}"

    @property
    def share(self) -> float:
        """Latent values for a value of the picture."""
        return self.channels / (3 * self.factor**2)


def main(
    folder: Path | None = None,
    *,
    photos: Path,
    configurations: Sequence[str] | None = None,
    minutes: float,
    limit: int | None = None,
    lpips_weights: Path | None = None,
    output: Path = Path("out/bench-latent"),
    report: Report,
) -> dict[str, Any]:
    """Train a prior for each configuration, measure it, and compare.

    photos: to train on. folder: to measure on, as of `restore.bench.main`. configurations: names
    like kl-f4c16; by default `CONFIGURATIONS`. minutes > 0: of the processor, for each
    stage. limit: photos a set. lpips_weights: a file; LPIPS is left out where it cannot be had.

    Each has a directory in output; one that is finished is not measured again. Writes report.json,
    report.md and plot.png, gives what report.json holds. BenchError for arguments that do not fit.
    """
    chosen = [Configuration.named(name) for name in configurations or CONFIGURATIONS]
    if not minutes > 0 or (limit is not None and limit < 1):
        raise BenchError(f"minutes, limit: got {minutes}, {limit}; pass > 0 and at least 1")
    place = protocol.default_folder() if folder is None else folder
    protocol.find_pictures(place, limit)
    output.mkdir(parents=True, exist_ok=True)
    settings = {"minutes": minutes, "limit": limit, "lpips": lpips_weights is not None}
    asked = {**settings, "photos": photos.name, "folder": place.name}
    rows = []
    for count, one in enumerate(chosen, start=1):
        report(f"{count}/{len(chosen)} {one.name}")
        bench = _Bench(one, photos, place, output / one.name, asked, lpips_weights, report)
        rows.append(bench.row())
        report(f"{count}/{len(chosen)} {_line(rows[-1])}")
    summary = {"settings": {**asked, "tasks": list(TASKS)}, "configurations": rows}
    (output / "report.json").write_text(json.dumps(summary, indent=1) + "\n")
    (output / "report.md").write_text(markdown(summary))
    draw(rows, output / "plot.png")
    report(f"report.md, report.json and plot.png are in {output}")
    return summary


def autoencoder_options(one: Configuration, minutes: float) -> AutoencoderTraining:
    """Stage 1 of a configuration; levels of the same resolution have the same width.

    Networks whose encoder moves as well want smaller steps, or they lose their start.
    """
    linear = one.regularization == "none"
    fields = {
        "regularization": one.regularization,
        "factor": one.factor,
        "channels": one.channels,
        "minutes": minutes,
        "clock": "processor",
        "width": WIDTH[1:] if linear and one.factor > 1 else WIDTH,
        "rate": 5e-4 if linear else 5e-5,
    }
    return AutoencoderTraining.model_validate(fields)


def diffusion_options(one: Configuration, minutes: float) -> DiffusionTraining:
    """Stage 2 of a configuration: the same network; large latents get fewer crops a step."""
    batch = max(1, min(64, LATENTS * one.factor**2 // 64**2))
    return DiffusionTraining(minutes=minutes, clock="processor", batch=batch)


@dataclass(frozen=True, eq=False)
class _Bench:
    """A configuration, what it is trained and measured on, and its directory."""

    one: Configuration
    photos: Path
    folder: Path
    output: Path
    asked: dict[str, Any]
    lpips_weights: Path | None
    report: Report

    def row(self) -> dict[str, Any]:
        """What is known of a finished one, else train and measure."""
        file = self.output / "result.json"
        if file.is_file():
            known: dict[str, Any] = json.loads(file.read_text())
            self._same(known["settings"])
            self.report(f"{self.one.name}: finished already")
            return known
        self._claim()
        minutes = float(self.asked["minutes"])
        first, second = autoencoder_options(self.one, minutes), diffusion_options(self.one, minutes)
        train_autoencoder(self.photos, self.output, first, report=self.report)
        train_diffusion(self.photos, self.output, second, report=self.report)
        row = {"settings": self.asked, **self._measured()}
        file.write_text(json.dumps(row, indent=1) + "\n")
        return row

    def _claim(self) -> None:
        """Keep what was asked before training starts, so that nothing else goes on from it."""
        self.output.mkdir(exist_ok=True)
        file = self.output / "asked.json"
        if file.is_file():
            self._same(json.loads(file.read_text()))
        file.write_text(json.dumps(self.asked) + "\n")

    def _same(self, settings: dict[str, Any]) -> None:
        if settings != self.asked:
            raise BenchError(
                f"output: {self.output} was made with {settings}, not {self.asked}; give another "
                "output, or remove that directory"
            )

    def _measured(self) -> dict[str, Any]:
        """Figures of the trained prior: of its reconstructions, restorations, time and size."""
        prior: Any = load(str(self.output))
        device = Restorer(prior).device
        distance = lpips_distance(self.lpips_weights, self.report)
        found = protocol.find_pictures(self.folder, self.asked["limit"])
        figures = []
        for each in found:
            x = protocol.load_picture(*each, protocol.SIZE).pixels
            figures.append(reconstruction(prior, x.to(device), distance))
        summary = run.main(
            self.folder,
            tasks=TASKS,
            methods=[DEFAULT_SOLVER],
            sigma=0.025,
            limit=self.asked["limit"],
            lpips_weights=self.lpips_weights,
            output=self.output / "restoration",
            report=self.report,
            prior=str(self.output),
            size=protocol.SIZE,
        )
        tasks = {name: summary["tasks"][name]["methods"][DEFAULT_SOLVER] for name in TASKS}
        stages = {n: read_run(self.output / "training" / n) or {} for n in _STAGES}
        return {
            "name": self.one.name,
            "share": self.one.share,
            "regularization": self.one.regularization,
            "reconstruction": {n: _mean([f[n] for f in figures]) for n in ("psnr", "lpips")},
            "restoration": {n: {k: t[k] for k in ("psnr", "lpips")} for n, t in tasks.items()},
            "evaluations_per_second": 1 / summary["speed"]["parts"][EVALUATION]["seconds"],
            "parameters": {
                n: sum(p.numel() for p in part.parameters())
                for n, part in zip(_STAGES, (prior.autoencoder, prior.network), strict=True)
            },
            "steps": {name: facts.get("step") for name, facts in stages.items()},
        }


_STAGES = ("autoencoder", "diffusion")


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _line(row: dict[str, Any]) -> str:
    figures = ", ".join(f"{name} {one['psnr']:.2f}" for name, one in row["restoration"].items())
    return f"{row['name']}: reconstruction {row['reconstruction']['psnr']:.2f} dB, {figures}"
