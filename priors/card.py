"""What a prior's directory tells of itself: licence, training data, size, family; and whether its
files are whole."""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from priors.base import PriorError
from priors.directory import Directory, line

UNKNOWN = "not stated"
FAMILIES = {
    "UNet2DModel": "unconditional",
    "UNet2DConditionModel": "stable diffusion",
    "SD3Transformer2DModel": "stable diffusion 3",
    "FluxTransformer2DModel": "flux",
}
"""By the class of the network."""
_BLOCK = 2**20


@dataclass(frozen=True)
class Description:
    """What a user wants to know before trusting a prior."""

    name: str
    licence: str
    training_data: str
    family: str
    text: bool
    parameters: int
    bytes: int
    location: str


def described(directory: Directory) -> Description:
    """What a directory tells of itself; PriorError where it is broken."""
    files = weights(directory)
    return Description(
        directory.name,
        *_card(directory.folder),
        family=_family(directory),
        text="tokenizer" in directory.parts,
        parameters=sum(_count(directory, file) for file in files),
        bytes=sum(file.stat().st_size for file in files),
        location=str(directory.folder),
    )


def examined(directory: Directory) -> tuple[dict[str, str], dict[str, str]]:
    """Each file of a directory, relative, that is whole, with what vouches for it; those that are
    not, with what is wrong.

    "sha256" and "git": the hub's cache names files by the hash of their content, and this is it.
    "read": JSON is JSON, and weights are as long as they say and hold finite numbers.
    """
    found, wrong = {}, {}
    for file in sorted(directory.folder.rglob("*")):
        if file.is_file():
            place = file.relative_to(directory.folder).as_posix()
            try:
                found[place] = _vouched(file)
            except (ValueError, OSError) as error:
                wrong[place] = line(error)
    return found, wrong


def verified(directory: Directory) -> dict[str, str]:
    """The files of `examined`; PriorError names the first that is wrong, and parts without any."""
    for part in directory.parts:
        if _holds_weights(part) and not any(directory.place(part).glob("*.safetensors")):
            raise PriorError(f"{directory.name}: {part} has no safetensors; {_AGAIN}")
    found, wrong = examined(directory)
    for place, reason in wrong.items():
        raise PriorError(f"{directory.name}: {place} {reason}; {_AGAIN}")
    return found


def weights(directory: Directory) -> list[Path]:
    """The files of weights of a directory."""
    return sorted(directory.folder.rglob("*.safetensors"))


_AGAIN = "fetch it again: photomend priors --pull"


def _holds_weights(part: str) -> bool:
    return part.startswith(("unet", "transformer", "vae", "vqvae", "movq", "text_encoder"))


def _vouched(file: Path) -> str:
    """What vouches for a file; ValueError tells what is wrong with it."""
    stored = file.resolve().name
    if file.is_symlink() and re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{40}", stored):
        kind = "sha256" if len(stored) == 64 else "git"
        if _digest(file, kind) != stored:
            raise ValueError(f"is not what the hub has ({kind} differs)")
        return kind
    if file.suffix == ".json":
        json.loads(file.read_text(encoding="utf-8"))
    if file.suffix == ".safetensors":
        with _opened(file) as opened:
            for key in opened.keys():
                tensor = opened.get_tensor(key)
                if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                    raise ValueError(f"holds NaN or infinity in {key}")
    return "read"


def _digest(file: Path, kind: str) -> str:
    """As git and its large file storage name a content."""
    if kind == "git":
        content = file.read_bytes()
        header = f"blob {len(content)}\0".encode()
        return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """A file of weights; ValueError where it is broken."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as opened:
            yield opened
    except SafetensorError as error:
        raise ValueError(f"is broken ({line(error)})") from error


def _count(directory: Directory, file: Path) -> int:
    """Parameters in a file of weights, from its header."""
    try:
        with _opened(file) as opened:
            return sum(math.prod(opened.get_slice(key).get_shape()) for key in opened.keys())
    except (ValueError, OSError) as error:
        raise PriorError(f"{directory.name}: {file.name} {error}; {_AGAIN}") from error


def _family(directory: Directory) -> str:
    part = "transformer" if "transformer" in directory.parts else "unet"
    kind = directory.parts.get(part, ("", UNKNOWN))[1]
    family = FAMILIES.get(kind, kind)
    if kind == "UNet2DModel":
        return "pixels" if not {"vae", "vqvae", "movq"} & set(directory.parts) else "latents"
    if kind == "UNet2DConditionModel" and "text_encoder_2" in directory.parts:
        return f"{family} xl"
    return family


def _card(folder: Path) -> tuple[str, str]:
    """Licence and training data from the model card, README.md."""
    card = folder / "README.md"
    if not card.exists():
        return UNKNOWN, UNKNOWN
    text = card.read_text(encoding="utf-8")
    return _licence(_front(card)), _training_data(_front(card), text)


def _front(card: Path) -> dict[str, Any]:
    """The facts that stand before a model card's text."""
    from huggingface_hub.repocard import metadata_load

    try:
        return metadata_load(card) or {}
    except Exception:  # of the YAML parser; a card that cannot be read states nothing
        return {}


def _licence(facts: dict[str, Any]) -> str:
    stated = facts.get("license") or UNKNOWN
    if stated == "other":
        stated = facts.get("license_name") or facts.get("license_link") or "other"
    return ", ".join(map(str, stated)) if isinstance(stated, list) else str(stated)


def _training_data(facts: dict[str, Any], text: str) -> str:
    """The data sets that a card names; else the first column, or paragraph, of their section."""
    named = facts.get("datasets")
    if named:
        return "; ".join(map(str, named)) if isinstance(named, list) else str(named)
    section = re.search(r"^#+ *Training data *\n(.*?)(?=^#|\Z)", text, re.M | re.S | re.I)
    if section is None:
        return UNKNOWN
    rows = [row.split("|")[1].strip() for row in section[1].splitlines() if row.startswith("|")]
    if len(rows) > 2:  # below the heading and its rule
        return "; ".join(rows[2:])
    return " ".join(section[1].strip().split("\n\n")[0].split())[:200] or UNKNOWN
