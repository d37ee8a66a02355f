"""The whole benchmark on tiny photos with a prior in closed form: files, figures, resumption."""

import json
import sys
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
from restore.bench.methods import choose
from restore.bench.protocol import tasks
from restore.bench.records import digest
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
        "sigma": 0.025,
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
    assert lines[-2].startswith("4/4 imagenet10/1, box, sigma 0.025: observation ")
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
    dpir = speed["solvers"]["dpir"]
    shares = [dpir[f"{part}_share"] for part in ("network", "autoencoder", "operator", "rest")]
    assert sum(shares) == pytest.approx(1)
    assert all(0 <= share < 1 for share in shares)
    assert (dpir["steps"], dpir["evaluations"]) == (2, 4)


def test_noise_levels_and_numbers_of_steps_are_run_in_one(
    photos: Path, tmp_path: Path, lines: list[str]
) -> None:
    output = tmp_path / "out"
    methods = ["observation", "tikhonov", "diffpir", "tradeoff"]
    asked: dict[str, Any] = {"methods": methods, "tasks": ["x4"], "limit": 1}
    summary = bench(photos, output, lines, sigma=(0.1, 0.025), steps=(1, 3), **asked)
    assert json.loads((output / "report.json").read_text()) == summary
    labels = ["observation", "tikhonov", "diffpir@1", "diffpir@3", "tradeoff@1", "tradeoff@3"]
    first, (second,) = summary["tasks"]["x4"], summary["further"]
    assert (summary["settings"]["sigma"], second["sigma"]) == (0.1, 0.025)
    for table in (first, second["tasks"]["x4"]):
        assert list(table["methods"]) == labels
        assert table["psnr_gain"] is not None
    noisy, clean = (
        table["methods"]["observation"]["psnr"] for table in (first, second["tasks"]["x4"])
    )
    assert noisy < clean - 2
    # Neither is tradeoff's usual number: the larger is compared.
    assert summary["settings"]["default"] == "tradeoff@3"
    found = [
        (c["sigma"], c["solver"], [p["steps"] for p in c["points"]]) for c in summary["curves"]
    ]
    each = [(s, n, [1, 3]) for s in (0.1, 0.025) for n in ("diffpir", "tradeoff")]
    assert found == each
    assert [p["evaluations"] for p in summary["curves"][0]["points"]] == [1, 3]
    text = (output / "report.md").read_text()
    assert "0.1 and 0.025 on [0, 1] (papers that hold images in [-1, 1] state 0.2 and 0.05)" in text
    for name in ("curves-0.1.png", "curves-0.025.png"):
        assert f"({name})" in text
        with Image.open(output / name) as drawn:
            assert drawn.width > 300
    assert list(summary["speed"]["solvers"]) == ["diffpir", "tradeoff"]


def test_a_run_with_more_steps_and_noise_takes_what_is_known(
    photos: Path, tmp_path: Path, lines: list[str]
) -> None:
    output = tmp_path / "out"
    asked: dict[str, Any] = {"methods": ["dpir"], "tasks": ["box"], "limit": 1}
    one = bench(photos, output, lines, steps=3, **asked)
    made: list[tuple[int, int]] = []
    several = bench(
        photos,
        output,
        lines,
        steps=[1, 3],
        sigma=[0.025, 0.05],
        progress=lambda done, total: made.append((done, total)),
        **asked,
    )
    # Two pictures, two numbers of steps, two noise levels, of which one had one number of steps;
    # the files of the pictures that are shown have the number in their names and are made anew.
    assert made == [(k, 8) for k in range(1, 9)]
    figures = (one["tasks"]["box"]["methods"]["dpir"], several["tasks"]["box"]["methods"]["dpir@3"])
    assert figures[0]["psnr"] == figures[1]["psnr"]
    made.clear()
    bench(
        photos,
        output,
        lines,
        steps=[3, 1],
        sigma=0.05,
        progress=lambda done, total: made.append((done, total)),
        **asked,
    )
    assert made == []


def test_the_same_seed_gives_the_same_and_another_one_another(
    photos: Path, tmp_path: Path, lines: list[str]
) -> None:
    asked: dict[str, Any] = {"methods": ["diffpir"], "tasks": ["random"], "limit": 1}
    runs = [
        bench(photos, tmp_path / f"out{k}", lines, seed=seed, **asked)
        for k, seed in enumerate((0, 0, 1))
    ]
    found = [run["tasks"]["random"]["methods"]["diffpir"]["psnr"] for run in runs]
    assert found[0] == found[1] != found[2]


def test_a_method_that_fails_is_told_of_and_left_out(
    photos: Path, tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fickle.py").write_text(
        "from restore.solvers import State\n"
        "def refusing(measurement, prior, seeds):\n"
        "    raise TypeError('no masks')\n"
        "    yield\n"
        "def diverging(measurement, prior, seeds):\n"
        "    x = prior.encode(measurement.operator.adjoint(measurement.y))\n"
        "    yield State(1, 1, x, x / 0 if 'Mask' in repr(measurement.operator) else x)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    methods = ["observation", "fickle:refusing", "fickle:diverging"]
    summary = bench(photos, tmp_path / "out", lines, methods=methods, limit=1)
    assert list(summary["tasks"]["box"]["methods"]) == ["observation"]
    assert list(summary["tasks"]["x4"]["methods"]) == ["observation", "fickle:diverging"]
    assert summary["tasks"]["x4"]["images"] == 2
    failures = summary["failures"]
    assert len(failures) == 2 * (2 + 1)
    assert "fickle:refusing on ffhq10/0, x4, sigma 0.025: no masks" in failures
    assert any("fickle:diverging on ffhq10/0, box" in f and "NaN or inf" in f for f in failures)
    assert any(line.startswith("failed: fickle:refusing") for line in lines)
    assert f"- {failures[0]}" in (tmp_path / "out" / "report.md").read_text()


def test_without_matplotlib_there_are_no_pictures_of_curves(
    photos: Path, tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    summary = bench(photos, tmp_path / "out", lines, tasks=["box"], methods=["dpir"], limit=1)
    assert len(summary["curves"]) == 1
    assert not list((tmp_path / "out").glob("curves*"))
    assert any("photomend[bench]" in line for line in lines)


def test_weights_of_a_named_prior_are_part_of_the_question(tmp_path: Path) -> None:
    (tmp_path / "mine" / "unet").mkdir(parents=True)
    file = tmp_path / "mine" / "unet" / "weights.safetensors"
    file.write_bytes(b"one")
    before = digest(str(tmp_path / "mine"))
    file.write_bytes(b"two")
    assert digest(str(tmp_path / "mine")) != before
    (method,) = choose(["dpir"], tasks(["box"]), "embedded")
    assert method.settings(tasks(["box"])[0], 0.1)["weights"] == digest("embedded")


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
        ({"sigma": (0.05, -0.1)}, "sigma"),
        ({"sigma": ()}, "sigma"),
        ({"sigma": 6.4}, "sigma"),
        ({"steps": (10, 0)}, "steps"),
        ({"steps": ()}, "steps"),
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
