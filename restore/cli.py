"""`photomend`: restore photos from the command line.

Results go to standard output, everything else to standard error. Exit codes: 0 ok, 1 failed,
2 usage, 3 some files failed, 4 prior not available, 5 out of memory, 130 interrupted.
"""

import ast
import os
import signal
import sys
from typing import Annotated, Any

import typer

from restore import spec
from restore.commands import priors
from restore.commands.batch import Manner
from restore.commands.bench import app as bench_app
from restore.commands.failure import FAILED, INTERRUPTED, OK, Refusal, understood
from restore.commands.parameters import declared
from restore.commands.training import app as train_app
from restore.server.settings import Serve

# The base of typer's usage errors, which it took from click before it had its own.
UsageError: type[Any] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="photomend",
    help="Restore photos with a learned latent diffusion prior: deblur, upscale, inpaint. "
    "Inputs are never overwritten. Exit codes: 0 ok, 1 failed, 2 usage, 3 some files failed, "
    "4 prior not available, 5 out of memory, 130 interrupted. PHOTOMEND_TRACEBACK=1 in the "
    "environment shows where an error comes from.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Photos = Annotated[
    list[str],
    typer.Argument(help="Files, patterns, folders, or - for standard input.", show_default=False),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        help="File, folder, or - for standard output. "
        "Default: beside the photo, as photo.deblurred.png. A JSON report lies beside it.",
    ),
]
Recursive = Annotated[bool, typer.Option("-r", "--recursive", help="Folders in folders too.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Redo what exists already.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a photo.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Only what went wrong.")]
Recorded = Annotated[
    str | None,
    typer.Option(
        "--manifest",
        help="File that records what is done; the same command goes on there, after kill -9 too.",
    ),
]
SolverOptions = Annotated[
    list[str], typer.Option("--option", help="An option of the solver: name=value; repeatable.")
]


@app.callback(invoke_without_command=True)
def _photomend(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        sys.stdout.write(f"photomend {installed('photomend')}\n")
        raise typer.Exit


def _task_command(task: str) -> None:
    @app.command(task, help=spec.TASKS[task].__doc__, no_args_is_help=True)
    @declared(spec.TASKS[task])
    def command(
        photos: Photos,
        given: dict[str, Any],
        option: SolverOptions = [],  # noqa: B006 (typer reads it; nobody writes it)
        output: Output = None,
        recursive: Recursive = False,
        overwrite: Overwrite = False,
        as_json: AsJson = False,
        quiet: Quiet = False,
        manifest: Recorded = None,
    ) -> None:
        from restore.commands import tasks

        manner = Manner(overwrite, as_json, quiet, manifest)
        options = dict(map(_named_value, option))
        raise typer.Exit(tasks.run(task, photos, output, recursive, given, options, manner))


for _task in spec.TASKS:
    _task_command(_task)


@app.command("degrade", no_args_is_help=True, help=spec.Degrade.__doc__)
@declared(spec.Degrade)
def _degrade(
    photos: Photos,
    given: dict[str, Any],
    output: Output = None,
    recursive: Recursive = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    from restore.commands import degrade

    manner = Manner(overwrite, as_json, quiet)
    raise typer.Exit(degrade.run(photos, output, recursive, given, manner))


@app.command("estimate", no_args_is_help=True)
def _estimate(
    photos: Photos,
    recursive: Recursive = False,
    as_json: AsJson = False,
) -> None:
    """Tell the noise and the blur of photos, from the photos alone."""
    from restore.commands import estimate

    raise typer.Exit(estimate.run(photos, recursive, as_json))


@app.command("sample", help=spec.Sample.__doc__)
@declared(spec.Sample)
def _sample(
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder, for sample-SEED.png; a file, for one sample or a sheet; or - for "
            "standard output. Default: out/samples.",
        ),
    ] = None,
    *,
    given: dict[str, Any],
    overwrite: Overwrite = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a picture.")] = False,
    quiet: Quiet = False,
) -> None:
    from restore.commands import sample

    raise typer.Exit(sample.run(output, given, Manner(overwrite, as_json, quiet)))


app.command("priors")(priors.command)


@app.command("doctor")
def _doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Tell what is installed, which device runs, which priors load."""
    from restore.commands import inform

    raise typer.Exit(inform.doctor(as_json))


@app.command("demo")
def _demo(
    output: Annotated[str, typer.Option("-o", "--output", help="Folder.")] = "out/demo",
    steps: Annotated[int | None, typer.Option(help="Steps of the solver.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Of the noise.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a picture.")] = False,
) -> None:
    """Damage and restore some photographs, and show both."""
    from restore.commands import inform

    raise typer.Exit(inform.demo(output, steps, seed, as_json))


@app.command("serve", help=Serve.__doc__)
@declared(Serve)
def _serve(*, given: dict[str, Any]) -> None:
    from restore.commands import serve

    raise typer.Exit(serve.run(given))


app.add_typer(bench_app, name="bench")
app.add_typer(train_app, name="train")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")  # users can do nothing about its hints
    if sys.platform != "linux":  # where `priors.threads` sees to it
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        code = int(app(arguments or ["--help"], standalone_mode=False) or OK)
        return _say("interrupted", code) if code == INTERRUPTED else code
    except UsageError as error:
        return _say(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # who read the results has gone; Python would complain once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        failure = understood(error)
        return _say(failure.message, failure.code)


def _named_value(text: str) -> tuple[str, Any]:
    """name=value; the value is a Python literal, or else text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise Refusal(f"--option {text}: write it as name=value")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _say(message: str, code: int) -> int:
    if message and code != OK:
        sys.stderr.write(f"photomend: {message}\n")
    return code


def _terminate(number: int, frame: object) -> None:
    """End like Ctrl-C, so that half-written files are removed."""
    raise KeyboardInterrupt


def entry() -> None:
    """What the installed command calls."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(main())


if __name__ == "__main__":
    entry()
