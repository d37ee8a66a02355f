"""From an exception to the line a user reads and the exit code a script reads."""

import errno
import os
from dataclasses import dataclass

OK, FAILED, USAGE, SOME_FAILED, NO_PRIOR, NO_MEMORY, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

TOLD = {
    "PhotoError", "MetricError", "TrainingError", "TrainingDataError", "NotBlurred", "Unknowable",
}  # fmt: skip
"""Errors of the library whose message says everything."""
CURE_MEMORY = "not enough memory; try --tile 256, fewer --samples or --device cpu"


class Refusal(Exception):
    """What a command will not do, in one line, and its exit code."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Failure:
    """message: one line; code: the exit code; fatal: trying the next file would fail alike."""

    message: str
    code: int
    fatal: bool = False


def understood(error: Exception) -> Failure:
    """The failure that an exception stands for; raises it where PHOTOMEND_TRACEBACK is set."""
    if os.environ.get("PHOTOMEND_TRACEBACK"):
        raise error
    line = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Refusal):
        return Failure(line, error.code)
    # By name: importing torch or priors here would cost seconds where nothing has been imported.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "PriorError" in kinds:
        return Failure(line, NO_PRIOR, fatal=True)
    if "NotEnoughMemory" in kinds:
        return Failure(line, NO_MEMORY)
    if "OutOfMemoryError" in kinds or isinstance(error, MemoryError) or "allocate memory" in line:
        return Failure(CURE_MEMORY, NO_MEMORY)
    if _disk_is_full(error):
        return Failure(line, FAILED, fatal=True)
    if isinstance(error, OSError) or kinds & {"Divergence", *TOLD}:
        return Failure(line, FAILED)
    if isinstance(error, ValueError | TypeError):
        # a TypeError is about an option or an operator that the solver does not take
        return Failure(line, USAGE, fatal=isinstance(error, TypeError))
    told = f"unexpected {type(error).__name__}: {line}; PHOTOMEND_TRACEBACK=1 shows where"
    return Failure(told, FAILED)


def overall(failures: list[Failure], succeeded: int) -> int:
    """The exit code of a run over several files."""
    codes = {failure.code for failure in failures}
    if not codes:
        return OK
    if succeeded:
        return SOME_FAILED
    return codes.pop() if len(codes) == 1 else FAILED


def _disk_is_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False
