"""What the server is and how it is: tasks, priors, health, readiness, metrics, its page."""

import json
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field

from restore.server.metrics import CONTENT_TYPE_LATEST, Metrics
from restore.server.problems import Problem, responses
from restore.server.service import Service

PAGE = Path(__file__).parent / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""What the page may load: its own files, and pictures it has made."""


class Task(BaseModel):
    """A task: the files it takes, those it must have, and the JSON Schema of its params."""

    name: str
    description: str
    uploads: list[str]
    required: list[str]
    schema_: dict[str, Any]

    model_config = {"alias_generator": lambda name: name.rstrip("_")}


class Solver(BaseModel):
    """A solver, the steps that it takes by itself, and the JSON Schema of each of its options."""

    description: str
    steps: int | None
    options: dict[str, dict[str, Any]]
    text: bool = Field(description="Whether it needs a prior that reads text.")


class TaskList(BaseModel):
    """What may be asked."""

    tasks: list[Task]
    solvers: dict[str, Solver]


class Prior(BaseModel):
    """A prior that may be chosen; licence, parameters and bytes where they are known."""

    name: str
    default: bool
    licence: str | None
    parameters: int | None
    bytes: int | None
    text: bool | None = Field(description="Whether it takes prompt, negative and guidance.")


class PriorList(BaseModel):
    """The priors that this server's operator allows."""

    priors: list[Prior]


class Health(BaseModel):
    """Whether it is well."""

    status: str


def router(service: Service, metrics: Metrics) -> APIRouter:
    """The routes beside the jobs."""
    routes = APIRouter(tags=["about"])
    _choices(routes, service)
    _health(routes, service, metrics)
    return routes


def _choices(routes: APIRouter, service: Service) -> None:
    @routes.get(
        "/v1/tasks", operation_id="tasks", response_model=TaskList, responses=responses(503)
    )
    def tasks() -> Response:
        """The tasks with the JSON Schema of every option, and the solvers with theirs."""
        return JSONResponse(service.tasks.described)

    @routes.get(
        "/v1/priors", operation_id="priors", response_model=PriorList, responses=responses()
    )
    def priors() -> Response:
        """The priors that may be chosen."""
        known: dict[str, Any] = service.store.fact("priors") or {}
        first = service.settings.priors[0]
        unknown = dict.fromkeys(("licence", "parameters", "bytes", "text"))
        shown = [
            {"name": name, "default": name == first, **unknown, **known.get(name, {})}
            for name in service.settings.priors
        ]
        return JSONResponse({"priors": shown})


def _health(routes: APIRouter, service: Service, metrics: Metrics) -> None:
    @routes.get("/healthz", operation_id="health", response_model=Health, responses=responses())
    async def health() -> Response:
        """That the server answers."""
        return JSONResponse({"status": "ok"})

    @routes.get("/readyz", operation_id="ready", response_model=Health, responses=responses(503))
    async def ready() -> Response:
        """Whether the worker takes jobs. Jobs are accepted in any case."""
        if not service.supervisor.ready.is_set():
            raise Problem("starting", seconds=2, headers={"Retry-After": "2"})
        return JSONResponse({"status": "ready"})

    @routes.get(
        "/metrics",
        operation_id="metrics",
        response_class=PlainTextResponse,
        responses=responses(),
    )
    def measured() -> Response:
        """The figures that Prometheus reads."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


class _Page(StaticFiles):
    """The files of the page, which may load nothing from elsewhere."""

    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "no-cache"
        return response


def mount_page(app: FastAPI, folder: Path = PAGE) -> None:
    """Serve the page at / where there is one, with the names of the languages it has."""
    if not (folder / "index.html").is_file():
        return

    @app.get("/languages.json", include_in_schema=False)
    def languages() -> JSONResponse:
        files = sorted((folder / "languages").glob("*.json"))
        told = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}
        return JSONResponse({code: words["language"] for code, words in told.items()})

    app.mount("/", _Page(directory=folder, html=True), name="page")
