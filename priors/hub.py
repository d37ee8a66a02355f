"""Priors by name: the embedded one, a diffusers directory, or a model on the Hugging Face hub."""

import fnmatch
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from priors import stable_diffusion, stable_diffusion_3
from priors.autoencoded import Autoencoded
from priors.base import Prior
from priors.base import PriorError as PriorError
from priors.card import FAMILIES, Description, described, examined, verified
from priors.directory import WHOLE, Directory, line
from priors.latent import LatentPrior
from priors.network import cast, checkpoint_blocks
from priors.pixel import PixelPrior
from priors.schedule import from_config, prediction

EMBEDDED = Path(__file__).parent / "embedded"
INDEX = "model_index.json"
AUTOENCODERS = ("vae", "vqvae", "movq")
UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
"""Parts of pipelines that no prior needs."""
SINGLE = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf")
"""Endings of checkpoints in one file, as other programs have them."""


def load(
    name: str = "embedded",
    *,
    dtype: torch.dtype | None = None,
    offline: bool = False,
    slicing: bool = False,
    tiling: bool = False,
    checkpointing: bool = False,
    offload: bool = False,
) -> Prior:
    """The prior `name`: "embedded", a diffusers directory, or a hub id "owner/model[@revision]".

    Unconditional latents or pixels (UNet2DModel), Stable Diffusion 1, 2, XL, 3 and FLUX.1, and
    consistency models. dtype is the precision of the networks (default float32), but autoencoders
    that overflow in float16, as that of XL does, keep float32; weights must be safetensors.
    `offline` never asks the network. The others save memory: `Autoencoded.save_memory`.
    PriorError names the prior, what is wrong and what to do.
    """
    directory = Directory(name, locate(name, offline=offline))
    try:
        prior = _made(directory, dtype or torch.float32)
    except PriorError:
        raise
    except (KeyError, RuntimeError, ValueError) as error:
        raise PriorError(f"{name}: its parts do not fit together ({line(error)})") from error
    if isinstance(prior, PixelPrior):
        if checkpointing:
            checkpoint_blocks(prior.network)
        return prior
    return prior.save_memory(
        slicing=slicing, tiling=tiling, checkpointing=checkpointing, offload=offload
    )


def locate(name: str, *, offline: bool = False) -> Path:
    """The directory of a prior, fetched from the hub where the name is no directory; PriorError."""
    if name == "embedded":
        return EMBEDDED
    if Path(name).is_dir():
        return Path(name)
    if Path(name).is_file() or name.endswith(SINGLE):
        raise PriorError(
            f"{name}: a single file; a prior is a diffusers directory, and diffusers makes it: "
            "StableDiffusionPipeline.from_single_file(FILE).save_pretrained(DIRECTORY)"
        )
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise PriorError(
            f'{name}: no such prior; give "embedded", a diffusers directory or a hub id owner/name'
        )
    try:
        return _snapshot(name, offline)
    except Exception as error:
        # The client raises its own, requests' and httpx's errors, none with a common base.
        where = "is not in the local cache" if offline else "could not be fetched from the hub"
        raise PriorError(
            f"{name}: {where} ({line(error)}); check the name and the network, "
            "or use --prior embedded, which needs none"
        ) from error


def installed() -> list[str]:
    """The embedded prior, and the models of diffusers in the hub's cache on this machine.

    Those that were fetched of a branch, tag or commit alone are named with it.
    """
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return ["embedded"]
    found: list[str] = []
    for repository in repositories:
        if repository.repo_type == "model":
            for revision in repository.revisions:
                if any(file.file_name == INDEX for file in revision.files):
                    refs = sorted(revision.refs) or [revision.commit_hash]
                    which = "" if "main" in refs else f"@{refs[0]}"
                    found.append(f"{repository.repo_id}{which}")
    return ["embedded", *sorted(found)]


def describe(name: str) -> Description:
    """Licence, data, size and place of a prior that is on this machine; PriorError otherwise."""
    return described(Directory(name, locate(name, offline=True)))


def verify(name: str) -> dict[str, str]:
    """Whether the files of a prior on this machine are whole: see `priors.card.verified`."""
    return verified(Directory(name, locate(name, offline=True)))


def wanted(files: Iterable[str], index: dict[str, Any]) -> list[str]:
    """Of a repository's files those that a prior needs, once each.

    Repositories also hold parts that are not used, the same weights in half precision, in one file,
    in other formats.
    """
    files = sorted(files)
    top = [file for file in files if "/" not in file]
    chosen = {file for file in top if file.endswith((".json", ".md"))}
    for part, entry in index.items():
        if not isinstance(entry, list) or part in UNUSED:
            continue
        own = fnmatch.filter(files, f"{part}/*") or top
        weights = [file for file in own if WHOLE.fullmatch(file.rpartition("/")[2])]
        halves = [file for file in own if re.search(r"\.fp16.*\.safetensors$", file)]
        chosen |= {*(weights or halves)}
        chosen |= {file for file in own if file.endswith((".json", ".txt", ".model"))}
    return sorted(chosen)


def pull(name: str) -> Path:
    """Fetch a prior from the hub, and again what of it is not as the hub has it; its directory.

    PriorError where that cannot be. Directories and the embedded prior are where they are.
    """
    folder = locate(name)
    _, wrong = examined(Directory(name, folder))
    if wrong and name != "embedded" and not Path(name).is_dir():
        for place in wrong:
            (folder / place).resolve().unlink(missing_ok=True)
            (folder / place).unlink(missing_ok=True)
        folder = locate(name)
    verify(name)
    return folder


def _snapshot(name: str, offline: bool) -> Path:
    """The folder of a hub id: asked of the hub, else, where nobody answers, from the cache."""
    from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download

    repository, _, revision = name.partition("@")
    asked: dict[str, Any] = {"revision": revision or None}

    def index(**given: Any) -> Path:
        return Path(hf_hub_download(repository, INDEX, **given, **asked))

    if offline or constants.HF_HUB_OFFLINE:
        return index(local_files_only=True).parent
    try:
        told = HfApi().model_info(repository, **asked)
        listed = json.loads(index().read_text(encoding="utf-8"))
        files = wanted([file.rfilename for file in told.siblings or ()], listed)
        return Path(snapshot_download(repository, allow_patterns=files, **asked))
    except Exception:
        try:
            return index(local_files_only=True).parent
        except Exception:
            pass
        raise


def _made(directory: Directory, precision: torch.dtype) -> PixelPrior | Autoencoded:
    """The prior of a directory, in the class of its network's family."""
    part = "transformer" if "transformer" in directory.parts else "unet"
    config, kind = directory.scheduler(), directory.kind(part)
    if kind not in FAMILIES:
        raise PriorError(f"{directory.name}: {kind} is not supported; {', '.join(FAMILIES)} are")
    network = cast(directory.network(part, precision), precision)
    coder = next((k for k in AUTOENCODERS if k in directory.parts), None)
    if kind == "UNet2DModel" and coder is None:
        return PixelPrior(network, from_config(config), prediction(config))
    autoencoder = directory.network(coder or "vae")
    overflows = precision == torch.float16 and autoencoder.config.get("force_upcast")
    cast(autoencoder, torch.float32 if overflows else precision)
    if kind == "UNet2DModel":
        return LatentPrior(autoencoder, network, from_config(config), prediction(config))
    read = stable_diffusion.read if kind == "UNet2DConditionModel" else stable_diffusion_3.read
    return read(directory, autoencoder, network, precision)
