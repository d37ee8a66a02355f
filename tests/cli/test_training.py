"""train: two commands make a prior that restores; a careless user is told what is wrong."""

from pathlib import Path

import pytest
import torch

from priors.training.options import AutoencoderTraining, DiffusionTraining
from restore import metrics
from restore.commands import training
from tests.cli.conftest import Command, picture

SMALL = ("--width", "32,64", "--layers", "1", "--channels", "8", "--batch", "4", "--crop", "32")


@pytest.fixture
def photos(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve photos and a file that is none; LPIPS out of reach."""

    def unreachable(*_: object) -> torch.Tensor:
        raise metrics.MetricError("no weights here")

    monkeypatch.setattr(metrics, "lpips", unreachable)
    place = folder / "album" / "sea"
    place.mkdir(parents=True)
    for k in range(12):
        picture(140, k).save(place / f"{k}.png")
    (place / "letter.jpg").write_text("dear")
    return place.parent


def test_two_commands_make_a_prior_that_restores(
    photomend: Command, photos: Path, folder: Path
) -> None:
    first = photomend("train", "autoencoder", photos, "-o", "mine", "--steps", 3, *SMALL)
    assert (first.code, first.out) == (0, "mine\n")
    assert "skipped letter.jpg" in first.err and "11 photos to train on, 1 held out" in first.err
    assert "psnr" in first.err and "ssim" in first.err
    words = ("--steps", 3, "--width", "8,16", "--batch", "4")
    second = photomend("train", "diffusion", photos, "-o", "mine", *words)
    assert second.code == 0 and "denoising_psnr_25" in second.err
    assert "crops a second" in second.err and "million parameters" in second.err
    photo = picture(48)
    photo.save(folder / "photo.png")
    restored = photomend(
        "upscale", "photo.png", "--factor", 2, "--prior", "mine", "--steps", 2, "--noise", 0.02
    )
    assert restored.code == 0 and (folder / "photo.upscaled.png").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("autoencoder", "nowhere", "-o", "o", "--steps", 1), 1, "no such folder"),
        (("autoencoder", "empty", "-o", "o", "--steps", 1), 1, "no photos found"),
        (("autoencoder", "album", "-o", "o"), 1, "give minutes, steps or both"),
        (("diffusion", "album", "-o", "o", "--steps", 1), 1, "run `photomend train autoencoder`"),
        (("autoencoder", "album", "-o", "o", "--factor", 3), 2, "--factor"),
        (("diffusion", "album", "-o", "o", "--width", "a,b"), 2, "--width"),
        (("diffusion", "album", "-o", "o", "--crops", "64=0"), 2, "--crops"),
        (("autoencoder", "album", "-o", "o", "--steps", 1, "--lpips", 1), 1, "no weights here"),
        (("autoencoder", "album", "--steps", 1), 2, "output"),
        (("autoencoder", "album", "-o", "o", "--steps", 1, "--channels", 49), 2, "48"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_line(
    photomend: Command,
    photos: Path,
    folder: Path,
    words: tuple[object, ...],
    code: int,
    said: str,
) -> None:
    (folder / "empty").mkdir()
    outcome = photomend("train", *words)
    assert outcome.code == code, outcome.err
    assert said in outcome.err and "Traceback" not in outcome.err


def test_an_output_that_cannot_be_written_is_told(
    photomend: Command, photos: Path, folder: Path
) -> None:
    (folder / "taken").write_text("a file")
    outcome = photomend("train", "autoencoder", photos, "-o", "taken", "--steps", 1, *SMALL)
    assert outcome.code == 1 and "cannot write" in outcome.err


def test_every_option_is_told_with_its_default(photomend: Command) -> None:
    for stage, model in (("autoencoder", AutoencoderTraining), ("diffusion", DiffusionTraining)):
        told = photomend("train", stage, "--help").out
        for name in model.model_fields:
            assert "--" + name.replace("_", "-") in told
        assert "Default: 64,96,128" in told or stage == "autoencoder"


@pytest.mark.parametrize(
    ("seconds", "told"), [(30, "30 s"), (600, "10 min"), (3 * 3600, "3 h 0 min")]
)
def test_time_left_is_told_in_units_that_fit(seconds: float, told: str) -> None:
    assert training._left(seconds) == told
