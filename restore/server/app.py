"""The application: routes, errors, checks, and the worker beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from restore.server import about, costs, jobs, originals, problems, results
from restore.server.guard import Guard
from restore.server.metrics import Metrics
from restore.server.openapi import document
from restore.server.service import Service
from restore.server.settings import Serve
from restore.server.store import Store

THREADS = 8
"""At work on files and the database."""


def create(settings: Serve, keys: tuple[str, ...] = ()) -> tuple[ASGIApp, Service]:
    """The application and what it works with; keys: of the clients, none for everybody."""
    service = Service(settings, Store(Path(settings.store)))
    metrics = Metrics(service.store, service.supervisor)
    app = FastAPI(
        title="photomend",
        summary="Restores photographs: deblur, enlarge, fill.",
        version=_version(),
        docs_url=None,  # its scripts come from elsewhere
        redoc_url=None,
        openapi_url=None,
        lifespan=lambda _: _alive(service),
        redirect_slashes=False,
    )
    routers = [
        *(each.router(service) for each in (jobs, results, originals, costs)),
        about.router(service, metrics),
    ]
    for router in routers:
        app.include_router(router)
    problems.install(app, routers)

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> JSONResponse:
        return JSONResponse(document(app, service, bool(keys)))

    about.mount_page(app)
    return Guard(app, settings, keys, metrics), service


@asynccontextmanager
async def _alive(service: Service) -> AsyncIterator[None]:
    """Worker and sweeper as long as the server; the first start waits for the solvers' names."""
    current_default_thread_limiter().total_tokens = THREADS
    service.store.tidy()
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(service.supervisor.run())]
    try:
        if not service.known:
            await service.supervisor.ready.wait()
        tasks.append(asyncio.create_task(service.sweep()))
        yield
    finally:
        service.hub.close()
        await service.supervisor.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        service.store.database.close()


def _version() -> str:
    try:
        return version("photomend")
    except PackageNotFoundError:
        return "unknown"
