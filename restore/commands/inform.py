"""doctor, demo, bench: commands that write no photo of the user's."""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

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


def bench_prior(folder: str | None, given: dict[str, Any], output: str, as_json: bool) -> int:
    """Measure a prior on its own; the exit code."""
    options = dict(checked(spec_bench.BenchPrior, given))
    from restore.bench.prior import main

    return _benched(main, folder, options, output, as_json)


def bench_latent(folder: str | None, given: dict[str, Any], output: str, as_json: bool) -> int:
    """Compare latent spaces; the exit code."""
    options = dict(checked(spec_bench.BenchLatent, given))
    from restore.bench.latent import main

    return _benched(main, folder, options, output, as_json)


def bench_peers(given: dict[str, Any], output: str, as_json: bool) -> int:
    """Time operators and solvers beside those of deepinv; the exit code."""
    options = dict(checked(spec_bench.BenchPeers, given))
    from restore.bench.deepinv_peers import main

    try:
        return _benched(lambda _, **named: main(**named), None, options, output, as_json)
    except ImportError as error:
        raise Refusal(f"{error}; pip install 'photomend[deepinv]'", FAILED) from error


def bench_posterior(given: dict[str, Any], output: str, as_json: bool) -> int:
    """Measure solvers against exact posteriors; the exit code."""
    options = dict(checked(spec_bench.BenchPosterior, given))
    from restore.bench.posterior import main

    return _benched(lambda _, **named: main(**named), None, options, output, as_json)


def bench_blind(folder: str | None, given: dict[str, Any], output: str, as_json: bool) -> int:
    """Measure the estimation of kernels; the exit code."""
    options = dict(checked(spec_bench.BenchBlind, given))
    from restore.bench.blind import main

    return _benched(main, folder, options, output, as_json)


def bench_camera(folder: str | None, given: dict[str, Any], output: str, as_json: bool) -> int:
    """Measure deblurring with and without the camera's chain; the exit code."""
    options = dict(checked(spec_bench.BenchCamera, given))
    from restore.bench.camera import main

    return _benched(main, folder, options, output, as_json)


def bench_interval(folder: str | None, given: dict[str, Any], output: str, as_json: bool) -> int:
    """Measure intervals; the exit code."""
    options = dict(checked(spec_bench.BenchInterval, given))
    from restore.bench.interval import main

    return _benched(main, folder, options, output, as_json)


def bench_large(folder: str | None, given: dict[str, Any], output: str, as_json: bool) -> int:
    """Measure large pictures; the exit code."""
    options = dict(checked(spec_bench.BenchLarge, given))
    from restore.bench.large import main

    return _benched(main, folder, options, output, as_json)


def bench_serve(given: dict[str, Any], output: str, as_json: bool) -> int:
    """Put the HTTP service under load; the exit code."""
    options = dict(checked(spec_bench.BenchServe, given))
    from restore.bench.serve import main

    return _benched(lambda _, **named: main(**named), None, options, output, as_json)


def bench_strengths(folder: str | None, given: dict[str, Any], output: str, as_json: bool) -> int:
    """Compare defaults with strengths tuned by hand; the exit code."""
    options = dict(checked(spec_bench.BenchStrengths, given))
    from restore.bench.strengths import main

    return _benched(main, folder, options, output, as_json)


def bench_speed(given: dict[str, Any], output: str, as_json: bool) -> int:
    """Time the steps of solvers; the exit code."""
    options = dict(checked(spec_bench.BenchSpeed, given))
    from restore.bench.rates import main

    return _benched(lambda _, **named: main(**named), None, options, output, as_json)


def bench_scale(given: dict[str, Any], output: str, as_json: bool) -> int:
    """Measure how busy a folder keeps the device; the exit code."""
    options = dict(checked(spec_bench.BenchScale, given))
    from restore.bench.scale import main

    return _benched(lambda _, **named: main(**named), None, options, output, as_json)


def bench_noise(folder: str | None, given: dict[str, Any], output: str, as_json: bool) -> int:
    """Measure the estimation of noise; the exit code."""
    options = dict(checked(spec_bench.BenchNoise, given))
    from restore.bench.noise import main

    return _benched(main, folder, options, output, as_json)


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
