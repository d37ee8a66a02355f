"""The comparison of latent spaces on made photos: whole runs of tiny networks, and resumption."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from priors import LatentPrior, load
from priors.training.options import AutoencoderTraining, DiffusionTraining
from restore.bench import BenchError, latent, protocol, run, speed
from restore.bench.latent import Configuration
from restore.metrics import MetricError, psnr

SIDE = 64
NAMES = ["none-f4c8", "vq-f4c3"]


def blobs(folder: Path, count: int) -> None:
    """Soft coloured photos."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for k in range(count):
        small = Image.fromarray(random.integers(0, 255, (6, 7, 3), np.uint8))
        small.resize((160, 150), Image.Resampling.BICUBIC).save(folder / f"p{k}.png")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("latent")
    blobs(folder / "photos", 60)
    blobs(folder / "test", 2)
    return folder


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two steps of tiny networks on small pictures, without LPIPS; the stages that were trained."""
    trained: list[str] = []

    def first(one: Configuration, minutes: float) -> AutoencoderTraining:
        trained.append(one.name)
        width = (32, 32) if one.regularization == "none" else (8, 16)
        fields = {"steps": 2, "batch": 2, "width": width, "layers": 1, "codes": 16}
        kind = {"factor": one.factor, "channels": one.channels}
        return AutoencoderTraining.model_validate(
            {**fields, **kind, "regularization": one.regularization, "precision": "fp32"}
        )

    def second(one: Configuration, minutes: float) -> DiffusionTraining:
        fields = {"steps": 2, "batch": 2, "width": (8, 8), "layers": 1, "cached": False}
        return DiffusionTraining.model_validate({**fields, "precision": "fp32"})

    def without(*_: object) -> torch.Tensor:
        raise MetricError("no network here")

    monkeypatch.setattr(latent, "autoencoder_options", first)
    monkeypatch.setattr(latent, "diffusion_options", second)
    monkeypatch.setattr(protocol, "SIZE", SIDE)
    monkeypatch.setattr(latent, "TASKS", ("x4", "random"))
    monkeypatch.setattr(speed, "REPEATS", 1)
    monkeypatch.setattr(run, "lpips", without)
    return trained


def bench(out: Path, **changed: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"configurations": NAMES, "minutes": 1, "limit": 1, **changed}
    lines: list[str] = []
    return latent.main(
        out / "test",
        photos=out / "photos",
        output=out / "bench",
        report=lines.append,
        **asked,
    )


@pytest.mark.slow
def test_every_configuration_is_trained_once_measured_and_compared(
    out: Path, tiny: list[str]
) -> None:
    summary = bench(out)
    assert tiny == NAMES == [row["name"] for row in summary["configurations"]]
    assert json.loads((out / "bench" / "report.json").read_text()) == summary
    table = (out / "bench" / "report.md").read_text()
    with Image.open(out / "bench" / "plot.png") as plot:
        assert len(np.unique(np.array(plot.convert("RGB")).reshape(-1, 3), axis=0)) > 5
    picture = protocol.load_picture(*protocol.find_pictures(out / "test", 1)[0], SIDE).pixels
    for row in summary["configurations"]:
        prior = load(str(out / "bench" / row["name"]))
        assert isinstance(prior, LatentPrior)
        with torch.no_grad():
            decoded = prior.decode(prior.encode(picture))
        measured = psnr(decoded, picture).item()
        assert row["reconstruction"] == {"psnr": pytest.approx(measured, abs=0.01), "lpips": None}
        assert set(row["restoration"]) == set(latent.TASKS)
        for name, figures in row["restoration"].items():
            report = json.loads(
                (out / "bench" / row["name"] / "restoration" / "report.json").read_text()
            )
            assert figures["psnr"] == report["tasks"][name]["methods"]["tradeoff"]["psnr"]
        size = sum(p.numel() for p in prior.network.parameters())
        assert row["parameters"]["diffusion"] == size
        assert row["steps"] == {"autoencoder": 2, "diffusion": 2}
        assert row["evaluations_per_second"] > 0
        assert f"| {row['name']} | {row['share']:.3g} | {measured:.2f} |" in table
    # A second call trains nothing; one with other settings is refused.
    assert bench(out) == summary and tiny == NAMES
    with pytest.raises(BenchError, match="another output"):
        bench(out, minutes=2)
    # One that was interrupted goes on, but not with other settings either.
    (out / "bench" / NAMES[0] / "result.json").unlink()
    with pytest.raises(BenchError, match="another output"):
        bench(out, minutes=2)
    again = bench(out, configurations=NAMES[:1])["configurations"][0]
    assert again["restoration"] == summary["configurations"][0]["restoration"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"configurations": ["kl-f3c2"]}, "kl-f4c16"),
        ({"configurations": ["f4c2"]}, "kl-f4c16"),
        ({"minutes": 0}, "minutes"),
        ({"limit": 0}, "limit"),
    ],
)
def test_what_cannot_be_is_refused(out: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        bench(out, **changed)


@pytest.mark.parametrize("name", latent.CONFIGURATIONS)
def test_configurations_by_name(name: str) -> None:
    one = Configuration.named(name)
    assert one.name == name and 0 < one.share <= 1
    first, second = latent.autoencoder_options(one, 3), latent.diffusion_options(one, 3)
    assert first.minutes == second.minutes == 3
    assert first.clock == second.clock == "processor"  # a busy machine changes nothing
    assert (first.regularization, first.factor, first.channels) == (
        one.regularization,
        one.factor,
        one.channels,
    )
    assert second.batch * (64 // one.factor) ** 2 <= latent.LATENTS
    assert (one.regularization, one.factor) != ("none", 1) or one.share == 1
