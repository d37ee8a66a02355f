"""The photo, the mask and the kernel of a job, as they were sent."""

import json
from functools import partial
from pathlib import Path as File
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from fastapi.responses import Response

from restore.decode import PhotoError
from restore.server.jobs import Id
from restore.server.negotiate import chosen
from restore.server.pictures import MEDIA, SUFFIX, upright
from restore.server.problems import Problem, responses
from restore.server.record import Job
from restore.server.sending import sent
from restore.server.service import Service

PNG = "image/png"
NPY = "application/octet-stream"
_MEDIA = {suffix: MEDIA[format] for format, suffix in SUFFIX.items()} | {".npy": NPY}
FILE = {"schema": {"type": "string", "format": "binary"}}
SENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file that was sent; a PNG where Accept has no place for it.",
        "content": dict.fromkeys(MEDIA.values(), FILE),
    },
    **responses(404, 406, 409, 410, 422),
}
KERNEL: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file that was sent.", "content": {PNG: FILE, NPY: FILE}},
    **responses(404, 406, 409, 410, 422),
}


def router(service: Service) -> APIRouter:
    """The routes of uploads below /v1/jobs."""
    routes = APIRouter(prefix="/v1/jobs", tags=["results"])
    decoding = CapacityLimiter(1)  # a large picture takes seconds and memory
    plain: dict[str, Any] = {"response_class": Response}
    original = partial(_original, service, decoding)

    @routes.get("/{id}/image", operation_id="image", responses=SENT, **plain)
    async def image(request: Request, id: Id) -> Response:
        """The photo, from the moment that the job is accepted until its result expires.

        As a PNG it is upright.
        """
        return await original(request, id, "image")

    @routes.get("/{id}/mask", operation_id="mask", responses=SENT, **plain)
    async def mask(request: Request, id: Id) -> Response:
        """The mask of what was filled."""
        return await original(request, id, "mask")

    @routes.get("/{id}/kernel", operation_id="kernel", responses=KERNEL, **plain)
    async def kernel(request: Request, id: Id) -> Response:
        """The blur that was sent as a file."""
        return await original(request, id, "kernel")

    return routes


async def _original(
    service: Service, decoding: CapacityLimiter, request: Request, id: str, name: str
) -> Response:
    """A file as it was sent, or upright; Problem 404, 406, 409, 410."""
    found: File | bytes
    found = path = _place(service, await service.find(id, request), name)
    own = _MEDIA[path.suffix]
    offers = [own] if own == NPY else list(dict.fromkeys((own, PNG)))
    media = chosen(request.headers.get("accept"), offers)
    if media is None:
        raise Problem("not_offered", field="Accept", known=", ".join(offers))
    if media != own:
        try:
            wanted = path, service.settings.max_pixels, service.room(id)
            found = await run_sync(upright, *wanted, limiter=decoding)
        except PhotoError as error:
            raise Problem("not_encoded", field="Accept", why=str(error)) from error
        except FileNotFoundError as error:
            raise Problem("expired", field="id") from error
    return await run_sync(sent, found, media)


def _place(service: Service, job: Job, name: str) -> File:
    """The file that was sent as a part of the form; Problem 404, 409, 410."""
    if job["gone"]:
        raise Problem("expired", field="id")
    file: str | None = json.loads(job["uploads"]).get(name)
    if file is None:
        raise Problem("no_upload", field=name, name=name)
    path = service.store.place(job["id"]) / file
    if not path.is_file():
        raise Problem("no_result", field="id", state=job["state"])
    return path
