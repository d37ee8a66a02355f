"""The two stages end to end: photos in, a diffusers directory with a model card out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from priors.training import autoencoder, card, diffusion, validation
from priors.training.latents import Latents
from priors.training.loop import Objective, Report, Trainer, TrainingError, Watch, generator
from priors.training.optimisers import optimisers
from priors.training.options import AutoencoderTraining, DiffusionTraining, Training, settings
from priors.training.photos import Photos, TrainingDataError, load
from priors.training.pipeline import load_autoencoder, save_pipeline
from priors.training.record import write_run
from priors.training.validation import Metric
from priors.training.warm_start import warm_start

MINIMUM = 128
"""Photos whose shorter side has fewer pixels are skipped."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Who is told what: lines, progress; metrics of the validation; LPIPS, if it can be had.

    Metrics and distance compare pictures (B, 3, H, W) in [0, 1] and give (B,).
    """

    report: Report
    watch: Watch | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    distance: Metric | None = None


def train_autoencoder(
    photos: Path,
    out: Path,
    options: AutoencoderTraining,
    *,
    report: Report,
    watch: Watch | None = None,
    metrics: Mapping[str, Metric] | None = None,
    distance: Metric | None = None,
) -> None:
    """Stage 1; writes `vqvae/` and, in `training/autoencoder/`, checkpoint, log and sheet.

    Goes on where a run in `out` stopped. TrainingDataError, TrainingError.
    """
    around = Surroundings(report, watch, metrics or {}, distance)
    if options.lpips and distance is None:
        raise TrainingError("lpips: the loss needs LPIPS weights; name a file of them")
    folder = out / "training" / "autoencoder"
    with _prepared(photos, out, options, folder, around) as run:
        pictures = run.photos.crops(2000, 64, generator(0, 0)).cpu()
        model = autoencoder.build(options, pictures, generator(options.seed, 2))
        shown = run.held_out.crops(32, MINIMUM, generator(0, 1))
        objective = Reconstruction(model, run.photos, options, distance)

        def made(network: nn.Module) -> list[torch.optim.Optimizer]:
            return optimisers(network, options.rate, muon=False)

        trainer = Trainer(objective, made, options, folder, run.accelerator)
        for _ in trainer.run(around.watch):
            if trainer.record is None:
                continue
            averaged = trainer.averaged()
            figures = validation.reconstruction(averaged, shown, around.metrics, folder)
            trainer.log(**figures)
            _tell(report, trainer.step, figures)
            averaged.half().save_pretrained(out / "vqvae")
            _finish_report(run, trainer, options, figures)


class Reconstruction(Objective):
    """The loss of stage 1 on crops of photos."""

    def __init__(
        self, network: Any, photos: Photos, options: AutoencoderTraining, distance: Metric | None
    ) -> None:
        super().__init__()
        self.network, self._photos, self._options = network, photos, options
        self._distance = distance

    def forward(self, step: int, part: int, parts: int) -> tuple[Tensor, int]:
        """As Objective.forward."""
        options, own = self._options, generator(self._options.seed, step, part)
        batch = max(1, round(options.batch / parts))
        pictures = self._photos.crops(batch, options.crop, own)
        return autoencoder.loss(self.network, pictures, options, own, self._distance), batch


def train_diffusion(
    photos: Path,
    out: Path,
    options: DiffusionTraining,
    *,
    report: Report,
    watch: Watch | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> None:
    """Stage 2 on the autoencoder in `out`; writes `unet/`, `scheduler/`, `model_index.json`.

    Goes on where a run in `out` stopped. TrainingDataError, TrainingError.
    """
    around = Surroundings(report, watch, metrics or {})
    encoder = load_autoencoder(out)
    folder = out / "training" / "diffusion"
    with _prepared(photos, out, options, folder, around) as run:
        device = run.accelerator.device
        latents = Latents(encoder.to(device), run.photos)
        draw = latents.cached(folder, report) if options.cached else latents.online()
        factor, channels = latents.factor, latents.channels
        model = _network(channels, options, report)
        objective = diffusion.Denoising(model, draw, options, factor)
        trainer = Trainer(
            objective, lambda net: optimisers(net, options.rate), options, folder, run.accelerator
        )
        shown = validation.Denoising(encoder, run.held_out, options, folder)
        for _ in trainer.run(around.watch):
            if trainer.record is None:
                continue
            averaged = trainer.averaged()
            figures = shown.figures(averaged, last=trainer.share >= 1)
            trainer.log(**figures)
            _tell(report, trainer.step, figures)
            save_pipeline(averaged, encoder, options.target, out)
            _finish_report(run, trainer, options, figures)


def _network(channels: int, options: DiffusionTraining, report: Report) -> Any:
    with torch.random.fork_rng(devices=[]):  # modules draw their first weights from the global one
        torch.random.manual_seed(options.seed)
        model = diffusion.network(channels, options)
    report(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters")
    if options.init is not None:
        from priors.hub import PriorError, load

        try:
            known = load(options.init)
        except PriorError as error:
            raise TrainingDataError(f"init: {error}") from error
        source: Any = known
        share = warm_start(model, source.network, generator(options.seed, 3))
        report(f"started from {options.init}: {100 * share:.0f} % of the weights")
    return model


@dataclass(frozen=True, eq=False)
class _Run:
    photos: Photos
    held_out: Photos
    accelerator: Any
    out: Path
    folder: Path


@contextmanager
def _prepared(
    photos: Path, out: Path, options: Training, folder: Path, around: Surroundings
) -> Iterator[_Run]:
    """Photos on the device, the process's place among others; a full disk is a TrainingError."""
    if options.minutes is None and options.steps is None:
        raise TrainingError("no budget: give minutes, steps or both")
    torch.set_num_threads(options.threads)
    accelerator = _accelerator()
    sources = None if options.sources is None else Path(options.sources)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        loaded = load(photos, held_out=False, minimum=MINIMUM, sources=sources)
        held_out = load(photos, held_out=True, minimum=MINIMUM, sources=sources)
        if accelerator.is_main_process:
            _announce(loaded, held_out, options, around.report, folder)
        yield _Run(loaded.to(accelerator.device), held_out, accelerator, out, folder)
    except OSError as error:
        raise TrainingError(f"{out}: cannot write ({error}); the last checkpoint stands") from error
    finally:
        accelerator.end_training()


def _accelerator() -> Any:
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise TrainingError(
            f"{error}; training needs accelerate: pip install 'photomend[train]'"
        ) from error
    return Accelerator()


def _announce(
    photos: Photos, held_out: Photos, options: Training, report: Report, folder: Path
) -> None:
    skipped = [*photos.skipped, *held_out.skipped]
    for line in skipped:
        report(f"skipped {line}")
    counts = [sum(source.files for source in p.sources) for p in (photos, held_out)]
    report(f"{counts[0]} photos to train on, {counts[1]} held out, {len(skipped)} skipped")
    write_run(
        folder,
        options=settings(options),
        sources=[asdict(source) for source in photos.sources],
        held_out=counts[1],
        skipped=skipped,
    )


def _finish_report(
    run: _Run, trainer: Trainer, options: Training, figures: dict[str, float]
) -> None:
    device = run.accelerator.device
    named = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    write_run(
        run.folder,
        step=trainer.step,
        minutes=round(trainer.elapsed / 60, 1),
        processes=run.accelerator.num_processes,
        device=named,
        crops=trainer.step * options.batch,
        parameters=sum(p.numel() for p in trainer.network.parameters()),
        figures=figures,
    )
    card.write(run.out)


def _tell(report: Report, step: int, figures: Mapping[str, float]) -> None:
    report(f"step {step}: " + "  ".join(f"{k} {v:.4g}" for k, v in figures.items()))
