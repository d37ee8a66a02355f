"""Means, best classical methods and gains of hand-made records; the cache they live in."""

from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from restore.bench.protocol import BenchError
from restore.bench.records import Cache, Record, question
from restore.bench.tables import markdown, summarise


def record(method: str, index: int, psnr: float, lpips: float | None, **other: Any) -> Record:
    """A record of one picture; solvers are those not in capitals."""
    values: dict[str, Any] = {
        "image": f"photo{index}",
        "group": "a" if index < 2 else "b",
        "index": index,
        "task": "box",
        "method": method,
        "learned": not method.isupper(),
        "sigma": 0.025,
        "size": 256,
        "seed": 0,
        "settings": {"weight": 0.1},
        "psnr": psnr,
        "ssim": psnr / 100,
        "lpips": lpips,
        "chi_square": 1.0,
        "evaluations": 10,
        "seconds": 2.0,
        "peak_memory_bytes": (1 + index) << 20,
    }
    return Record(**{**values, **other})


FIGURES = {
    "SHARP": ((30, 0.5), (20, 0.7), (25, 0.6)),
    "PLEASANT": ((29, 0.2), (19, 0.4), (24, 0.3)),
    "dpir": ((31, 0.1), (22, 0.2), (28, 0.3)),
}
RECORDS = [
    *(
        record(method, index, psnr, lpips)
        for method, figures in FIGURES.items()
        for index, (psnr, lpips) in enumerate(figures)
    ),
    record("SHARP", 0, 12, 0.9, task="x4"),
]


def test_means_are_of_all_images_and_of_each_group() -> None:
    means = summarise(RECORDS, "dpir")["box"]["methods"]["SHARP"]
    assert means["psnr"] == pytest.approx(25)
    assert means["ssim"] == pytest.approx(0.25)
    assert means["lpips"] == pytest.approx(0.6)
    assert means["peak_memory_bytes"] == 3 << 20
    assert means["groups"]["a"]["psnr"] == pytest.approx(25)
    assert means["groups"]["b"]["lpips"] == pytest.approx(0.6)


def test_best_classical_is_chosen_apart_for_psnr_and_lpips() -> None:
    task = summarise(RECORDS, "dpir")["box"]
    assert task["best_classical"] == {"psnr": "SHARP", "lpips": "PLEASANT"}
    assert task["psnr_gain"] == pytest.approx(27 - 25)
    assert task["lpips_gain"] == pytest.approx(0.3 - 0.2)


def test_a_published_network_is_not_classical() -> None:
    """Better than every classical method, and yet gains are against those."""
    rows = [*RECORDS, *(record("imdn", i, 40, 0.01) for i in range(3))]
    task = summarise(rows, "dpir")["box"]
    assert task["best_classical"] == {"psnr": "SHARP", "lpips": "PLEASANT"}
    assert task["psnr_gain"] == pytest.approx(27 - 25)
    assert task["methods"]["imdn"]["psnr"] == pytest.approx(40)


def test_methods_are_compared_over_the_images_that_all_have() -> None:
    task = summarise([r for r in RECORDS if (r.method, r.index) != ("dpir", 2)], "dpir")["box"]
    assert task["images"] == 2
    assert task["methods"]["SHARP"]["psnr"] == pytest.approx(fmean([30, 20]))
    assert list(task["methods"]["SHARP"]["groups"]) == ["a"]


def test_without_lpips_or_default_there_are_no_gains() -> None:
    task = summarise([replace(r, lpips=None) for r in RECORDS], "dpir")["box"]
    assert task["best_classical"] == {"psnr": "SHARP", "lpips": None}
    assert (task["psnr_gain"], task["lpips_gain"]) == (pytest.approx(2), None)
    assert summarise(RECORDS, None)["box"]["psnr_gain"] is None


def test_methods_without_a_common_image_are_left_out_from_the_fewest_on() -> None:
    rows = [r for r in RECORDS if r.task == "box" and (r.method, r.index) != ("dpir", 2)]
    task = summarise([*rows, record("dps", 2, 33, 0.1)], "dpir")["box"]
    assert list(task["methods"]) == ["SHARP", "PLEASANT", "dpir"]
    assert task["images"] == 2


SHARES = {
    "steps": 8,
    "evaluations": 16,
    "seconds": 4.0,
    "start_seconds": 0.5,
    "network_share": 0.75,
    "autoencoder_share": 0.15,
    "operator_share": 0.08,
    "rest_share": 0.02,
}


def test_markdown_marks_the_best_and_states_the_margin() -> None:
    report = {
        "settings": {
            "images": 3,
            "groups": ["a", "b"],
            "size": 256,
            "sigma": 0.025,
            "sigmas": [0.025],
            "seed": 0,
            "default": "dpir",
            "titles": {"box": "a hole", "x4": "enlarging"},
            "solvers": {"dpir": {"solver": "dpir", "steps": 20}},
        },
        "tasks": summarise(RECORDS, "dpir"),
        "further": [],
        "curves": [],
        "failures": [],
        "speed": {
            "threads": 1,
            "device": "cpu",
            "parts": {"box: forward": {"seconds": 0.002, "products": 0.5, "evaluations": None}},
            "solvers": {"dpir": SHARES},
        },
    }
    text = markdown(report)
    assert "| box | 25.00 (SHARP) | 27.00 | 2.00 | 0.300 (PLEASANT) | 0.200 | 0.100 |" in text
    assert "## a hole (box)" in text
    assert "| SHARP | 25.00* | 0.250 | 0.600 | 1.00 | 10 | 2.00 | 3 | 25.00 | 25.00 |" in text
    assert "| PLEASANT | 24.00 | 0.240 | 0.300* |" in text
    assert "| **dpir** | 27.00 |" in text
    assert "dpir against the best classical method: +2.00 dB PSNR, -0.100 LPIPS" in text
    assert "| box: forward | 2 | 0.5 | - |" in text
    assert "| dpir | 8 | 16 | 4.00 | 0.50 | 75.0 % | 15.0 % | 8.0 % | 2.0 % |" in text
    # A table's rows have as many cells as its head.
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 5
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1


def test_cache_gives_back_what_was_added(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    cache = Cache(file)
    for one in RECORDS:
        cache.add(one)
    again = Cache(file)
    assert [again.get(one.key, lpips=True) for one in RECORDS] == RECORDS
    asked = {name: asdict(RECORDS[0])[name] for name in ("image", "group", "index", "task")}
    other = {"method": "SHARP", "sigma": 0.05, "size": 256, "seed": 0, "settings": {"weight": 0.1}}
    assert again.get(question(**asked, **other), lpips=True) is None


def test_record_without_lpips_does_for_a_run_without_it(tmp_path: Path) -> None:
    cache, one = Cache(tmp_path / "records.jsonl"), record("SHARP", 0, 30, None)
    cache.add(one)
    assert cache.get(one.key, lpips=False) == one
    assert cache.get(one.key, lpips=True) is None


def test_torn_last_line_is_dropped_and_other_lines_are_an_error(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    cache = Cache(file)
    cache.add(RECORDS[0])
    whole = file.read_text()
    file.write_text(whole + whole[:40])
    again = Cache(file)
    again.add(RECORDS[1])
    assert Cache(file).get(RECORDS[0].key, lpips=True) == RECORDS[0]
    assert Cache(file).get(RECORDS[1].key, lpips=True) == RECORDS[1]
    file.write_text("not JSON\n" + whole)
    with pytest.raises(BenchError, match="line 1"):
        Cache(file)
