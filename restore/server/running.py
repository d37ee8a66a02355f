"""Serve until told to stop: the address, the lock on the store, signals."""

import logging
import os
import socket
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from restore.server.app import create
from restore.server.database import Locked, lock
from restore.server.log import Handler, log
from restore.server.service import Service
from restore.server.settings import Serve
from restore.server.wire import Protocol

GRACE = 5
"""Seconds that answers under way have when the server stops."""


class StoreInUse(Exception):
    """Another server holds the store."""


class _Server(uvicorn.Server):
    """Ends what waits before it waits for it."""

    def __init__(self, config: uvicorn.Config, service: Service, address: str) -> None:
        super().__init__(config)
        self._service, self._address = service, address
        service.supervisor.give_up = self._give_up

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.hub.close()
        super().handle_exit(sig, frame)

    def _give_up(self) -> None:
        self._service.hub.close()
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            log("serving", address=self._address, pid=os.getpid())


def run(settings: Serve) -> int:
    """Serve; the exit code of the worker where it cannot start, else 0.

    StoreInUse; ValueError for keys that are missing; OSError for an address that is taken.
    """
    keys = settings.read_keys()
    logging.basicConfig(level=logging.WARNING, handlers=[Handler()])
    folder = Path(settings.store)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        held = lock(folder / "server.lock")
    except Locked as error:
        raise StoreInUse(f"store: {folder} is served already; stop that server") from error
    listening = _listening(settings)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{listening.getsockname()[1]}"
    application, service = create(settings, keys)
    options: dict[str, Any] = {
        **{"log_config": None, "access_log": False, "server_header": False, "ws": "none"},
        **{"timeout_graceful_shutdown": GRACE, "lifespan": "on", "proxy_headers": False},
        "http": Protocol,
    }
    server = _Server(uvicorn.Config(application, **options), service, address)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        log("stopped")
    finally:
        held.close()
    return service.supervisor.failed or 0


def _listening(settings: Serve) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio sends small answers at once only where the socket says that it is one of TCP.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((settings.host, settings.port))
    return listening
