"""priors: list what is on this machine, fetch, verify; licence and training data of each."""

import json
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from restore.commands.failure import NO_PRIOR, OK, Refusal


def command(
    names: Annotated[list[str], typer.Argument(help="Directories or hub ids.")] = [],  # noqa: B006
    pull: Annotated[bool, typer.Option("--pull", help="Fetch them from the hub first.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read and check their files.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a prior.")] = False,
) -> None:
    """List priors that are on this machine: licence, training data, size, where."""
    raise typer.Exit(run(names, pull, verify, as_json))


def run(names: list[str], pull: bool, verify: bool, as_json: bool) -> int:
    """Tell of the priors of this machine, or of those named; the exit code.

    pull fetches those named first; verify reads all their files.
    """
    if pull and not names:
        raise Refusal("priors --pull: name what to fetch, as owner/model")
    from priors import hub

    missing = False
    for name in names or hub.installed():
        try:
            if pull:
                hub.pull(name)
            row: dict[str, Any] = asdict(hub.describe(name))
            if verify:
                row["verified"] = _counted(hub.verify(name))
        except hub.PriorError as error:
            missing = True
            sys.stderr.write(f"{error}\n")
            continue
        sys.stdout.write((json.dumps(row) if as_json else _told(row)) + "\n")
        sys.stdout.flush()
    return NO_PRIOR if missing else OK


def _counted(vouched: dict[str, str]) -> dict[str, int]:
    """How many files each kind of proof vouches for."""
    kinds = list(vouched.values())
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def _told(row: dict[str, Any]) -> str:
    """A prior in a line, its training data in the next, and what was verified in a third."""
    text = ", reads text" if row["text"] else ""
    lines = [
        f"{row['name']}: licence {row['licence']}, {row['family']}{text}, "
        f"{row['parameters'] / 1e6:.1f} million parameters, {row['bytes'] / 2**20:.1f} MiB, "
        f"{row['location']}",
        f"  training data: {row['training_data']}",
    ]
    if "verified" in row:
        proofs = {"read": "read", "git": "by git's hash", "sha256": "by SHA-256"}
        counts = row["verified"].items()
        lines.append("  verified files: " + ", ".join(f"{n} {proofs[k]}" for k, n in counts))
    return "\n".join(lines)
