"""The model card of a training directory, written from what its runs recorded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from priors.training.record import read_run

Facts = Mapping[str, Any]
DEFAULTS = {"seed": 0, "every": 5, "threads": 1}
"""Options that say nothing of the result."""


def write(out: Path) -> None:
    """Write `README.md` with what is known of the two stages: data, compute, options, figures.

    A card that somebody has edited by hand is left alone: only one that still ends with the line
    that says who wrote it is replaced.
    """
    file = out / "README.md"
    if file.exists() and MARK not in file.read_text("utf-8"):
        return
    found = {title: read_run(out / "training" / name) for title, name in STAGES.items()}
    stages = {title: facts for title, facts in found.items() if facts and "figures" in facts}
    if not stages:
        return
    facts: list[Facts] = list(stages.values())
    lines = [*_header(facts), *_data(facts[-1])]
    for title, each in stages.items():
        lines += _stage(title, each)
    file.write_text("\n".join([*lines, "", MARK, ""]), "utf-8")


STAGES = {"Autoencoder": "autoencoder", "Score network": "diffusion"}
MARK = "*Written by `photomend train` from the records in `training/`.*"


def _header(stages: list[Facts]) -> list[str]:
    licences = {facts["options"].get("licence") or "unknown" for facts in stages}
    return [
        "---",
        f"license: {licences.pop() if len(licences) == 1 else 'other'}",
        "library_name: diffusers",
        "pipeline_tag: unconditional-image-generation",
        "tags: [image-restoration, latent-diffusion, inverse-problems]",
        "---",
        "",
        "# A latent diffusion prior",
        "",
        "`diffusers.DiffusionPipeline.from_pretrained(FOLDER)` loads and samples it, "
        "`priors.load(FOLDER)` and `photomend deblur --prior FOLDER` restore photos with it.",
    ]


def _data(facts: Facts) -> list[str]:
    rows = [
        f"| {s['title'] or s['name']} | {s['files']} | {s['licence']} | {s['weight']:g} |"
        for s in facts["sources"]
    ]
    skipped = len(facts["skipped"])
    return [
        "",
        "## Training data",
        "",
        "| source | photos | licence | weight |",
        "|---|---|---|---|",
        *rows,
        "",
        f"{facts['held_out']} more photos were held out for validation; "
        f"{skipped} could not be used.",
    ]


def _stage(name: str, facts: Facts) -> list[str]:
    told = {k: v for k, v in facts["options"].items() if v is not None and k not in DEFAULTS}
    options = ", ".join(f"{k} {_plain(v)}" for k, v in told.items() if k not in ("sources",))
    return [
        "",
        f"## {name}",
        "",
        f"{facts['parameters'] / 1e6:.2f} million parameters; {facts['step']} steps of "
        f"{facts['options']['batch']} crops in {facts['minutes']:g} minutes, "
        f"{facts['processes']} process(es) on {facts['device']}.",
        "",
        f"Options: {options}.",
        "",
        "| held-out figure | |",
        "|---|---|",
        *(f"| {_title(k)} | {v:.4g} |" for k, v in facts["figures"].items()),
    ]


def _title(name: str) -> str:
    """What a figure of the log is called in a sentence."""
    if name.startswith("x0_"):
        return f"mean squared error of x0 at sigma / alpha = {name.removeprefix('x0_')}"
    known = {
        "psnr": "reconstruction, PSNR in dB",
        "ssim": "reconstruction, SSIM",
        "lpips": "reconstruction, LPIPS",
        "isometry_error": "relative spread of the norm of D(z + d) - D(z) over that of d",
        "denoising_psnr_25": "denoising through the latent space at sigma 25 / 255, PSNR in dB",
    }
    return known.get(name, name)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{k}={v:g}" for k, v in value.items())
    if isinstance(value, list):
        return " ".join(str(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
