"""Curves of hand-made tables, in the report and as pictures; several noise levels in one report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from restore.bench.curves import curves, draw
from restore.bench.tables import markdown, summarise
from tests.bench.test_tables import record

STEPS = {"dpir@20": 20, "dpir@5": 5, "daps": 7}


def rows(sigma: float, lpips: float | None = 0.25) -> list[Any]:
    """A classical method and two solvers, one of them with two numbers of steps, on two tasks."""
    found = []
    for task in ("box", "x4"):
        for k, method in enumerate(["CLASSICAL", *STEPS]):
            evaluations = 2 * STEPS.get(method, 0)
            each = {"task": task, "sigma": sigma, "evaluations": evaluations}
            found.append(record(method, 0, 20 + k - 100 * sigma, lpips, **each))
    return found


def report(sigmas: Sequence[float] = (0.025, 0.05), lpips: float | None = 0.25) -> dict[str, Any]:
    """The report of such rows."""
    levels = [{"sigma": s, "tasks": summarise(rows(s, lpips), "dpir@20")} for s in sigmas]
    settings = {
        "images": 1,
        "groups": ["a"],
        "size": 256,
        "sigma": sigmas[0],
        "sigmas": list(sigmas),
        "seed": 0,
        "default": "dpir@20",
        "titles": {"box": "a hole", "x4": "enlarging, bicubic"},
        "solvers": {
            name: {"solver": name.partition("@")[0], "steps": steps}
            for name, steps in STEPS.items()
        },
    }
    summary = {"settings": settings, "tasks": levels[0]["tasks"], "further": levels[1:]}
    return {**summary, "curves": curves(summary), "failures": []}


def test_a_curve_rises_in_evaluations_for_every_noise_task_and_solver() -> None:
    found = report()["curves"]
    names = [(curve["sigma"], curve["task"], curve["solver"]) for curve in found]
    assert names == [
        (sigma, task, solver)
        for sigma in (0.025, 0.05)
        for task in ("box", "x4")
        for solver in ("dpir", "daps")
    ]
    first = found[0]["points"]
    assert [(p["steps"], p["evaluations"]) for p in first] == [(5, 10), (20, 40)]
    assert [p["psnr"] for p in first] == [pytest.approx(22 - 2.5), pytest.approx(21 - 2.5)]
    assert found[-1]["points"][0]["psnr"] == pytest.approx(23 - 5)
    assert set(first[0]) >= {"lpips", "ssim", "chi_square", "seconds"}


def test_a_solver_that_failed_on_a_task_has_no_curve_there() -> None:
    summary = report()
    del summary["tasks"]["x4"]["methods"]["daps"]
    del summary["tasks"]["x4"]["methods"]["dpir@5"]
    found = {(c["sigma"], c["task"], c["solver"]): c["points"] for c in curves(summary)}
    assert (0.025, "x4", "daps") not in found
    assert [p["steps"] for p in found[0.025, "x4", "dpir"]] == [20]


def test_the_report_shows_pictures_and_figures() -> None:
    text = markdown(report(), ["curves-0.025.png", "curves-0.05.png"])
    assert "![Quality against evaluations](curves-0.05.png)" in text
    assert (
        "0.025 and 0.05 on [0, 1] (papers that hold images in [-1, 1] state 0.05 and 0.1)" in text
    )
    assert text.count("## Noise of") == 2
    assert "## a hole (box), sigma 0.05" in text
    assert "| sigma 0.025 | box | x4 |" in text
    assert "| best classical | 17.50 / 0.250 / 0 | 17.50 / 0.250 / 0 |" in text
    assert "| dpir, 5 steps | 19.50 / 0.250 / 10 | 19.50 / 0.250 / 10 |" in text
    for block in (b.splitlines() for b in text.split("\n\n") if b.startswith("|")):
        assert len({line.count("|") for line in block}) == 1
    alone = markdown(report((0.025,)))
    assert "## a hole (box)\n" in alone
    assert "## Noise of" not in alone and "![" not in alone


@pytest.mark.parametrize("lpips", [0.25, None])
def test_a_picture_a_noise_level(tmp_path: Path, lpips: float | None) -> None:
    files = draw(report(lpips=lpips), tmp_path)
    assert [file.name for file in files] == ["curves-0.025.png", "curves-0.05.png"]
    with Image.open(files[0]) as drawn:
        # A row for PSNR, and one for LPIPS where it is known.
        assert (drawn.height > drawn.width * 0.75) == (lpips is not None)


def test_lines_and_labels_are_those_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    kept: list[Any] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **_: kept.append(figure))
    summary = report((0.025,))
    draw(summary, tmp_path)
    panels = kept[0].axes
    assert [panel.get_title() for panel in panels[:2]] == ["a hole (box)", "enlarging (x4)"]
    lines = {line.get_label(): line for line in panels[0].get_lines()}
    assert set(lines) == {"dpir", "daps", "best classical"}
    assert list(lines["dpir"].get_xdata()) == [10, 40]
    assert list(lines["dpir"].get_ydata()) == [p["psnr"] for p in summary["curves"][0]["points"]]
    classical = summary["tasks"]["box"]["methods"]["CLASSICAL"]
    assert list(lines["best classical"].get_ydata()) == [classical["psnr"]] * 2
    assert panels[0].get_xscale() == "log"


def test_solvers_that_ask_no_network_are_drawn_too(tmp_path: Path) -> None:
    summary = report((0.025,))
    for curve in summary["curves"]:
        curve["points"][0]["evaluations"] = 0
    assert draw(summary, tmp_path)


def test_nothing_is_drawn_without_solvers(tmp_path: Path) -> None:
    summary = report()
    assert draw({**summary, "curves": []}, tmp_path) == []
