"""photomend priors: what is on this machine, fetched from a hub, whole, under which licence."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from priors import LatentPrior, load
from priors.hub import describe
from tests.cli.conftest import Command, picture
from tests.priors import families, hub, networks

ROOT = Path(__file__).resolve().parents[2]
CARD = """---
license: other
license_name: openrail
datasets: [laion, coyo]
---
# A model
"""


def run(home: Path, address: str, code: str) -> subprocess.CompletedProcess[str]:
    """Code in a process of its own, with a cache and a hub of its own."""
    online = {"HF_HOME": str(home), "HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0"}
    online["NO_PROXY"] = online["no_proxy"] = "127.0.0.1"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **online},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_embedded_one_is_listed(photomend: Command) -> None:
    outcome = photomend("priors", "embedded", "--json", "--verify")
    assert outcome.code == 0
    (row,) = map(json.loads, outcome.out.splitlines())
    assert (row["name"], row["family"], row["text"]) == ("embedded", "latents", False)
    assert row["bytes"] == describe("embedded").bytes > 0
    assert "CLIC 2025 validation photos; " in row["training_data"]
    assert row["verified"]["read"] > 8
    first, second, third = photomend("priors", "embedded", "--verify").out.splitlines()
    assert third == f"  verified files: {row['verified']['read']} read"
    assert photomend("priors").out.startswith(f"{first}\n{second}\n")
    assert first.startswith("embedded: licence apache-2.0, latents, ")
    assert f"{row['bytes'] / 2**20:.1f} MiB" in first
    assert second == f"  training data: {row['training_data']}"


def test_it_goes_on_after_a_missing_one(photomend: Command) -> None:
    outcome = photomend("priors", "no/such", "embedded")
    assert outcome.code == 4
    assert outcome.out.startswith("embedded:")
    assert "no/such" in outcome.err
    outcome = photomend("priors", "--pull")
    assert (outcome.code, outcome.out) == (2, "") and "name what to fetch" in outcome.err


@pytest.mark.parametrize(
    ("card", "licence", "data"),
    [
        ("---\nlicense: mit\n---\n", "mit", "not stated"),
        (CARD, "openrail", "laion; coyo"),
        ("## Training data\n\nPhotos of\ncats.\n\nMore.\n# Use\n", "not stated", "Photos of cats."),
        ("---\nlicense: [a, b]\ndatasets: x\n---\n", "a, b", "x"),
        ("---\n: :\n\t- broken\n---\n", "not stated", "not stated"),
    ],
)  # fmt: skip
def test_the_card_tells_licence_and_training_data(
    card: str, licence: str, data: str, tmp_path: Path
) -> None:
    folder = networks.save(tmp_path, None)
    (folder / "README.md").write_text(card)
    found = describe(str(folder))
    assert (found.licence, found.training_data, found.family) == (licence, data, "pixels")


@pytest.mark.parametrize(
    ("family", "told"),
    [("sd1", "stable diffusion"), ("sdxl", "stable diffusion xl"), ("flux-dev", "flux")],
)
def test_families_that_read_text_are_told(
    family: str, told: str, photomend: Command, tmp_path: Path
) -> None:
    line = photomend("priors", families.save(family, tmp_path)).out.splitlines()[0]
    assert f"licence not stated, {told}, reads text, " in line


def test_broken_files_are_named(photomend: Command, tmp_path: Path) -> None:
    folder = networks.save(tmp_path, "kl")
    weights = next((folder / "unet").glob("*.safetensors"))
    held = load_file(weights)
    key = next(iter(held))
    save_file({**held, key: torch.full_like(held[key], torch.nan)}, weights)
    outcome = photomend("priors", folder, "--verify")
    assert outcome.code == 4
    assert f"unet/{weights.name} holds NaN or infinity in {key}" in outcome.err
    weights.write_bytes(weights.read_bytes()[:-5])
    assert "is broken" in photomend("priors", folder, "--verify").err
    weights.unlink()
    assert "unet has no safetensors" in photomend("priors", folder, "--verify").err
    (folder / "vae" / "config.json").write_text("{")
    assert photomend("priors", folder, "--verify").code == 4


PULLED = """
import json, pathlib
from restore.cli import main
assert main(["priors", "some/model", "--pull", "--verify", "--json"]) == 0
from priors.hub import locate
file = locate("some/model", offline=True) / "unet/diffusion_pytorch_model.safetensors"
before = file.read_bytes()
file.resolve().write_bytes(before[:-1] + bytes([before[-1] ^ 1]))  # it rots on the disk
assert main(["priors", "some/model", "--verify"]) == 4
assert main(["priors", "some/model", "--pull", "--json"]) == 0
assert file.read_bytes() == before
"""
GONE = """
from restore.cli import main
assert main(["priors", "--json"]) == 0
from priors.hub import locate
for offline in (True, False):
    print(locate("some/model", offline=offline))
"""


def test_a_model_is_pulled_verified_mended_and_then_needs_no_network(tmp_path: Path) -> None:
    model = networks.save(tmp_path / "model", "kl")
    (model / "README.md").write_text(CARD)
    weights = model / "unet" / "diffusion_pytorch_model.safetensors"
    for useless in ("unet/diffusion_pytorch_model.fp16.safetensors", "a.ckpt", "all.safetensors"):
        (model / useless).write_bytes(weights.read_bytes())
    home = tmp_path / "home"
    with hub.serving(model) as (address, asked):
        done = run(home, address, PULLED)
    assert done.returncode == 0, done.stderr
    first, last = map(json.loads, done.stdout.splitlines())
    assert (first["licence"], first["training_data"]) == ("openrail", "laion; coyo")
    assert first["verified"] == {"git": 5, "sha256": 2} and last["location"] == first["location"]
    assert not [path for path in asked if "fp16" in path or "ckpt" in path or "all." in path]
    told = f"unet/{weights.name} is not what the hub has (sha256 differs)"
    assert told in done.stderr
    # the hub is gone: what is in the cache is listed, and loads, even where the hub is to be asked
    done = run(home, address, GONE)
    assert done.returncode == 0, done.stderr
    *rows, offline, online = done.stdout.splitlines()
    assert [json.loads(row)["name"] for row in rows] == ["embedded", "some/model"]
    assert offline == online == first["location"]
    assert isinstance(load(offline), LatentPrior)


def test_a_prompt_is_heard_or_refused_by_name(photomend: Command, folder: Path) -> None:
    picture(16).save("photo.png")
    words: list[Any] = ["upscale", "photo.png", "--factor", 2, "--steps", 2, "--noise", 0.02]
    outcome = photomend(*words, "--prompt", "a cat")
    assert outcome.code == 2
    assert "prompt: the prior embedded reads no text; leave the prompt out" in outcome.err
    words += ["--prior", families.save("sd1", folder / "sd1"), "--solver", "dpir", "--overwrite"]
    seen = []
    for text in (["a cat"], ["a dog"], ["a cat", "--negative", "dark", "--guidance", 4]):
        outcome = photomend(*words, "--prompt", *text, "--low-memory")
        assert outcome.code == 0, outcome.err
        seen.append((folder / "photo.upscaled.png").read_bytes())
        report = json.loads((folder / "photo.upscaled.json").read_text())
        assert report["arguments"]["prompt"] == text[0]
    assert len(set(seen)) == 3
