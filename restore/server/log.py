"""The server's log: one JSON object a line on standard error."""

import json
import logging
import sys
import time
import traceback
from typing import Any


def log(event: str, **told: Any) -> None:
    """One line: the time in UTC, what happened, and to what."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(json.dumps({"time": stamp, "event": event, **told}) + "\n")
    sys.stderr.flush()


class Handler(logging.Handler):
    """Warnings and errors of the libraries as lines of the same log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one."""
        told = {"level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            told["trace"] = "".join(traceback.format_exception(*record.exc_info))
        log(record.name, **told)
