"""Two-stage training on a handful of made photos: exact starts, resumption, refusals, results."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from priors import LatentPrior, load
from priors.training import autoencoder, diffusion, photos
from priors.training.loop import Budget, Trainer, TrainingError
from priors.training.optimisers import optimisers
from priors.training.stages import Data, train_autoencoder, train_diffusion


def silent(line: str) -> None:
    """A reporter that says nothing."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty photos of soft blobs in two groups, tiles of some, and one broken file."""
    random = np.random.default_rng(0)
    for k in range(40):
        small = Image.fromarray(random.integers(0, 255, (6, 7, 3), np.uint8))
        group = tmp_path / "photos" / ("a" if k % 4 else "b")
        group.mkdir(parents=True, exist_ok=True)
        small.resize((150, 140), Image.Resampling.BICUBIC).save(group / f"p{k}_s1024_{k % 2}.png")
    (group / "broken.jpg").write_bytes(b"not a picture")
    return tmp_path / "photos"


@pytest.fixture
def crops() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(60, 3, 5, 5, generator=generator)
    return torch.nn.functional.interpolate(small, (32, 32), mode="bicubic") * 2 - 1


@pytest.mark.parametrize("channels", [3, 16, 48])
def test_the_autoencoder_starts_as_principal_components(crops: Tensor, channels: int) -> None:
    basis = autoencoder.patch_basis(crops)
    torch.testing.assert_close(basis.T @ basis, torch.eye(48), atol=1e-5, rtol=0)
    model = autoencoder.pca_autoencoder(basis, channels)
    kept = basis[:, :channels]
    patches = autoencoder.unshuffle(crops, 4)
    latent = model.encode(crops).latent
    torch.testing.assert_close(
        latent, torch.einsum("pc,bphw->bchw", kept, patches), atol=1e-5, rtol=1e-5
    )
    projected = torch.einsum("pc,bchw->bphw", kept, latent)
    decoded = autoencoder.unshuffle(model.decode(latent).sample, 4)
    # The norm divides by sqrt(64^2 + |h|^2) instead of 64; 24 channels below 1.4: |h|^2 < 48.
    torch.testing.assert_close(decoded, projected, atol=1.4 * 48 / (2 * 64**2), rtol=0)


def test_other_patches_are_refused() -> None:
    with pytest.raises(ValueError, match="48 rows"):
        autoencoder.pca_autoencoder(torch.eye(12), 4)


def test_photos_are_split_by_photo_and_the_broken_one_is_listed(folder: Path) -> None:
    held, kept = (set(photos.find(folder, held_out=h, share=0.3)) for h in (True, False))
    assert held and kept and not held & kept
    assert not {photos.photo_of(p) for p in held} & {photos.photo_of(p) for p in kept}
    loaded = photos.load(folder, held_out=False, minimum=64, group_weights={"b": 0.0})
    assert [line.split(":")[0] for line in loaded.skipped] == ["broken.jpg"]
    assert loaded.probability.sum() == pytest.approx(1)
    first, again = (loaded.crops(4, 64, seed=5) for _ in range(2))
    assert torch.equal(first, again) and first.shape == (4, 3, 64, 64)
    assert not torch.equal(first, loaded.crops(4, 64, seed=6))
    assert first.min() >= -1 and first.max() <= 1


def test_folders_without_photos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(photos.TrainingDataError, match="no photos found"):
        photos.load(tmp_path, held_out=False, minimum=64)
    Image.new("RGB", (20, 20)).save(tmp_path / "tiny.png")
    with pytest.raises(photos.TrainingDataError, match="64 pixels"):
        photos.load(tmp_path, held_out=False, minimum=64)


def test_noise_levels_lie_where_restoration_lives() -> None:
    levels = diffusion.NoiseLevels()
    torch.testing.assert_close(levels.alpha**2 + levels.sigma**2, torch.ones(1000))
    assert levels.weights.sum().item() == pytest.approx(1, abs=1e-6)
    drawn = levels.draw(4000, torch.Generator().manual_seed(0))
    ratio = (levels.sigma / levels.alpha)[drawn]
    assert 0.6 < ((ratio > 0.02) & (ratio < 2)).float().mean() < 0.98
    assert levels.sigma[levels.nearest(1.0)].item() == pytest.approx(0.5**0.5, abs=2e-3)


def test_the_loss_of_the_perfect_network_is_zero() -> None:
    """v of a single known picture can be computed: the loss must recognise it."""
    levels = diffusion.NoiseLevels()
    picture = torch.rand(1, 2, 4, 4).expand(8, 2, 4, 4)

    class Known(torch.nn.Module):
        def forward(self, x: Tensor, t: Tensor) -> "Known":
            alpha, sigma = (v[t].view(-1, 1, 1, 1) for v in (levels.alpha, levels.sigma))
            self.sample = alpha * (x - alpha * picture) / sigma - sigma * picture
            return self

    assert diffusion.loss(Known(), picture, levels, seed=1) < 1e-4
    assert diffusion.loss(Known(), picture + 1, levels, seed=1) > 0.1
    error = diffusion.denoising_error(Known(), picture, levels, (0.1, 1.0))
    assert max(error.values()) < 1e-6


def trainer(folder: Path, steps: int = 8) -> tuple[Trainer, Tensor]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3))
    made = optimisers(model, 1e-2)
    budget = Budget(1e9, steps, warm_up=2)
    return Trainer(model, made, budget, folder, every=0.0), torch.rand(3, 2, 9, 9)


def test_training_resumes_exactly_where_it_was_killed(tmp_path: Path) -> None:
    def weights(folder: Path, interruptions: tuple[int, ...]) -> list[Tensor]:
        for stop in (*interruptions, 10**9):
            going, x = trainer(folder)

            def loss(step: int, going: Trainer = going, x: Tensor = x) -> Tensor:
                noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(step))
                square: Tensor = going.model(x + noise).square()
                return square.mean()

            for step in going.run(loss, silent):
                if step >= stop:
                    break
        return [*going.model.state_dict().values(), *going.ema.values()]

    whole, pieces = weights(tmp_path / "whole", ()), weights(tmp_path / "pieces", (3, 5))
    assert len(whole) == 8
    for a, b in zip(whole, pieces, strict=True):
        assert torch.equal(a, b)


def test_a_diverging_loss_and_a_full_disk_keep_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, x = trainer(tmp_path)

    def loss(step: int) -> Tensor:
        factor = float("nan") if step == 3 else 1.0
        square: Tensor = going.model(x).square()
        return square.mean() * factor

    with pytest.raises(TrainingError, match="loss is nan"):
        list(going.run(loss, silent))
    assert trainer(tmp_path)[0].step == 3

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match="No space left"):
        going.save()
    monkeypatch.undo()
    assert trainer(tmp_path)[0].step == 3
    assert [p.name for p in tmp_path.glob("*.partial")] == []


def test_the_rate_rises_stays_and_falls() -> None:
    budget = Budget(minutes=10, warm_up=4, decay=0.5)
    assert [budget.rate(0, k) for k in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert budget.rate(240, 100) == 1.0
    assert budget.rate(450, 100) == pytest.approx(0.5)
    assert budget.rate(600, 100) == 0


def test_both_stages_give_a_prior_that_diffusers_loads(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "prior"
    data = Data(folder, crop=32, batch=4)
    budget = Budget(minutes=1e9, steps=3, warm_up=1)
    said: list[str] = []
    train_autoencoder(data, out, budget, channels=8, rate=1e-4, report=said.append)
    train_diffusion(data, out, budget, width=(8, 16), rate=1e-3, compiled=False, report=said.append)
    assert any("broken.jpg" in line for line in said) and any("psnr" in line for line in said)
    prior = load(str(out))
    assert isinstance(prior, LatentPrior) and prior.multiple == 8
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(out, low_cpu_mem_usage=False)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.register_to_config(sample_size=8)
    images = pipeline(num_inference_steps=2, output_type="np").images
    assert images.shape == (1, 32, 32, 3) and np.isfinite(images).all()


@pytest.mark.slow
def test_two_processes_agree_on_their_weights(folder: Path, tmp_path: Path) -> None:
    """torchrun with two workers ends, and writes one prior."""
    base = [sys.executable, "-m"]
    stage = ["priors.training", "autoencoder", str(folder), "-o", str(tmp_path / "o")]
    options = ["--steps", "2", "--batch", "4", "--channels", "8"]
    subprocess.run([*base, *stage, *options], check=True, timeout=300)
    stage = ["-m", "priors.training", "diffusion", str(folder), "-o", str(tmp_path / "o")]
    workers = ["torch.distributed.run", "--nproc-per-node", "2", *stage]
    options = ["--steps", "40", "--batch", "2", "--width", "8,16", "--crop", "32"]
    subprocess.run([*base, *workers, *options], check=True, timeout=300)
    assert isinstance(load(str(tmp_path / "o")), LatentPrior)
