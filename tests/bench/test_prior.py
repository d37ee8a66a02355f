"""A prior on its own: figures of Gaussians against their closed forms, files, words, verdicts."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from operators import Seeds
from priors.analytic import GaussianPrior, LinearDecoder
from priors.base import Prior
from priors.schedule import VP, Level
from restore.bench import BenchError, prior, quality, run, verdict
from restore.metrics import MetricError

SIDE = 16
SCHEDULE = VP(tuple(0.9999 - 0.0199 * i for i in range(51)))


class Pixels(Prior):
    """Independent values N(1/2, variance) of pictures held in another range, twice as wide."""

    schedule, unit = SCHEDULE, 0.5

    def __init__(self, variance: float) -> None:
        self.variance = variance

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """E[x_0 | x_t], in closed form; states are N(1, 4 variance)."""
        variance = 4 * self.variance
        gain = level.alpha * variance / (level.alpha**2 * variance + level.sigma**2)
        return 1 + gain * (x - level.alpha)

    def encode(self, image: Tensor) -> Tensor:
        """To [0, 2]."""
        return 2 * image

    def decode(self, x: Tensor) -> Tensor:
        """To [0, 1]."""
        return x / 2


class Grey(Pixels):
    """Pictures whose channels are equal: N(1/2, variance) along grey, no other colour at all."""

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """The mean over the channels, shrunk: its noise has a third of the variance."""
        variance, mean = 4 * self.variance, x.mean(1, keepdim=True)
        gain = level.alpha * variance / (level.alpha**2 * variance + level.sigma**2 / 3)
        return (1 + gain * (mean - level.alpha)).expand_as(x)


def picture(side: int = 128, variance: float = 0.01, channels: int = 3, seed: int = 7) -> Tensor:
    """A draw from `Pixels`; at this variance clipping to [0, 1] does nothing that counts."""
    generator = torch.Generator().manual_seed(seed)
    return 0.5 + math.sqrt(variance) * torch.randn(1, channels, side, side, generator=generator)


def decibels(error: float) -> float:
    """PSNR of a mean squared error."""
    return -10 * math.log10(error)


@pytest.mark.parametrize("sigma", [5, 10, 25, 50])
def test_denoising_is_as_good_as_the_closed_form_says(sigma: int) -> None:
    """Wiener: the mean squared error of N(m, v) in noise s^2 is v s^2 / (v + s^2)."""
    variance, noise = 0.01, (sigma / 255) ** 2
    denoisers: dict[str, quality.Denoiser] = {
        "prior": lambda y, s: quality.denoise(Pixels(variance), y, s)
    }
    scored = quality.scores(picture(), sigma / 255, 3, denoisers)
    # Four standard errors of a mean of 3 x 128 x 128 squares are 0.11 dB.
    assert scored["prior"] == pytest.approx(
        decibels(variance * noise / (variance + noise)), abs=0.11
    )
    # The noisy picture is clipped before it is scored, which removes some of the noise.
    assert scored["noisy"] == pytest.approx(decibels(noise), abs=0.3)
    again = quality.scores(picture(), sigma / 255, 3, denoisers)
    assert again == scored != quality.scores(picture(), sigma / 255, 4, denoisers)


def test_grey_noise_is_lifted_to_the_noise_of_colour() -> None:
    """With a prior of grey pictures the lifted picture is denoised as well as y itself could be."""
    sigma, variance = 25 / 255, 0.01
    g = picture(channels=1)
    y = quality.noisy(g, sigma, 0)
    estimate = quality.denoise_grey(Grey(variance), y, sigma, Seeds(0))
    expected = 0.5 + variance / (variance + sigma**2) * (y - 0.5)
    # Float32 on schedules of a hundred levels.
    assert torch.allclose(estimate, expected, atol=1e-4)


def test_lifted_noise_is_white_among_colours() -> None:
    seen: list[Tensor] = []

    class Watching(Pixels):
        def encode(self, image: Tensor) -> Tensor:
            seen.append(image)
            return super().encode(image)

    y = quality.noisy(torch.zeros(1, 1, 128, 128), 0.1, 0)
    quality.denoise_grey(Watching(0.01), y, 0.1, Seeds(1))
    assert torch.allclose(seen[0].mean(1, keepdim=True), y, atol=1e-6)
    covariance = torch.cov(seen[0][0].flatten(1))
    # Variance 3 x 0.01 each, none shared; four standard errors of 128 x 128 products.
    assert torch.allclose(covariance, 0.03 * torch.eye(3), atol=4 * 0.03 * 2**0.5 / 128)


def test_isometry_of_a_linear_decoder() -> None:
    """An orthogonal decoder keeps distances; one that stretches one half of the values does not."""
    size = 3 * SIDE * SIDE
    stretch = torch.ones(size)
    stretch[: size // 2] = 3
    kept, stretched = (
        GaussianPrior(
            torch.zeros(size),
            torch.eye(size),
            SCHEDULE,
            LinearDecoder(torch.diag(scale), torch.full((size,), 0.5), (3, SIDE, SIDE)),
        )
        for scale in (torch.ones(size), stretch)
    )
    x = picture(SIDE)
    gains = quality.isometry(kept, x, Seeds(0))
    assert gains["noise"] == pytest.approx([1] * quality.DRAWS, rel=1e-3)
    assert gains["picture"] == pytest.approx(1, rel=1e-3)
    # White noise meets the mean square of the stretch, which is the unit, up to four standard
    # errors of 768 squares; other steps do not.
    gains = quality.isometry(stretched, x, Seeds(0))
    assert gains["noise"] == pytest.approx([1] * quality.DRAWS, rel=0.08)
    z = stretched.encode(x.flip(-1)) - stretched.encode(x)
    expected = float((stretch * z).norm() / z.norm()) / 5**0.5
    assert gains["picture"] == pytest.approx(expected, rel=1e-3)
    assert abs(expected - 1) > 0.1
    symmetric = (x + x.flip(-1)) / 2
    assert quality.isometry(kept, symmetric, Seeds(0))["picture"] is None


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_samples_have_the_priors_moments(eta: float) -> None:
    """With an exact denoiser a thousand steps are within the third digit of the distribution."""
    like = torch.zeros(1, 3, 64, 64)
    x = prior.samples(Pixels(0.01), like, eta, seed=3, steps=1000)
    # The schedule begins with sigma < 1, and so a little beside the mean of the noisy pictures.
    assert float(x.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(x.std()) == pytest.approx(0.1, abs=0.005)
    few, again, other = (prior.samples(Pixels(0.01), like, eta, seed, 5) for seed in (3, 3, 4))
    assert torch.equal(few, again)
    assert not torch.equal(few, other)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A standard set of two and set14 with one photo."""
    generator = np.random.default_rng(0)
    for name in ("ffhq10/0", "ffhq10/1", "set14/2"):
        file = tmp_path / "photos" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(generator.integers(60, 200, (8, 8, 3), dtype=np.uint8))
        small.resize((SIDE, SIDE + 4), Image.Resampling.BICUBIC).save(file)
    return tmp_path / "photos"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, photos: Path, tmp_path: Path) -> Callable[..., Any]:
    """Measure the pixel prior without LPIPS and peers."""

    def without_network(*_: object) -> Tensor:
        raise MetricError("no network here")

    monkeypatch.setattr(run, "lpips", without_network)
    monkeypatch.delenv("PHOTOMEND_DATA", raising=False)
    monkeypatch.setattr(prior, "STEPS", 2)

    def measured(report: Callable[[str], None], **options: Any) -> dict[str, Any]:
        return prior.main(
            photos, prior=Pixels(0.01), size=SIDE, output=tmp_path / "out", report=report, **options
        )

    return measured


def test_report_has_every_picture_and_is_on_disk(bench: Callable[..., Any], tmp_path: Path) -> None:
    lines: list[str] = []
    summary = bench(lines.append)
    output = tmp_path / "out"
    assert json.loads((output / "report.json").read_text()) == summary
    assert {name: each["images"] for name, each in summary["sets"].items()} == {
        "ffhq10": 2,
        "set14": 1,
    }
    # Identity autoencoder, exactly isometric (float32).
    assert summary["all"]["isometry"]["noise"]["spread"] < 1e-4
    assert summary["all"]["reconstruction"]["psnr"] > 100
    assert summary["settings"]["dtype"] == "its own"
    scores = [row["denoising"]["25"]["prior"] for row in summary["pictures"]]
    assert summary["all"]["denoising"]["25"]["prior"] == pytest.approx(sum(scores) / 3)
    text = (output / "report.md").read_text()
    assert "| reconstruction at least 38 dB |" in text
    assert "| ffhq10 | grey 25/255 |" in text
    assert "| encoder |" in text
    assert "| ffhq10 | 1 |" in text.split("## Probability-flow ODE")[1]
    assert summary["all"]["ode"]["images"] == 2  # the first photo of each set
    assert [row["ode"] is None for row in summary["pictures"]] == [False, True, False]
    for block in [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]:
        assert len({line.count("|") for line in block}) == 1
    assert lines[0].startswith("without LPIPS")
    assert any(line.startswith("3/3 set14/2: autoencoder ") for line in lines)
    with Image.open(output / "samples.png") as sheet:
        assert sheet.width > prior.SAMPLES * SIDE
    with Image.open(output / "denoised.png") as sheet:
        assert sheet.height > 2 * 3 * SIDE


def test_limit_is_of_every_set_and_changes_no_picture(bench: Callable[..., Any]) -> None:
    whole, some = bench(lambda line: None), bench(lambda line: None, limit=1)
    assert [row["image"] for row in some["pictures"]] == ["0", "2"]
    assert some["pictures"] == [whole["pictures"][0], whole["pictures"][2]]
    with pytest.raises(BenchError, match="limit"):
        bench(lambda line: None, limit=0)


def row(image: str, kept: float, gains: list[float], colour: float, grey: float) -> verdict.Row:
    """Figures of a picture, with peers at 30 dB."""
    return {
        "set": "a",
        "image": image,
        "reconstruction": {"psnr": kept, "ssim": 0.99, "lpips": 0.01},
        "isometry": {"noise": gains, "picture": None},
        "denoising": {
            str(sigma): {"noisy": 20.0, "prior": colour, verdict.BF_CNN: 30.0}
            for sigma in quality.SIGMAS
        },
        "grey": {"noisy": 20.0, "prior": grey, verdict.DNCNN: 30.0},
    }


def test_verdict_compares_means_with_targets() -> None:
    rows = [row("x", 44, [1.05, 1.05], 29.9, 30.2), row("y", 36, [0.95, 0.95], 29.3, 29.9)]
    cost = {name: {"seconds": 0.05, "products": 1.0} for name in ("network evaluation", "decoder")}
    cost["encoder"] = {"seconds": 0.15, "products": 3.0}
    summary = {**verdict.summarise(rows), "cost": cost}
    assert summary["all"]["reconstruction"]["worst"]["image"] == "y"
    assert summary["all"]["isometry"]["noise"] == pytest.approx({"gain": 1.0, "spread": 0.05})
    said = {each["target"]: (each["measured"], each["met"]) for each in verdict.verdict(summary)}
    assert said == {
        "reconstruction at least 38 dB": ("40.00 dB", True),
        "reconstruction at most .02 LPIPS": ("0.0100", True),
        "isometry within 10 %": ("5.0 %", True),
        "denoising 25/255 within .3 dB of BF-CNN": ("-0.400 dB", False),
        "denoising grey 25/255 as DnCNN": ("+0.050 dB", True),
        "network evaluation at most 100 ms": ("50 ms", True),
        "encoder at most 100 ms": ("150 ms", False),
        "decoder at most 100 ms": ("50 ms", True),
    }


def test_what_was_not_measured_has_no_verdict() -> None:
    one = row("x", 44, [1.0], 29.9, 30.2)
    one["reconstruction"]["lpips"] = None
    del one["grey"][verdict.DNCNN]
    parts = ("network evaluation", "encoder", "decoder")
    cost = {name: {"seconds": 0.05, "products": 1.0} for name in parts}
    rows = verdict.verdict({**verdict.summarise([one]), "cost": cost})
    unknown = [each["target"] for each in rows if each["met"] is None]
    assert unknown == ["reconstruction at most .02 LPIPS", "denoising grey 25/255 as DnCNN"]
