"""Executes the notebooks: every `NN_name.py` becomes `NN_name.ipynb` beside it.

    python demos/notebooks.py [NN ...] [-o FOLDER]

Cell ids and metadata depend on the source alone, so that a second run changes nothing but what the
cells themselves compute. Notebook 09 needs the extra `deepinv` and is left as it is without.
"""

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

DEMOS = Path(__file__).resolve().parent
NEEDED = {"09": "deepinv"}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def sources(numbers: list[str] | None = None) -> list[Path]:
    """The sources of the notebooks, in order; of some numbers alone, where there are any."""
    found = sorted(DEMOS.glob("[0-9][0-9]_*.py"))
    return [path for path in found if not numbers or path.name[:2] in numbers]


def notebook(source: Path) -> Any:
    """The notebook of a source, not executed, with ids and metadata that are its own."""
    book = jupytext.read(source)
    for place, cell in enumerate(book.cells):
        cell.id = f"{source.name[:2]}-{place:02d}"
        cell.metadata = {}
    book.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    book.nbformat, book.nbformat_minor = 4, 5
    return book


def executed(source: Path) -> Any:
    """The notebook of a source with its outputs; CellExecutionError where a cell fails."""
    book = notebook(source)
    client = NotebookClient(
        book,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(DEMOS)}},
    )
    client.execute()
    book.metadata = notebook(source).metadata
    return book


def main(words: list[str] | None = None) -> int:
    """Execute the notebooks that are asked for, one after the other."""
    parser = argparse.ArgumentParser(description="Execute the notebooks of demos/.")
    parser.add_argument("numbers", nargs="*", help="such as 01 05; all by default")
    parser.add_argument("-o", "--output", type=Path, default=DEMOS, help="where they go")
    asked = parser.parse_args(words)
    os.environ["HF_HUB_OFFLINE"] = "1"
    total = 0.0
    for source in sources(asked.numbers):
        needed = NEEDED.get(source.name[:2])
        if needed and importlib.util.find_spec(needed) is None:
            sys.stderr.write(f"{source.stem}: left as it is, as {needed} is not installed\n")
            continue
        began = time.perf_counter()
        book = executed(source)
        nbformat.validate(book)
        target = asked.output / f"{source.stem}.ipynb"
        nbformat.write(book, target)
        size, seconds = target.stat().st_size / 1024, time.perf_counter() - began
        total += seconds
        sys.stderr.write(f"{target.name}: {seconds:.1f} s, {size:.0f} KB\n")
    sys.stderr.write(f"all: {total:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
