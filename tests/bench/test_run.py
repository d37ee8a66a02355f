"""The whole benchmark on tiny photos with a prior in closed form: files, figures, resumption."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from priors.base import Prior
from priors.schedule import VP, Level
from restore.bench import BenchError, main, run
from restore.bench.speed import StopwatchPrior
from restore.metrics import MetricError, lpips

SIDE = 64


class Pixels(Prior):
    """Independent pixels N(1/2, 1/16), on [0, 1]: E[x_0 | x_t] in closed form."""

    schedule = VP(tuple(0.9999 - 0.0199 * i for i in range(51)))

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """Shrink towards the mean."""
        variance = 1 / 16
        gain = level.alpha * variance / (level.alpha**2 * variance + level.sigma**2)
        return 0.5 + gain * (x - 0.5 * level.alpha)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two sets of smooth pictures."""
    generator = np.random.default_rng(0)
    for name in ("ffhq10", "imagenet10"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(2):
            small = Image.fromarray(generator.integers(0, 255, (8, 8, 3), dtype=np.uint8))
            path = tmp_path / "photos" / name / f"{i}.png"
            small.resize((SIDE, SIDE + 10), Image.Resampling.BICUBIC).save(path)
    return tmp_path / "photos"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a run reports; LPIPS is out of reach unless weights are given."""

    def without_network(x: Tensor, reference: Tensor, weights: Path | None = None) -> Tensor:
        if weights is None:
            raise MetricError("no network here")
        return lpips(x, reference, weights)

    monkeypatch.setattr(run, "lpips", without_network)
    return []


def bench(photos: Path, output: Path, lines: list[str], **options: Any) -> dict[str, Any]:
    """Run three methods on two tasks."""
    asked: dict[str, Any] = {
        "tasks": ["x4", "box"],
        "methods": ["observation", "tikhonov", "dpir"],
        "steps": 2,
        "prior": Pixels(),
        "size": SIDE,
        **options,
    }
    return main(photos, output=output, report=lines.append, **asked)


def recorded(output: Path) -> list[dict[str, Any]]:
    """The lines of a run's records."""
    return [json.loads(line) for line in (output / "records.jsonl").read_text().splitlines()]


def test_report_has_every_cell_and_is_on_disk(
    photos: Path, tmp_path: Path, lines: list[str]
) -> None:
    output = tmp_path / "out"
    summary = bench(photos, output, lines)
    assert json.loads((output / "report.json").read_text()) == summary
    assert list(summary["tasks"]) == ["x4", "box"]
    for task in summary["tasks"].values():
        assert task["images"] == 4
        assert list(task["methods"]) == ["observation", "tikhonov", "dpir"]
        assert task["methods"]["dpir"]["learned"]
        assert task["methods"]["dpir"]["evaluations"] > 0
        assert task["best_classical"]["psnr"] == "tikhonov"
        assert task["psnr_gain"] is not None
        assert task["methods"]["tikhonov"]["lpips"] is None
    text = (output / "report.md").read_text()
    assert "(box)" in text
    assert "dpir against the best classical method" in text
    assert lines[0].startswith("without LPIPS")
    assert lines[-2].startswith("4/4 imagenet10/1, box: observation ")
    assert len(recorded(output)) == 4 * 2 * 3


def test_means_are_those_of_the_pictures(photos: Path, tmp_path: Path, lines: list[str]) -> None:
    summary = bench(photos, tmp_path / "out", lines, methods=["observation"], tasks=["box"])
    records = recorded(tmp_path / "out")
    mean = sum(record["psnr"] for record in records) / 4
    assert summary["tasks"]["box"]["methods"]["observation"]["psnr"] == pytest.approx(mean)
    assert summary["settings"]["default"] is None


def test_sheet_shows_truth_observation_best_and_default(
    photos: Path, tmp_path: Path, lines: list[str]
) -> None:
    bench(photos, tmp_path / "out", lines)
    with Image.open(tmp_path / "out" / "sheet.png") as sheet:
        assert sheet.width >= 4 * SIDE
        assert sheet.height >= 2 * run.SHEET_PICTURES * SIDE


def test_second_run_restores_nothing_and_gives_the_same(
    photos: Path, tmp_path: Path, lines: list[str]
) -> None:
    output = tmp_path / "out"
    first = bench(photos, output, lines)
    kept = recorded(output)
    second = bench(photos, output, lines)
    assert recorded(output) == kept
    assert second["tasks"] == first["tasks"]
    bench(photos, output, lines, steps=3)
    added = recorded(output)[len(kept) :]
    # Only the solver takes steps.
    assert {record["method"] for record in added} == {"dpir"}
    assert len(added) == 4 * 2


def test_limit_does_not_change_a_picture(photos: Path, tmp_path: Path, lines: list[str]) -> None:
    bench(photos, tmp_path / "all", lines, tasks=["random"], methods=["tikhonov", "dpir"])
    bench(photos, tmp_path / "one", lines, tasks=["random"], methods=["tikhonov", "dpir"], limit=1)
    figures = {}
    for name in ("all", "one"):
        records = recorded(tmp_path / name)
        figures[name] = {(r["group"], r["image"], r["method"]): r["psnr"] for r in records}
    assert len(figures["one"]) == 2 * 2
    assert figures["one"].items() <= figures["all"].items()


def test_speed_compares_the_parts_in_one_run(
    photos: Path, tmp_path: Path, lines: list[str]
) -> None:
    speed = bench(photos, tmp_path / "out", lines, limit=1)["speed"]
    assert speed["threads"] == torch.get_num_threads()
    assert {"x4: forward", "box: prox", "network evaluation", "decoder"} <= set(speed["parts"])
    for part in speed["parts"].values():
        ratio = part["seconds"] / speed["parts"]["network evaluation"]["seconds"]
        assert part["evaluations"] == pytest.approx(ratio)
    assert 0 < speed["solvers"]["dpir"]["network_share"] < 1


def test_stopwatch_adds_up_forward_and_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that ticks once a look: one tick forward, one more backward."""
    ticks = iter(range(100))
    monkeypatch.setattr("restore.bench.speed._clock", lambda device: float(next(ticks)))
    prior = StopwatchPrior(Pixels())
    level = prior.schedule.at(0.5)
    x = torch.rand(1, 3, 4, 4)
    assert torch.equal(prior.denoise(x, level), Pixels().denoise(x, level))
    assert prior.seconds == 1
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(prior.denoise(x, level).sum(), x)
    assert prior.seconds == 3
    (expected,) = torch.autograd.grad(Pixels().denoise(x, level).sum(), x)
    assert torch.equal(gradient, expected)


def test_lpips_is_measured_with_given_weights(
    photos: Path, tmp_path: Path, lines: list[str], data_folder: Path
) -> None:
    weights = data_folder / "weights" / "lpips_alexnet_features_lin_fp16.pth"
    options: dict[str, Any] = {"tasks": ["x4"], "methods": ["observation", "lanczos"], "limit": 1}
    bench(photos, tmp_path / "out", lines, **options)
    summary = bench(photos, tmp_path / "out", lines, lpips_weights=weights, **options)
    # What was known without LPIPS is measured again.
    for means in summary["tasks"]["x4"]["methods"].values():
        assert 0 < means["lpips"] < 1
    with pytest.raises(MetricError, match="absent"):
        bench(photos, tmp_path / "out", lines, lpips_weights=Path("absent.pth"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sigma": 0.0}, "sigma"),
        ({"limit": 0}, "limit"),
        ({"size": 30}, "size"),
        ({"tasks": ["blur"]}, "no task 'blur'"),
        ({"methods": ["dpirr"]}, "dpirr"),
        ({"methods": ["telea"], "tasks": ["x4"]}, "none of telea"),
    ],
)
def test_errors_name_the_argument(
    photos: Path, tmp_path: Path, lines: list[str], wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        bench(photos, tmp_path / "out", lines, **wrong)
    assert not (tmp_path / "out").exists()
