"""serve: restorations over HTTP, until Ctrl-C."""

import sqlite3
from typing import Any

from restore.commands.failure import FAILED, Refusal
from restore.commands.parameters import checked
from restore.server.settings import Serve


def run(given: dict[str, Any]) -> int:
    """Serve; the exit code."""
    settings = checked(Serve, given)
    try:
        from restore.server.running import StoreInUse
        from restore.server.running import run as serve
    except ImportError as error:
        raise Refusal(f"{error}; pip install 'photomend[serve]'", FAILED) from error
    try:
        return serve(settings)
    except StoreInUse as error:
        raise Refusal(f"--{error}", FAILED) from error
    except ValueError as error:
        raise Refusal(f"--{error}") from error
    except sqlite3.Error as error:
        raise Refusal(f"--store: {settings.store} cannot be written ({error})", FAILED) from error
    except OSError as error:  # of a file, or of the address
        what = error.filename or f"{settings.host}:{settings.port}"
        raise Refusal(f"{what}: {error.strerror}", FAILED) from error
