"""bench: measure restorations, a prior, latent spaces, or solvers; restorations by default."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from restore import spec_bench
from restore.commands.parameters import declared
from restore.declared import Declared

DEFAULT = "restoration"

Folder = Annotated[
    str | None,
    typer.Argument(help="Of photos, or of the standard sets. Default: what PHOTOMEND_DATA names."),
]
Output = Annotated[str, typer.Option("-o", "--output", help="Folder.")]
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


def _declare(
    name: str, model: type[Declared], module: str | None = None, *, photos: bool = True
) -> None:
    """A subcommand: `main` of a module of `restore.bench`, with a folder of photos or without."""
    place = f"out/bench-{name}"

    def measure(
        folder: Folder = None,
        *,
        given: dict[str, Any],
        output: Output = place,
        as_json: AsJson = False,
    ) -> None:
        from restore.commands import inform

        raise typer.Exit(
            inform.benchmark(module or name, model, folder, given, output, as_json, photos)
        )

    def bare(*, given: dict[str, Any], output: Output = place, as_json: AsJson = False) -> None:
        measure(None, given=given, output=output, as_json=as_json)

    app.command(name, help=model.__doc__)(declared(model)(measure if photos else bare))


_declare("prior", spec_bench.BenchPrior)
_declare("latent", spec_bench.BenchLatent)
_declare("blind", spec_bench.BenchBlind)
_declare("camera", spec_bench.BenchCamera)
_declare("certificate", spec_bench.BenchCertificate)
_declare("changed", spec_bench.BenchChanged)
_declare("compression", spec_bench.BenchCompression)
_declare("enlarged", spec_bench.BenchEnlarged)
_declare("interval", spec_bench.BenchInterval)
_declare("large", spec_bench.BenchLarge)
_declare("light", spec_bench.BenchLight)
_declare("noise", spec_bench.BenchNoise)
_declare("peers", spec_bench.BenchPeers, "deepinv_peers", photos=False)
_declare("posterior", spec_bench.BenchPosterior, photos=False)
_declare("shake", spec_bench.BenchShake)
_declare("serve", spec_bench.BenchServe, photos=False)
_declare("strengths", spec_bench.BenchStrengths)
_declare("speed", spec_bench.BenchSpeed, "rates", photos=False)
_declare("scale", spec_bench.BenchScale, photos=False)
