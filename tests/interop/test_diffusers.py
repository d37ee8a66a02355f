"""The pipeline keeps diffusers' conventions and gives what a restorer gives."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import LDMPipeline
from torch import Tensor

from operators import Blur, Downsample, kernels
from operators.seeds import Seeds
from priors.hub import load, locate
from restore import Restorer
from restore.interop.diffusers import RestorationPipeline
from restore.solvers.base import reverse

OPERATOR = Downsample(2)
FAST: dict[str, Any] = {"noise": 0.02, "num_inference_steps": 3, "output_type": "pt"}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def pipe() -> Any:
    load_from: Any = RestorationPipeline.from_pretrained
    found = load_from(str(locate("embedded")), local_files_only=True).to(torch.float32)
    found.set_progress_bar_config(disable=True)
    return found


@pytest.fixture(scope="module")
def y() -> Tensor:
    return torch.rand(2, 3, 10, 12, generator=seeded(0))


def test_it_gives_what_a_restorer_gives(pipe: Any, y: Tensor) -> None:
    found = pipe(y, OPERATOR, generator=[seeded(1), seeded(2)], **FAST).images
    seeds = [int(torch.randint(2**31 - 1, (), generator=seeded(k))) for k in (1, 2)]
    prior = load("embedded", dtype=torch.float32)
    ours = Restorer(prior, device="cpu")(y, OPERATOR, noise=0.02, seed=seeds, steps=3).pixels
    torch.testing.assert_close(found, ours, atol=1e-5, rtol=0)


def test_a_picture_is_the_same_alone(pipe: Any, y: Tensor) -> None:
    both = pipe(y, OPERATOR, generator=[seeded(1), seeded(2)], **FAST).images
    alone = pipe(y[1:], OPERATOR, generator=seeded(2), **FAST).images
    torch.testing.assert_close(both[1:], alone, atol=1e-5, rtol=0)


def test_kinds_of_outputs(pipe: Any, y: Tensor) -> None:
    def given(kind: str, **more: Any) -> Any:
        return pipe(y, OPERATOR, generator=seeded(3), **{**FAST, "output_type": kind}, **more)

    tensor, array, (pictures,) = given("pt"), given("np"), given("pil", return_dict=False)
    assert tensor.images.shape == (2, 3, 20, 24) and array.images.shape == (2, 20, 24, 3)
    assert [picture.size for picture in pictures] == [(24, 20)] * 2
    again = pipe([pictures[0], pictures[1]], Blur(kernels.gaussian(0.8)), **FAST).images
    assert again.shape == (2, 3, 20, 24)
    with pytest.raises(ValueError, match="output_type"):
        given("latent")


def test_callbacks_see_every_step_and_may_interrupt(pipe: Any, y: Tensor) -> None:
    seen: list[tuple[int, tuple[int, ...]]] = []

    def watch(
        pipeline: Any, step: int, timestep: int, tensors: dict[str, Tensor]
    ) -> dict[str, Any]:
        seen.append((step, tuple(tensors["x0"].shape)))
        pipeline._interrupt = step == 1
        return tensors

    options = {"callback_on_step_end": watch, "callback_on_step_end_tensor_inputs": ["x0"]}
    found = pipe(y, OPERATOR, generator=seeded(4), **FAST, **options).images
    assert [step for step, _ in seen] == [0, 1] and found.shape == (2, 3, 20, 24)
    whole = pipe(y, OPERATOR, generator=seeded(4), **FAST).images
    assert not torch.equal(found, whole)
    with pytest.raises(ValueError, match="none of"):
        pipe(y, OPERATOR, callback_on_step_end_tensor_inputs=["noise"], **FAST)


def test_what_it_saves_loads_in_plain_diffusers(pipe: Any, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path)
    (tmp_path / "model_index.json").write_text(
        (locate("embedded") / "model_index.json").read_text(encoding="utf-8"), encoding="utf-8"
    )
    load_from: Any = LDMPipeline.from_pretrained
    plain = load_from(str(tmp_path), local_files_only=True)
    for name, weights in pipe.unet.state_dict().items():
        assert torch.equal(weights, plain.unet.state_dict()[name].to(weights))


ALONE = """
import sys
sys.modules |= dict.fromkeys(("priors", "operators", "restore"))  # none of them can be imported
from diffusers import DiffusionPipeline
import torch
pipe = DiffusionPipeline.from_pretrained(sys.argv[1], local_files_only=True)
pipe.set_progress_bar_config(disable=True)
pipe.unet.register_to_config(sample_size=8)
drawn = torch.Generator().manual_seed(5)
picture = pipe(1, generator=drawn, num_inference_steps=4, output_type="np").images
torch.save((type(pipe).__name__, torch.from_numpy(picture)), sys.argv[2])
"""


@torch.no_grad()
def test_the_shipped_prior_samples_in_plain_diffusers(tmp_path: Path) -> None:
    words = [sys.executable, "-c", ALONE, str(locate("embedded")), str(tmp_path / "picture.pt")]
    subprocess.run(words, cwd=tmp_path, check=True, timeout=120)
    name, picture = torch.load(tmp_path / "picture.pt")
    assert name == "LDMPipeline"
    prior = load("embedded", dtype=torch.float32)
    x = torch.randn(1, 16, 8, 8, generator=seeded(5))
    for t, s in pairwise(prior.schedule.levels(4)):
        x = reverse(x, prior.denoise(x, t), t, s, 0.0, Seeds(0))
    torch.testing.assert_close(
        prior.decode(x).clamp(0, 1).movedim(1, -1), picture, atol=1e-4, rtol=0
    )


def test_one_generator_for_each_picture(pipe: Any, y: Tensor) -> None:
    with pytest.raises(ValueError, match="generator: got 1 for 2"):
        pipe(y, OPERATOR, generator=[seeded(0)], **FAST)
