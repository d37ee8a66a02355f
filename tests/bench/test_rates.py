"""The benchmark of speed: what a step calls, its floor, shapes of published networks."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from operators import Blur, Downsample, kernels
from priors import GaussianPrior, LatentPrior
from priors.schedule import from_config
from restore.bench import rates, shapes, step
from restore.bench.protocol import BenchError
from restore.cli import main
from tests.priors.networks import autoencoders, unet


def latent_prior() -> LatentPrior:
    return LatentPrior(autoencoders()["kl"], unet(4), from_config(shapes.SCHEDULER))


@pytest.mark.parametrize(
    ("name", "count"), [("sd15", 859_520_964), ("sdxl", 2_567_463_684), ("autoencoder", 83_653_863)]
)
def test_shapes_have_as_many_parameters_as_what_was_published(name: str, count: int) -> None:
    with torch.device("meta"):
        made = shapes.autoencoder() if name == "autoencoder" else shapes.network(name)
    assert sum(weights.numel() for weights in made.parameters()) == count


def test_calls_are_counted_with_and_without_gradients() -> None:
    schedule = from_config(shapes.SCHEDULER)
    prior = step.Calls(GaussianPrior(torch.zeros(4), torch.eye(4), schedule))
    x = torch.rand(1, 4)
    level = prior.schedule.at(0.5)
    prior.denoise(x, level)
    prior.denoise(x.clone().requires_grad_(), level)
    with torch.no_grad():
        prior.decode(x.clone().requires_grad_())
    assert prior.counts == {("network", False): 1, ("network", True): 1, ("decoder", False): 1}


def test_the_floor_is_what_the_step_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    prior = latent_prior()
    names = ("network", "encoder", "decoder")
    floor: dict[step.Call, float] = {(n, g): 1.0 + g for n in names for g in (False, True)}
    shape, blur = (1, 3, 32, 32), Blur(kernels.motion(5, 20), "circular")
    found = step.step(prior, floor, "dps", blur, shape, 2)
    assert (found["evaluations"], found["floor"]) == (1, 4)  # both with gradients
    found = step.step(prior, floor, "dpir", Downsample(2), shape, 2)
    assert found["evaluations"] == 2 and found["floor"] >= 2
    shares = [found[f"{name} share"] for name in step.SHARES]
    assert sum(shares) == pytest.approx(1) and min(shares) >= -0.05
    assert found["ratio"] == pytest.approx(found["seconds"] / found["floor"])


def test_every_call_is_timed() -> None:
    seconds = step.alone(latent_prior(), (2, 3, 32, 32))
    assert len(seconds) == 6 and min(seconds.values()) > 0


def test_the_command_writes_what_it_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "speed", "--sizes", "32", "--steps", "2", "--solvers", "dpir,dps"]
    words += ["--dtypes", "float32,bfloat16", "--operators", "x4", "-o", str(tmp_path), "--json"]
    assert main(words) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "report.json").read_text())
    rows = printed["rows"]
    assert [(r["dtype"], r["solver"]) for r in rows] == [
        (dtype, solver) for dtype in ("float32", "bfloat16") for solver in ("dpir", "dps")
    ]
    assert all("why" not in row and row["ratio"] > 0.3 for row in rows)
    assert (tmp_path / "report.md").read_text().count("\n| embedded ") == 4
    assert (tmp_path / "report.png").read_bytes()[:4] == b"\x89PNG"


def test_what_does_not_go_is_told_in_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*_: object) -> Tensor:
        raise RuntimeError("can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(rates, "alone", short)
    summary = rates.main(sizes=[32], output=tmp_path, report=lambda _: None)
    assert [row["why"] for row in summary["rows"]] == ["out of memory"]
    with pytest.raises(BenchError, match="modes: fast; there are eager"):
        rates.main(modes=["fast"], output=tmp_path, report=lambda _: None)


@pytest.mark.slow
def test_the_shape_of_stable_diffusion_takes_a_step() -> None:
    prior = shapes.shaped("sd15", torch.device("cpu"), torch.float32)
    floor = step.alone(prior, (1, 3, 64, 64))
    found = step.step(prior, floor, "dpir", Downsample(2), (1, 3, 64, 64), 2)
    assert 0.5 < found["ratio without operator"] < 2
