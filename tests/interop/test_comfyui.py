"""ComfyUI's nodes do as the library does: in ComfyUI where it is installed, else in a stand-in."""

import asyncio
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import restore
from operators.measurement import simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from restore import chain
from tests.interop import comfy
from tests.priors import families

COMMON = {"noise": 0.02, "solver": "default", "steps": 5, "fidelity": -1.0, "seed": 3}


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[str, Any]]:
    """The nodes that the pack's entry point gives, by their ids."""
    before = dict(sys.modules)
    sys.modules.update(comfy.modules())
    pack = importlib.import_module("restore.interop.comfyui")
    extension = asyncio.run(pack.comfy_entrypoint())
    found = asyncio.run(extension.get_node_list())
    yield {node.GET_SCHEMA().node_id.removeprefix("Photomend"): node for node in found}
    for name in set(sys.modules) - set(before):
        if name.startswith(("restore.interop.comfyui", "comfy")):
            del sys.modules[name]


@pytest.fixture(scope="module")
def image() -> Tensor:
    """Two smooth pictures (B, H, W, C) on [0, 1]."""
    noise = torch.rand(2, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    large = torch.nn.functional.interpolate(noise, (20, 24), mode="bicubic", align_corners=True)
    return large.clamp(0, 1).movedim(1, -1).contiguous()


@torch.inference_mode()
def run(node: Any, **given: Any) -> tuple[Any, ...]:
    """Run as ComfyUI does: in inference mode."""
    images = {"image", "mask"}
    given = {k: v.clone() if k in images else v for k, v in given.items()}
    output: tuple[Any, ...] = node.EXECUTE_NORMALIZED(**given).result
    return output


def pixels(image: Tensor) -> Tensor:
    return image.movedim(-1, 1)


def test_the_pack_has_its_nodes(nodes: dict[str, Any]) -> None:
    assert list(nodes) == ["LoadPrior", "Degrade", "Deblur", "Upscale", "Inpaint", "Restore"]
    for node in nodes.values():
        schema = node.GET_SCHEMA()
        assert schema.category == "photomend" and schema.description
        # what is declared is what execute is given
        names = {slot.id for slot in schema.inputs}
        own = {"image", "mask", "kernel", "boundary", "factor", "filter", "operator", "prior"}
        own |= {"name", "prompt", "negative", "guidance", "low_memory"}
        assert names <= own | set(COMMON)
        if "solver" in names:
            assert [slot.io_type for slot in schema.outputs] == ["IMAGE", "STRING"]
            assert set(COMMON) <= names


def test_the_solvers_are_offered(nodes: dict[str, Any]) -> None:
    inputs = nodes["Upscale"].GET_SCHEMA().inputs
    (combo,) = [slot for slot in inputs if slot.id == "solver"]
    offered = combo.told["options"] if hasattr(combo, "told") else combo.options
    assert {"default", "tradeoff", "p2l"} < set(offered)


@pytest.mark.parametrize(
    ("node", "given"),
    [
        ("Upscale", {"factor": 2, "filter": "lanczos"}),
        ("Deblur", {"kernel": "gaussian:1", "boundary": "reflect"}),
        ("Restore", {"operator": "downsample:2"}),
    ],
)
def test_a_node_gives_what_the_library_gives(
    node: str, given: dict[str, Any], nodes: dict[str, Any], image: Tensor
) -> None:
    restored, report = run(nodes[node], image=image, **given, **COMMON)
    call: Any = getattr(restore, node.lower())
    options = {k: chain.parse(v) if k == "operator" else v for k, v in given.items()}
    told = {"noise": 0.02, "steps": 5, "device": "cpu"}
    for k in range(2):
        expected = call(pixels(image)[k : k + 1], **options, **told, seed=3 + k)
        assert torch.equal(pixels(restored)[k : k + 1], expected.pixels)
        assert json.loads(report)[k]["seeds"] == [3 + k]
        certified = json.loads(json.dumps(expected.report["certificate"]))
        assert json.loads(report)[k]["certificate"] == certified
    assert restored.shape[-1] == 3 and restored.is_contiguous() and not restored.is_inference()


def test_inpainting_keeps_what_the_mask_leaves(nodes: dict[str, Any], image: Tensor) -> None:
    mask = torch.zeros(1, 20, 24)
    mask[:, 5:12, 8:16] = 1
    given = {**COMMON, "noise": -1.0}
    alpha = torch.cat([image, torch.ones_like(image[..., :1])], -1)
    restored, _ = run(nodes["Inpaint"], image=alpha, mask=mask, **given)
    inside = mask[0] > 0.5
    assert torch.equal(restored[:, ~inside], image[:, ~inside])
    assert not torch.equal(restored[:, inside], image[:, inside])
    # one mask each: the second picture's is its own
    both = torch.cat([mask, mask.flip(-1)])
    other, _ = run(nodes["Inpaint"], image=image, mask=both, **given)
    assert torch.equal(other[0], restored[0])
    assert torch.equal(other[1, ~(both[1] > 0.5)], image[1, ~(both[1] > 0.5)])
    with pytest.raises(ValueError, match="mask: got 3 for 2 pictures"):
        run(nodes["Inpaint"], image=image, mask=mask.expand(3, -1, -1), **given)


def test_degrading_is_the_measurement(nodes: dict[str, Any], image: Tensor) -> None:
    (seen,) = run(nodes["Degrade"], image=image, operator="downsample:2", noise=0.1, seed=7)
    expected = simulate(chain.parse("downsample:2"), Gaussian(0.1), pixels(image), Seeds(7, 8)).y
    assert torch.equal(pixels(seen), expected.clamp(0, 1))
    (grey,) = run(nodes["Degrade"], image=image, operator="grayscale", noise=0.0, seed=7)
    assert grey.shape == image.shape and torch.equal(grey[..., 0], grey[..., 2])


def test_a_prior_with_text_takes_gradients_inside_inference_mode(
    nodes: dict[str, Any], image: Tensor, tmp_path: Path
) -> None:
    folder = str(families.save("sd1", tmp_path))
    text = {"negative": "dark", "guidance": 2.0, "low_memory": True}
    given = {"image": image[:1], "factor": 2, "filter": "box", **COMMON, "steps": 2}
    found = []
    for prompt in ("a cat", "a dog"):
        (prior,) = run(nodes["LoadPrior"], name=folder, prompt=prompt, **text)
        for solver in ("dps", "p2l"):
            restored, _ = run(nodes["Upscale"], prior=prior, **{**given, "solver": solver})
            found.append(restored)
    assert not torch.equal(found[0], found[2]) and not torch.equal(found[1], found[3])


def test_a_prior_that_cannot_be_had_is_its_own_nodes_error(nodes: dict[str, Any]) -> None:
    given = {"negative": "", "guidance": 1.0, "low_memory": False}
    with pytest.raises(TypeError, match="prompt: the prior embedded reads no text"):
        run(nodes["LoadPrior"], name="embedded", prompt="a cat", **given)
    with pytest.raises(ValueError, match="no such prior"):
        run(nodes["LoadPrior"], name="./nowhere", prompt="", **given)


def test_progress_is_told_and_a_cancelled_node_stops(
    nodes: dict[str, Any], image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comfy.utils.ProgressBar", comfy.ProgressBar)
    monkeypatch.setattr(comfy.ProgressBar, "shown", [])
    given = {"image": image, "factor": 2, "filter": "box", **COMMON, "solver": "dpir", "steps": 3}
    run(nodes["Upscale"], **given)
    assert comfy.ProgressBar.shown == [(k, 6) for k in range(1, 7)]
    comfy.ProgressBar.shown.clear()
    monkeypatch.setattr(comfy.ProgressBar, "interrupt", KeyError)
    with pytest.raises(KeyError):
        run(nodes["Upscale"], **given)
    assert comfy.ProgressBar.shown == [(1, 6)]
