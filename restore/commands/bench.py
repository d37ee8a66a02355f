"""bench: measure restorations, a prior, latent spaces, or solvers; restorations by default."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from restore import spec_bench
from restore.commands.parameters import declared

DEFAULT = "restoration"

Folder = Annotated[
    str | None,
    typer.Argument(help="Of photos, or of the standard sets. Default: what PHOTOMEND_DATA names."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


class WithDefault(TyperGroup):
    """A group of commands that means its `DEFAULT` one where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default's name before words that begin with neither a name nor --help."""
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The commands, then the default's own options."""
        super().format_help(ctx, formatter)
        command = self.commands[DEFAULT]
        own = type(ctx)(command, info_name=ctx.info_name, parent=ctx.parent)
        command.format_help(own, formatter)


app = typer.Typer(
    cls=WithDefault,
    help="Measure restorations (the default), a prior on its own, kinds of latent spaces, or what "
    "the draws of solvers are worth. A folder with the name of a subcommand is written ./prior.",
)


@app.command(DEFAULT, help=spec_bench.Bench.__doc__)
@declared(spec_bench.Bench)
def _restoration(
    folder: Folder = None,
    *,
    given: dict[str, Any],
    output: Annotated[
        str, typer.Option("-o", "--output", help="Folder; goes on there.")
    ] = "out/bench",
    as_json: AsJson = False,
) -> None:
    from restore.commands import inform

    raise typer.Exit(inform.bench(folder, given, output, as_json))


@app.command("prior", help=spec_bench.BenchPrior.__doc__)
@declared(spec_bench.BenchPrior)
def _prior(
    folder: Folder = None,
    *,
    given: dict[str, Any],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder.")] = "out/bench-prior",
    as_json: AsJson = False,
) -> None:
    from restore.commands import inform

    raise typer.Exit(inform.bench_prior(folder, given, output, as_json))


@app.command("latent", help=spec_bench.BenchLatent.__doc__)
@declared(spec_bench.BenchLatent)
def _latent(
    folder: Folder = None,
    *,
    given: dict[str, Any],
    output: Annotated[
        str, typer.Option("-o", "--output", help="Folder; goes on there.")
    ] = "out/bench-latent",
    as_json: AsJson = False,
) -> None:
    from restore.commands import inform

    raise typer.Exit(inform.bench_latent(folder, given, output, as_json))


@app.command("blind", help=spec_bench.BenchBlind.__doc__)
@declared(spec_bench.BenchBlind)
def _blind(
    folder: Folder = None,
    *,
    given: dict[str, Any],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder.")] = "out/bench-blind",
    as_json: AsJson = False,
) -> None:
    from restore.commands import inform

    raise typer.Exit(inform.bench_blind(folder, given, output, as_json))


@app.command("camera", help=spec_bench.BenchCamera.__doc__)
@declared(spec_bench.BenchCamera)
def _camera(
    folder: Folder = None,
    *,
    given: dict[str, Any],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder.")] = "out/bench-camera",
    as_json: AsJson = False,
) -> None:
    from restore.commands import inform

    raise typer.Exit(inform.bench_camera(folder, given, output, as_json))


@app.command("interval", help=spec_bench.BenchInterval.__doc__)
@declared(spec_bench.BenchInterval)
def _interval(
    folder: Folder = None,
    *,
    given: dict[str, Any],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder.")] = "out/bench-interval",
    as_json: AsJson = False,
) -> None:
    from restore.commands import inform

    raise typer.Exit(inform.bench_interval(folder, given, output, as_json))


@app.command("large", help=spec_bench.BenchLarge.__doc__)
@declared(spec_bench.BenchLarge)
def _large(
    folder: Folder = None,
    *,
    given: dict[str, Any],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder.")] = "out/bench-large",
    as_json: AsJson = False,
) -> None:
    from restore.commands import inform

    raise typer.Exit(inform.bench_large(folder, given, output, as_json))


@app.command("noise", help=spec_bench.BenchNoise.__doc__)
@declared(spec_bench.BenchNoise)
def _noise(
    folder: Folder = None,
    *,
    given: dict[str, Any],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder.")] = "out/bench-noise",
    as_json: AsJson = False,
) -> None:
    from restore.commands import inform

    raise typer.Exit(inform.bench_noise(folder, given, output, as_json))


@app.command("peers", help=spec_bench.BenchPeers.__doc__)
@declared(spec_bench.BenchPeers)
def _peers(
    *,
    given: dict[str, Any],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder.")] = "out/bench-peers",
    as_json: AsJson = False,
) -> None:
    from restore.commands import inform

    raise typer.Exit(inform.bench_peers(given, output, as_json))


@app.command("posterior", help=spec_bench.BenchPosterior.__doc__)
@declared(spec_bench.BenchPosterior)
def _posterior(
    *,
    given: dict[str, Any],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder.")] = "out/bench-posterior",
    as_json: AsJson = False,
) -> None:
    from restore.commands import inform

    raise typer.Exit(inform.bench_posterior(given, output, as_json))


@app.command("serve", help=spec_bench.BenchServe.__doc__)
@declared(spec_bench.BenchServe)
def _serve(
    *,
    given: dict[str, Any],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder.")] = "out/bench-serve",
    as_json: AsJson = False,
) -> None:
    from restore.commands import inform

    raise typer.Exit(inform.bench_serve(given, output, as_json))


@app.command("strengths", help=spec_bench.BenchStrengths.__doc__)
@declared(spec_bench.BenchStrengths)
def _strengths(
    folder: Folder = None,
    *,
    given: dict[str, Any],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder.")] = "out/bench-strengths",
    as_json: AsJson = False,
) -> None:
    from restore.commands import inform

    raise typer.Exit(inform.bench_strengths(folder, given, output, as_json))


@app.command("speed", help=spec_bench.BenchSpeed.__doc__)
@declared(spec_bench.BenchSpeed)
def _speed(
    *,
    given: dict[str, Any],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder.")] = "out/bench-speed",
    as_json: AsJson = False,
) -> None:
    from restore.commands import inform

    raise typer.Exit(inform.bench_speed(given, output, as_json))


@app.command("scale", help=spec_bench.BenchScale.__doc__)
@declared(spec_bench.BenchScale)
def _scale(
    *,
    given: dict[str, Any],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder.")] = "out/bench-scale",
    as_json: AsJson = False,
) -> None:
    from restore.commands import inform

    raise typer.Exit(inform.bench_scale(given, output, as_json))
