"""Priors by name: the embedded one, a diffusers directory, or a model on the Hugging Face hub."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from priors.base import Prior
from priors.latent import LatentPrior, cast
from priors.pixel import PixelPrior
from priors.schedule import from_config

EMBEDDED = Path(__file__).parent / "embedded"
AUTOENCODERS = ("vae", "vqvae", "movq")


class PriorError(ValueError):
    """A prior that cannot be had: not there, broken, or of a kind that is not supported."""


@dataclass(frozen=True)
class Description:
    """What a user wants to know before trusting a prior."""

    name: str
    licence: str
    parameters: int
    bytes: int
    location: str


def load(
    name: str = "embedded", *, dtype: torch.dtype | None = None, offline: bool = False
) -> Prior:
    """The prior `name`: "embedded", a diffusers directory, or a hub id "owner/model".

    dtype is the precision of the networks (default float32); weights must be safetensors.
    `offline` never asks the network. PriorError names the prior, what is wrong and what to do.
    """
    folder = locate(name, offline=offline)
    index = _read_json(folder / "model_index.json", name)
    schedule = from_config(_read_json(folder / "scheduler" / "scheduler_config.json", name))
    prediction = _prediction(folder, name)
    network = _component(folder, index, "unet", name)
    if type(network).__name__ != "UNet2DModel":
        raise PriorError(
            f"{name}: {type(network).__name__} is not supported; only unconditional UNet2DModel is"
        )
    kind = next((k for k in AUTOENCODERS if k in index), None)
    precision = dtype or torch.float32
    try:
        if kind is None:
            return PixelPrior(cast(network, precision), schedule, prediction)
        autoencoder = cast(_component(folder, index, kind, name), precision)
        return LatentPrior(autoencoder, cast(network, precision), schedule, prediction)
    except (KeyError, RuntimeError, ValueError) as error:
        raise PriorError(f"{name}: its parts do not fit together ({_line(error)})") from error


def locate(name: str, *, offline: bool = False) -> Path:
    """The directory of a prior, fetched from the hub where the name is no directory; PriorError."""
    if name == "embedded":
        return EMBEDDED
    if Path(name).is_dir():
        return Path(name)
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise PriorError(
            f'{name}: no such prior; give "embedded", a diffusers directory or a hub id owner/name'
        )
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.safetensors", "*.md"]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns, local_files_only=offline))
    except Exception as error:
        # The client raises its own, requests' and httpx's errors, none with a common base.
        where = "is not in the local cache" if offline else "could not be fetched from the hub"
        raise PriorError(
            f"{name}: {where} ({_line(error)}); check the name and the network, "
            "or use --prior embedded, which needs none"
        ) from error


def describe(name: str) -> Description:
    """Licence, size and place of a prior that is on this machine; PriorError otherwise."""
    from safetensors import safe_open

    folder = locate(name, offline=True)
    files = list(folder.rglob("*.safetensors"))
    parameters = 0
    for file in files:
        with safe_open(file, "pt") as weights:
            for key in weights.keys():
                parameters += torch.Size(weights.get_slice(key).get_shape()).numel()
    size = sum(file.stat().st_size for file in files)
    return Description(name, _licence(folder), parameters, size, os.fspath(folder))


def _licence(folder: Path) -> str:
    card = folder / "README.md"
    if card.exists():
        for line in card.read_text(encoding="utf-8").splitlines():
            if line.startswith("license:"):
                return line.removeprefix("license:").strip()
    return "not stated"


def _component(folder: Path, index: dict[str, Any], part: str, name: str) -> Any:
    import diffusers

    entry = index.get(part)
    if not entry or entry[0] != "diffusers" or not hasattr(diffusers, entry[1]):
        raise PriorError(f"{name}: model_index.json has no usable {part!r}")
    try:
        return getattr(diffusers, entry[1]).from_pretrained(
            folder / part,
            torch_dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=False,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise PriorError(f"{name}: cannot load {part} ({_line(error)})") from error


def _prediction(folder: Path, name: str) -> str:
    config = _read_json(folder / "scheduler" / "scheduler_config.json", name)
    if str(config.get("_class_name", "")).startswith("FlowMatch"):
        return "flow_prediction"
    return str(config.get("prediction_type", "epsilon"))


def _read_json(path: Path, name: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PriorError(f"{name}: {path.name} is missing; not a diffusers directory") from error
    except json.JSONDecodeError as error:
        raise PriorError(f"{name}: {path.name} is not JSON ({error})") from error
    return content


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
