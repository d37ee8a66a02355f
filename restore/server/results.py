"""The result of a job, in the format that the client would rather have."""

import json
import re
from pathlib import Path as File
from typing import Annotated, Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from restore.decode import PhotoError
from restore.server.jobs import Id
from restore.server.negotiate import chosen
from restore.server.pictures import MEDIA, SUFFIX, picture
from restore.server.problems import Problem, responses
from restore.server.record import Job
from restore.server.schemas import ESTIMATE
from restore.server.sending import sent
from restore.server.service import Service

JSON = "application/json"
BESIDE = r"^(?:kernel|std|undetermined|sample(?:[1-9]|1[0-6]))\.png$"
_FORMATS = {media: format for format, media in MEDIA.items()}
_BY_SUFFIX = {suffix: format for format, suffix in SUFFIX.items()}
BINARY = {"schema": {"type": "string", "format": "binary"}}


PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture, byte for byte that of the command line; as JSON, its report.",
        "content": {**dict.fromkeys(_FORMATS, BINARY), JSON: {"schema": {"type": "object"}}},
    },
    **responses(404, 406, 409, 410, 422),
}
FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "A PNG.", "content": {"image/png": BINARY}},
    **responses(404, 409, 410, 422),
}
Depth = Annotated[
    int | None, Query(ge=16, le=16, description="16 bits a sample, which PNG and TIFF hold.")
]
Name = Annotated[
    str,
    Path(
        description="kernel.png, std.png, sample1.png ...: as the report's files say.",
        json_schema_extra={"pattern": BESIDE},
    ),
]


def router(service: Service) -> APIRouter:
    """The routes of results below /v1/jobs."""
    routes = APIRouter(prefix="/v1/jobs", tags=["results"])
    encoding = CapacityLimiter(1)  # a large picture takes seconds and memory
    plain: dict[str, Any] = {"response_class": Response}

    @routes.get("/{id}/result", operation_id="result", responses=PICTURE, **plain)
    async def result(request: Request, id: Id, depth: Depth = None) -> Response:
        """The restored picture in the photo's format, or in the one that Accept chooses.

        An estimate has JSON only.
        """
        job = await service.find(id, request)
        place, own = _place(service, job)
        offers = [MEDIA[own], *(media for media in _FORMATS if media != MEDIA[own]), JSON]
        offers = [JSON] if job["task"] == ESTIMATE else offers
        media = chosen(request.headers.get("accept"), offers)
        if media is None:
            raise Problem("not_offered", field="Accept", known=", ".join(offers))
        if media == JSON:
            return JSONResponse(_report(job, place), headers={"Vary": "Accept"})
        wanted = place, _FORMATS[media], service.room(id), depth is not None
        try:
            found = await run_sync(picture, *wanted, limiter=encoding)
        except PhotoError as error:
            raise Problem("not_encoded", field="Accept", why=str(error)) from error
        except FileNotFoundError as error:
            raise Problem("expired", field="id") from error
        return await run_sync(sent, found, media, f"{job['task']}{SUFFIX[_FORMATS[media]]}")

    _beside(routes, service)
    return routes


def _beside(routes: APIRouter, service: Service) -> None:
    plain: dict[str, Any] = {"response_class": Response}

    @routes.get("/{id}/files/{name}", operation_id="file", responses=FILE, **plain)
    async def beside(request: Request, id: Id, name: Name) -> Response:
        """What was found beside the picture: the blur, the spread, the samples."""
        job = await service.find(id, request)
        place, _ = _place(service, job)
        path = place / f"result.{name}"
        if not re.fullmatch(BESIDE, name) or not path.is_file():
            raise Problem("no_file", field="name", name=name)
        return await run_sync(sent, path, "image/png", name)


def _place(service: Service, job: Job) -> tuple[File, str]:
    """The folder of the result, and the format of the photo; Problem 409, 410."""
    if job["gone"]:
        raise Problem("expired", field="id")
    if job["state"] != "succeeded":
        if job["state"] in ("queued", "running"):
            raise Problem("waiting", field="id", state=job["state"], headers={"Retry-After": "1"})
        raise Problem("no_result", field="id", state=job["state"])
    suffix = File(json.loads(job["uploads"])["image"]).suffix
    return service.store.place(job["id"]) / job["token"], _BY_SUFFIX[suffix]


def _report(job: Job, place: File) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(job["report"])
    names = sorted(path.name.removeprefix("result.") for path in place.glob("result.*.png"))
    return {**report, "files": {name: f"/v1/jobs/{job['id']}/files/{name}" for name in names}}
