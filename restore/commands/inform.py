"""doctor, demo, bench: commands that write no photo of the user's."""

import json
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from restore import spec_bench
from restore.commands.failure import FAILED, OK, Refusal
from restore.commands.parameters import checked
from restore.commands.progress import Progress


def doctor(as_json: bool) -> int:
    """Tell the state of the installation; the exit code."""
    from restore.doctor import examine

    report = examine()
    if as_json:
        _objects([report])
    else:
        for name, value in _flat(report):
            _line(f"{name}: {value}")
        _line("all is well" if not report["problems"] else "not well")
    for problem in report["problems"]:
        _complain(problem)
    return FAILED if report["problems"] else OK


def demo(output: str, steps: int | None, seed: int, as_json: bool) -> int:
    """Run the demonstration; the exit code."""
    from restore.demo import run

    try:
        figures = run(Path(output), steps=steps, seed=seed, report=_complain if as_json else _line)
    except ImportError as error:
        raise Refusal(f"{error}; pip install 'photomend[demo]'", FAILED) from error
    if as_json:
        _objects(figures)
    return OK


def bench(folder: str | None, given: dict[str, Any], output: str, as_json: bool) -> int:
    """Run the benchmark; the exit code."""
    options = dict(checked(spec_bench.Bench, given))
    from restore.bench import main

    def run(place: Path | None, *, report: Any, **named: Any) -> dict[str, Any]:
        with Progress(1) as progress:
            progress.photo("estimates")
            return main(place, report=progress.warn, progress=progress.step, **named)

    return _benched(run, folder, options, output, as_json)


def benchmark(
    module: str,
    model: type[BaseModel],
    folder: str | None,
    given: dict[str, Any],
    output: str,
    as_json: bool,
    photos: bool,
) -> int:
    """Run `main` of a module of `restore.bench`; photos: on those of a folder; the exit code."""
    options = dict(checked(model, given))
    main = import_module(f"restore.bench.{module}").main
    if photos:
        return _benched(main, folder, options, output, as_json)
    try:
        return _benched(lambda _, **named: main(**named), None, options, output, as_json)
    except ImportError as error:  # what is measured beside ours
        raise Refusal(f"{error}; pip install 'photomend[{error.name}]'", FAILED) from error


PLACES = ("lpips_weights", "peers", "photos")
"""Options of benchmarks that name a file or a folder."""


def _benched(
    main: Callable[..., dict[str, Any]],
    folder: str | None,
    options: dict[str, Any],
    output: str,
    as_json: bool,
) -> int:
    """Run one of the benchmarks and print its report.md or report.json."""
    places = {name: options.pop(name) for name in PLACES if name in options}
    summary = main(
        None if folder is None else Path(folder),
        output=Path(output),
        report=_complain,
        **{name: None if place is None else Path(place) for name, place in places.items()},
        **options,
    )
    if as_json:
        _objects([summary])
    else:
        _line((Path(output) / "report.md").read_text(encoding="utf-8"))
    return OK


def _flat(report: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Lines of a nested report: `packages torch: 2.4`; sizes in GiB."""
    for name, value in report.items():
        if isinstance(value, dict):
            yield from ((f"{name} {inner}", each) for inner, each in _flat(value))
        elif name == "priors":
            yield from ((f"prior {p['name']}", "loads" if p["loads"] else "fails") for p in value)
        elif name.endswith("_bytes") and value is not None:
            yield name.removesuffix("_bytes").replace("_", " "), f"{value / 2**30:.1f} GiB"
        elif name != "problems":
            yield name, "not known" if value is None else value


def _objects(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        _line(json.dumps(row))


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")
