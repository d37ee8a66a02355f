"""Training on a handful of made photos: the same twice, killed and resumed, alone and in two."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from priors import LatentPrior, Level, load
from priors.training import diffusion, photos
from priors.training.layout import Norm
from priors.training.loop import Objective, Progress, Trainer, TrainingError, generator
from priors.training.optimisers import ConvolutionMuon, optimisers
from priors.training.options import AutoencoderTraining, DiffusionTraining, Training
from priors.training.stages import train_autoencoder, train_diffusion

TARGETS = ("v_prediction", "epsilon", "sample", "flow_prediction")


def silent(line: str) -> None:
    """A reporter that says nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty photos of soft blobs in two groups, tiles of some, and one broken file."""
    random, root = np.random.default_rng(0), tmp_path_factory.mktemp("photos")
    for k in range(40):
        small = Image.fromarray(random.integers(0, 255, (6, 7, 3), np.uint8))
        group = root / ("a" if k % 4 else "b")
        group.mkdir(parents=True, exist_ok=True)
        small.resize((150, 140), Image.Resampling.BICUBIC).save(group / f"p{k}_s1024_{k % 2}.png")
    (group / "broken.jpg").write_bytes(b"not a picture")
    return root


@pytest.fixture(scope="module")
def first_stage(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a small trained autoencoder."""
    out = tmp_path_factory.mktemp("prior")
    options = AutoencoderTraining(steps=3, batch=4, channels=8, width=(32, 64), layers=1, crop=32)
    train_autoencoder(folder, out, options, report=silent)
    return out


def begun(first_stage: Path, place: Path) -> Path:
    """A copy of the first stage's directory, for a second stage."""
    import shutil

    return Path(shutil.copytree(first_stage, place))


def small(**options: Any) -> DiffusionTraining:
    """Options of a second stage that takes a moment."""
    chosen = {"steps": 4, "batch": 4, "width": (8, 16), "warm_up": 1, **options}
    return DiffusionTraining(**chosen)


def test_photos_are_split_by_photo_and_the_broken_one_is_listed(folder: Path) -> None:
    held, kept = (set(photos.find(folder, held_out=h, share=0.3)) for h in (True, False))
    assert held and kept and not held & kept
    assert not {photos.photo_of(p) for p in held} & {photos.photo_of(p) for p in kept}
    loaded = photos.load(folder, held_out=False, minimum=64)
    assert [line.split(":")[0] for line in loaded.skipped] == ["broken.jpg"]
    assert loaded.bank.probability.sum().item() == pytest.approx(1)
    assert sum(source.files for source in loaded.sources) == len(kept_photos(folder))
    first, again = (loaded.crops(4, 64, generator(5)) for _ in range(2))
    assert torch.equal(first, again) and first.shape == (4, 3, 64, 64)
    assert not torch.equal(first, loaded.crops(4, 64, generator(6)))
    assert first.min() >= -1 and first.max() <= 1


def kept_photos(folder: Path) -> list[Path]:
    return [p for p in photos.find(folder, held_out=False) if p.name != "broken.jpg"]


def test_crops_are_pieces_of_the_pictures() -> None:
    random = np.random.default_rng(0)
    shapes = ((9, 12), (20, 7), (11, 11))
    pictures = [torch.from_numpy(random.integers(0, 255, (*s, 3), np.uint8)) for s in shapes]
    bank = photos.Bank.of(pictures, [1.0, 1.0, 2.0])
    crops = bank.crops(300, 7, generator(0)).permute(0, 2, 3, 1)
    windows = [p.unfold(0, 7, 1).unfold(1, 7, 1).flatten(0, 1) for p in pictures]
    seen = []
    for crop in crops:
        hits = [(w.permute(0, 2, 3, 1) == crop).flatten(1).all(1).any().item() for w in windows]
        assert sum(hits) == 1
        seen.append(hits.index(True))
    assert np.bincount(seen) / 300 == pytest.approx([0.25, 0.25, 0.5], abs=0.08)
    # only the first is 12 wide, and 10 high none but the others
    with pytest.raises(photos.TrainingDataError, match="smaller crops"):
        bank.crops(1, 12, generator(0))
    assert len(bank.crops(5, 11, generator(0))) == 5


def test_some_crops_are_grey_and_some_mirrored() -> None:
    ramp = torch.arange(40, dtype=torch.uint8).expand(40, 40)
    picture = torch.stack([ramp, 2 * ramp, 3 * ramp], 2)
    loaded = photos.Photos(photos.Bank.of([picture], [1.0]), [])
    crops = loaded.crops(2000, 8, generator(1))
    grey = (crops[:, 0] == crops[:, 2]).flatten(1).all(1)
    assert grey.float().mean().item() == pytest.approx(photos.GREY, abs=0.02)
    rising = (crops[..., 1:] > crops[..., :-1]).flatten(1).all(1).float().mean().item()
    assert rising == pytest.approx(0.45, abs=0.04)  # half of the nine in ten not transposed


def test_a_small_folder_still_holds_one_photo_out(tmp_path: Path) -> None:
    for k in range(4):
        Image.new("RGB", (70, 70), (k, k, k)).save(tmp_path / f"{k}.png")
    assert len(photos.find(tmp_path, held_out=True)) == 1
    assert len(photos.find(tmp_path, held_out=False)) == 3


def test_folders_without_photos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(photos.TrainingDataError, match="no photos found"):
        photos.load(tmp_path, held_out=False, minimum=64)
    Image.new("RGB", (20, 20)).save(tmp_path / "tiny.png")
    with pytest.raises(photos.TrainingDataError, match="one photo"):
        photos.load(tmp_path, held_out=False, minimum=64)
    Image.new("RGB", (20, 20)).save(tmp_path / "small.png")
    with pytest.raises(photos.TrainingDataError, match="64 pixels"):
        photos.load(tmp_path, held_out=False, minimum=64)


def test_sources_weight_and_name_the_folders(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "sources.toml"
    file.write_text('[a]\nweight = 3\nlicence = "CC0"\n')
    loaded = photos.load(folder, held_out=False, minimum=64, sources=file)
    assert {s.name: (s.weight, s.licence) for s in loaded.sources} == {
        "a": (3, "CC0"),
        "b": (1.0, "not stated"),
    }
    crops = loaded.bank.crops(1000, 64, generator(0))
    assert len(crops) == 1000
    count_a = sum(s.files for s in loaded.sources if s.name == "a")
    weight_a = float(loaded.bank.probability[: 3 * count_a].sum())
    assert weight_a == pytest.approx(0.75, abs=0.02)
    file.write_text("[c]\nweight = 3\n")
    with pytest.raises(photos.TrainingDataError, match="no folder 'c'"):
        photos.load(folder, held_out=False, minimum=64, sources=file)
    file.write_text("[a]\nweihgt = 3\n")
    with pytest.raises(photos.TrainingDataError, match="weihgt"):
        photos.load(folder, held_out=False, minimum=64, sources=file)


@pytest.mark.parametrize("target", TARGETS)
def test_noise_levels_lie_where_restoration_lives(target: str) -> None:
    plan = diffusion.schedule(target)
    levels = diffusion.NoiseLevels(plan, 0.25, 1.3, 0.1)
    assert levels.weights.sum().item() == pytest.approx(1, abs=1e-6)
    drawn = levels.draw(4000, generator(0))
    ratio = (levels.sigma / levels.alpha)[drawn]
    assert 0.6 < ((ratio > 0.02) & (ratio < 2)).float().mean() < 0.98
    assert ratio.median().item() == pytest.approx(0.25, rel=0.25)
    for place in drawn[:20]:
        level = levels.levels[int(place)]
        assert plan.at_ratio(level.ratio).time == pytest.approx(level.time, abs=1e-3)


class Known(torch.nn.Module):
    """The perfect network for a single picture, under any target."""

    def __init__(self, picture: Tensor, levels: diffusion.NoiseLevels, target: str) -> None:
        super().__init__()
        self.picture, self.levels, self.target = picture, levels, target

    def forward(self, x: Tensor, time: Tensor) -> "Known":
        """Sets `sample` as diffusers' outputs have it."""
        place = (self.levels.time.view(-1, 1) - time.view(1, -1)).abs().argmin(0)
        levels = (self.levels.alpha, self.levels.sigma)
        alpha, sigma = (v[place].view(-1, 1, 1, 1) for v in levels)
        noise = (x - alpha * self.picture) / sigma
        self.sample = {
            "epsilon": noise,
            "sample": self.picture,
            "v_prediction": alpha * noise - sigma * self.picture,
            "flow_prediction": noise - self.picture,
        }[self.target]
        return self


@pytest.mark.parametrize("weighting", ["none", "min-snr", "relative"])
@pytest.mark.parametrize("target", TARGETS)
def test_the_loss_of_the_perfect_network_is_zero(target: str, weighting: str) -> None:
    levels = diffusion.NoiseLevels(diffusion.schedule(target), 0.25, 1.3, 0.1)
    picture = torch.rand(1, 2, 4, 4, generator=generator(0)).expand(64, 2, 4, 4)
    options = DiffusionTraining(target=target, weighting=weighting)
    known = Known(picture, levels, target)
    assert diffusion.loss(known, picture, levels, options, generator(1)) < 1e-3
    assert diffusion.loss(known, picture + 1, levels, options, generator(1)) > 0.05
    if target != "epsilon":  # dividing by alpha and sigma costs digits
        known = Known(picture[:16], levels, target)
        on_grid = diffusion.schedule(target).at(0.5).ratio
        error = diffusion.denoising_error(known, picture[:16], target, (on_grid,))
        assert max(error.values()) < 1e-6


@pytest.mark.parametrize(
    ("weighting", "weight"),
    [("min-snr", lambda r: min(r**-2, 5)), ("relative", lambda r: min(r**-1.2 + 0.14, 100))],
)
def test_a_weighting_is_of_the_error_of_x0_under_every_target(
    weighting: str, weight: Callable[[float], float]
) -> None:
    """A network that is wrong in x_0 by one everywhere costs the mean weight, whatever it says."""
    for target in TARGETS:
        levels = diffusion.NoiseLevels(diffusion.schedule(target), 0.5, 0.7, 0.0)
        picture = torch.zeros(4000, 1, 1, 1)
        options = DiffusionTraining(target=target, weighting=weighting)
        wrong = Known(picture + 1, levels, target)
        value = diffusion.loss(wrong, picture, levels, options, generator(1)).item()
        ratio = (levels.sigma / levels.alpha)[levels.draw(4000, generator(1))]
        expected = sum(map(weight, ratio.tolist())) / len(ratio)
        assert value == pytest.approx(expected, rel=0.02)


class Squares(Objective):
    """A little network that should learn to give nothing; optionally NaN at one step."""

    def __init__(self, bad: int = -1) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.random.manual_seed(0)
            self.network = torch.nn.Sequential(
                torch.nn.Conv2d(2, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3)
            )
        self.bad = bad

    def forward(self, step: int, part: int, parts: int) -> tuple[Tensor, int]:
        """Mean square of the output for noise."""
        x = torch.randn(8 // parts, 2, 9, 9, generator=generator(step, part))
        loss: Tensor = self.network(x).square().mean() * (float("nan") if step == self.bad else 1)
        return loss, len(x)


def trainer(folder: Path, bad: int = -1, **options: Any) -> Trainer:
    from accelerate import Accelerator

    chosen = Training(**{"steps": 25, "warm_up": 2, "every": 1e-9, "precision": "fp32", **options})
    return Trainer(Squares(bad), lambda n: optimisers(n, 1e-2), chosen, folder, Accelerator())


def test_training_resumes_exactly_where_it_stopped(tmp_path: Path) -> None:
    def weights(folder: Path, stops: tuple[int, ...]) -> list[Tensor]:
        for stop in (*stops, 10**9):
            going = trainer(folder)
            for step in going.run(None):
                if step >= stop:
                    break
        assert going.step == 25
        return [*going.network.state_dict().values(), *going.ema.values()]

    whole, pieces = weights(tmp_path / "whole", ()), weights(tmp_path / "pieces", (10, 20))
    assert len(whole) == 8
    for a, b in zip(whole, pieces, strict=True):
        assert torch.equal(a, b)


def test_the_clock_of_the_processor_does_not_count_waiting(tmp_path: Path) -> None:
    going = trainer(tmp_path / "processor", clock="processor", steps=12)
    inner, waited = going.objective.forward, 0.02

    def slow(*arguments: int) -> tuple[Tensor, int]:
        time.sleep(waited)
        return inner(*arguments)

    going.objective.forward = slow  # type: ignore[method-assign]
    began = time.monotonic()
    for _ in going.run(None):
        pass
    assert going.step == 12
    assert time.monotonic() - began - going.elapsed > 10 * waited


def test_muon_does_not_care_how_kernels_lie_in_memory() -> None:
    def trained(layout: torch.memory_format) -> Tensor:
        with torch.random.fork_rng():
            torch.random.manual_seed(0)
            network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 6, 3))
        network = network.to(memory_format=layout)
        x = torch.rand(2, 3, 8, 8, generator=generator(0))
        for _ in range(3):
            for one in optimisers(network, 1e-2):
                one.zero_grad()
                network(x).square().mean().backward()
                one.step()
        return torch.cat([p.detach().contiguous().flatten() for p in network.parameters()])

    plain, last = trained(torch.contiguous_format), trained(torch.channels_last)
    torch.testing.assert_close(plain, last, rtol=1e-2, atol=1e-4)  # bf16 inside Muon


def test_muon_of_matrices_taken_together_is_torchs() -> None:
    shapes = [(8, 3, 3, 3), (16, 8, 3, 3), (16, 8, 3, 3), (4, 16, 1, 1), (16, 4, 1, 1)]
    draw = generator(5)
    weights = [torch.nn.Parameter(torch.randn(s, generator=draw)) for s in shapes]
    alone = [torch.nn.Parameter(w.detach().flatten(1).clone()) for w in weights]
    ours = ConvolutionMuon(weights, 3e-3)
    theirs = torch.optim.Muon(alone, 3e-3, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for weight, matrix in zip(weights, alone, strict=True):
            weight.grad = torch.randn(weight.shape, generator=draw)
            matrix.grad = weight.grad.flatten(1).clone()
        ours.step()
        theirs.step()
    for weight, matrix in zip(weights, alone, strict=True):
        torch.testing.assert_close(weight.flatten(1), matrix, rtol=0, atol=2e-5)  # bf16 inside


def test_norms_of_a_card_are_those_of_autocast_but_for_rounding() -> None:
    norm = torch.nn.GroupNorm(4, 8)
    norm.weight.data = torch.rand(8, generator=generator(6))
    x = 3 + torch.randn(2, 8, 6, 6, generator=generator(7))
    exact = norm(x)
    norm.__class__ = Norm
    assert torch.equal(norm(x), exact)
    with torch.autocast("cpu", torch.bfloat16):
        half = norm(x.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), exact, rtol=0.01, atol=0.02)


def test_parts_add_up_to_the_step(tmp_path: Path) -> None:
    """The gradient of two parts is the mean of theirs."""
    going = trainer(tmp_path, accumulate=2)
    before = [p.detach().clone() for p in going.network.parameters()]
    losses = [going.objective(0, part, 2)[0] for part in (0, 1)]
    expected = torch.autograd.grad((losses[0] + losses[1]) / 2, list(going.network.parameters()))
    norm = torch.cat([g.flatten() for g in expected]).norm()
    loss, crops = going._update()
    assert crops == 8 and loss.item() == pytest.approx(sum(x.item() for x in losses) / 2)
    for p, old, g in zip(going.network.parameters(), before, expected, strict=True):
        torch.testing.assert_close(p.grad, g * min(1.0, 1.0 / float(norm)), rtol=1e-4, atol=1e-7)
        assert not torch.equal(p, old)


def test_the_loss_falls_and_progress_is_told(tmp_path: Path) -> None:
    told: list[Progress] = []
    going = trainer(tmp_path, steps=60)
    list(going.run(told.append))
    assert [p.step for p in told] == [10, 20, 30, 40, 50, 60]
    assert told[-1].loss < 0.5 * told[0].loss
    assert told[-1].share == 1 and told[-1].seconds_left == 0
    assert all(p.images_per_second > 0 for p in told)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30, 40, 50, 60]


def test_a_diverging_loss_and_a_full_disk_keep_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = trainer(tmp_path, bad=13)
    with pytest.raises(TrainingError, match=r"loss is nan at step 20.*checkpoint\.pt stands"):
        list(going.run(None))
    assert trainer(tmp_path).step == 10

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match="No space left"):
        going.save()
    monkeypatch.undo()
    assert trainer(tmp_path).step == 10
    assert [p.name for p in tmp_path.glob("*.partial")] == []


def test_a_loss_that_explodes_is_a_divergence(tmp_path: Path) -> None:
    going = trainer(tmp_path)
    going._check(1.0)
    going._check(3.0)
    with pytest.raises(TrainingError, match="diverged"):
        going._check(30.0)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    list(trainer(tmp_path).run(None))
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    state["model"]["0.weight"] = torch.zeros(7, 2, 3, 3)
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(TrainingError, match="does not fit"):
        trainer(tmp_path)


def test_the_rate_rises_stays_and_falls(tmp_path: Path) -> None:
    going = trainer(tmp_path, steps=None, minutes=10, warm_up=4, decay=0.5)
    rates = []
    for going.step in range(4):
        rates.append(going._rate())
    assert rates == [0.25, 0.5, 0.75, 1.0]
    going.step = 100
    for going.elapsed, expected in ((240, 1.0), (450, 0.5), (600, 0.0)):
        assert going._rate() == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' own
@pytest.mark.parametrize(
    "target",
    [pytest.param(t, marks=[pytest.mark.slow] * (t != "flow_prediction")) for t in TARGETS],
)
def test_both_stages_give_a_prior_that_diffusers_loads_and_samples(
    folder: Path, first_stage: Path, tmp_path: Path, target: str
) -> None:
    out, said = begun(first_stage, tmp_path / "prior"), list[str]()
    train_diffusion(folder, out, small(target=target), report=said.append)
    assert any("broken.jpg" in line for line in said) and any("denoising" in line for line in said)
    prior = load(str(out))
    assert isinstance(prior, LatentPrior) and prior.multiple == 8 and prior.prediction == target
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(out, low_cpu_mem_usage=False)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.register_to_config(sample_size=8)
    images = pipeline(num_inference_steps=2, output_type="np").images
    assert images.shape == (1, 32, 32, 3) and np.isfinite(images).all()
    level: Level = prior.schedule.at_ratio(0.5)
    z = prior.encode(torch.rand(1, 3, 32, 32, generator=generator(0)))
    assert prior.denoise(level.alpha * z, level).isfinite().all()


def test_a_run_leaves_log_curves_sheets_and_a_card(
    folder: Path, first_stage: Path, tmp_path: Path
) -> None:
    out = begun(first_stage, tmp_path / "prior")
    train_diffusion(folder, out, small(licence="apache-2.0"), report=silent)
    for stage, sheet in (("autoencoder", "reconstructions.png"), ("diffusion", "samples.png")):
        made = out / "training" / stage
        with Image.open(made / sheet) as drawn:
            assert min(drawn.size) >= 256
        last = json.loads((made / "log.jsonl").read_text().splitlines()[-1])
        assert {"step", "seconds"} < set(last)
        assert list(made.glob("events.out.tfevents.*"))
    card = (out / "README.md").read_text()
    assert "license: " in card and "| a |" in card and "denoising through the latent space" in card
    assert f"{json.loads((made / 'run.json').read_text())['step']} steps" in card
    (out / "README.md").write_text("mine")
    train_diffusion(folder, out, small(steps=8), report=silent)
    assert (out / "README.md").read_text() == "mine"


def test_tensorboard_reads_the_curves(first_stage: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(first_stage / "training" / "autoencoder"))
    events.Reload()
    assert {"loss", "psnr", "isometry_error"} <= set(events.Tags()["scalars"])
    lines = (first_stage / "training" / "autoencoder" / "log.jsonl").read_text().splitlines()
    logged = [json.loads(line)["psnr"] for line in lines if "psnr" in line]
    assert [e.value for e in events.Scalars("psnr")] == pytest.approx(logged)


def test_cached_latents_are_those_of_the_photos(
    folder: Path, first_stage: Path, tmp_path: Path
) -> None:
    from priors.training.latents import Latents
    from priors.training.pipeline import load_autoencoder

    loaded = photos.load(folder, held_out=False, minimum=128)
    latents = Latents(load_autoencoder(first_stage), loaded)
    assert (latents.factor, latents.channels) == (4, 8)
    cached = latents.cached(tmp_path, silent)(300, 64, generator(0))
    online = latents.online()(300, 64, generator(0))
    assert cached.shape == online.shape == (300, 8, 16, 16)
    assert cached.std().item() == pytest.approx(online.std().item(), rel=0.1)
    again = latents.cached(tmp_path, silent)(300, 64, generator(0))
    assert torch.equal(cached, again)
    # the first photo's own latents hold every crop that was taken of it
    train_diffusion(folder, begun(first_stage, tmp_path / "p"), small(cached=True), report=silent)


def test_what_cannot_be_trained_is_refused(folder: Path, tmp_path: Path, first_stage: Path) -> None:
    with pytest.raises(TrainingError, match="no budget"):
        train_autoencoder(folder, tmp_path, AutoencoderTraining(), report=silent)
    with pytest.raises(photos.TrainingDataError, match="holds no autoencoder"):
        train_diffusion(folder, tmp_path, small(), report=silent)
    out = begun(first_stage, tmp_path / "prior")
    with pytest.raises(photos.TrainingDataError, match="no multiple"):
        train_diffusion(folder, out, small(crops={36: 1.0}, width=(8, 16, 16)), report=silent)
    with pytest.raises(photos.TrainingDataError, match="no such prior"):
        train_diffusion(folder, out, small(init="nowhere"), report=silent)


def command(folder: Path, out: Path, *more: str) -> list[str]:
    """The command of a second stage in full precision."""
    stage = ["train", "diffusion", str(folder), "-o", str(out), "--width", "8,16"]
    return ["-m", "restore.cli", *stage, "--batch", "4", "--precision", "fp32", *more]


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(
    folder: Path, first_stage: Path, tmp_path: Path
) -> None:
    """kill -9 after the first checkpoint; then the same command once more."""
    killed, whole = (begun(first_stage, tmp_path / name) for name in ("killed", "whole"))
    more = ("--steps", "30", "--every", "0.001")
    going = subprocess.Popen([sys.executable, *command(folder, killed, *more)])
    checkpoint = killed / "training" / "diffusion" / "checkpoint.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    going.send_signal(signal.SIGKILL)
    assert going.wait() == -signal.SIGKILL
    assert torch.load(checkpoint, weights_only=True)["step"] < 30
    for out in (killed, whole):
        options = small(steps=30, every=0.001, precision="fp32", warm_up=100)
        train_diffusion(folder, out, options, report=silent)
    a, b = ((out / "unet" / "diffusion_pytorch_model.safetensors").read_bytes() for out in
            (killed, whole))  # fmt: skip
    assert a == b


@pytest.mark.slow
def test_two_processes_train_as_one_with_two_parts(
    folder: Path, first_stage: Path, tmp_path: Path
) -> None:
    two, one = (begun(first_stage, tmp_path / name) for name in ("two", "one"))
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29571"}
    words = command(folder, two, "--steps", "10")
    subprocess.run([*launch, *words], check=True, timeout=300, env=environment)
    words = command(folder, one, "--steps", "10", "--accumulate", "2")
    subprocess.run([sys.executable, *words], check=True, timeout=300)
    from safetensors.torch import load_file

    a, b = (load_file(o / "unet" / "diffusion_pytorch_model.safetensors") for o in (two, one))
    # fp16 files, and Muon's iteration runs in bf16: a last bit of a gradient may grow
    assert max((a[k].float() - b[k].float()).abs().max().item() for k in a) < 0.01


@pytest.mark.gpu
@pytest.mark.parametrize("cached", [False, True])
def test_both_stages_train_on_a_gpu(folder: Path, tmp_path: Path, cached: bool) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    first = AutoencoderTraining(steps=20, batch=4, channels=8, width=(32, 64), crop=32)
    train_autoencoder(folder, tmp_path, first, report=silent)
    second = small(steps=40, crops={64: 0.5, 128: 0.5}, cached=cached)
    train_diffusion(folder, tmp_path, second, report=silent)
    facts = json.loads((tmp_path / "training" / "diffusion" / "run.json").read_text())
    assert facts["device"] != "CPU" and facts["figures"]["x0_1"] < 1.5
    assert isinstance(load(str(tmp_path)), LatentPrior)
