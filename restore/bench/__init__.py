"""The papers' benchmark protocol as a function: `restore.bench.main(folder, ...)`."""

from restore.bench.baselines import BASELINES
from restore.bench.protocol import BenchError
from restore.bench.run import main

__all__ = ["BASELINES", "BenchError", "main"]
