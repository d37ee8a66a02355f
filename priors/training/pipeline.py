"""The diffusers directory of a prior: written piece by piece, read by diffusers alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from priors.training import diffusion
from priors.training.photos import TrainingDataError


def save_pipeline(unet: Any, encoder: Any, target: str, out: Path) -> None:
    """Write the network in fp16 and what diffusers' LDMPipeline needs beside the autoencoder."""
    import diffusers

    unet.half().save_pretrained(out / "unet")
    scheduler = diffusion.scheduler(target)
    shutil.rmtree(out / "scheduler", ignore_errors=True)
    scheduler.save_pretrained(out / "scheduler")
    index = {
        "_class_name": "LDMPipeline",
        "_diffusers_version": diffusers.__version__,
        "scheduler": ["diffusers", type(scheduler).__name__],
        "unet": ["diffusers", type(unet).__name__],
        "vqvae": ["diffusers", type(encoder).__name__],
    }
    (out / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", "utf-8")


def load_autoencoder(out: Path) -> Any:
    """The autoencoder of a training directory, frozen; TrainingDataError where there is none."""
    import diffusers

    config = out / "vqvae" / "config.json"
    if not config.exists():
        raise TrainingDataError(
            f"{out}: holds no autoencoder; run `photomend train autoencoder` with this output first"
        )
    kind: Callable[..., Any] = getattr(diffusers, json.loads(config.read_text())["_class_name"])
    model: Any = kind
    return model.from_pretrained(out / "vqvae", torch_dtype=torch.float32).requires_grad_(False)
