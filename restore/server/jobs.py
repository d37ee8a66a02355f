"""The jobs: accepted, listed, looked at, followed, canceled."""

import shutil
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from restore.server.negotiate import wait
from restore.server.problems import Problem, responses
from restore.server.record import ENDED, Job
from restore.server.service import Service
from restore.server.store import DiskFull, OtherRequest, QueueFull
from restore.server.uploads import Form, accept, read_form
from restore.server.views import JobList, JobView, State, address, view

Id = Annotated[
    str, Path(description="Of the job.", json_schema_extra={"pattern": "^[0-9a-f]{32}$"})
]
Prefer = Annotated[
    str | None, Header(description="wait=SECONDS waits for the job's end, 60 at most (RFC 7240).")
]
Key = Annotated[
    str | None,
    Header(min_length=1, max_length=255, description="The same key and request give the same job."),
]
LARGEST = 2**63 - 1
EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "event": {"enum": ["queued", "running", "progress", "preview", *ENDED]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer"},
    },
}
"""An event of the stream."""
LOCATION = {"Location": {"description": "Of the job.", "schema": {"type": "string"}}}


def router(service: Service) -> APIRouter:
    """The routes below /v1/jobs."""
    routes = APIRouter(prefix="/v1/jobs", tags=["jobs"])
    _create(routes, service)
    _list(routes, service)
    _one(routes, service)
    _follow(routes, service)
    return routes


def _create(routes: APIRouter, service: Service) -> None:
    @routes.post(
        "",
        status_code=202,
        operation_id="create",
        responses={
            202: {"model": JobView, "description": "Accepted.", "headers": LOCATION},
            200: {"model": JobView, "description": "Ended while waited.", "headers": LOCATION},
            **responses(408, 409, 413, 415, 422, 429, 503, 507),
        },
    )
    async def create(
        request: Request, idempotency_key: Key = None, prefer: Prefer = None
    ) -> Response:
        """Ask for a restoration."""
        form = await read_form(request)
        owner = request.state.owner
        job, new = await run_sync(_accepted, service, form, owner, idempotency_key)
        await request.close()
        if new:
            service.supervisor.wake()
        headers = {"Location": address(job)}
        if not new:
            headers["Idempotency-Replayed"] = "true"
        seconds = wait(prefer)
        if seconds is not None:
            job = await service.waited(job, seconds, request)
            headers["Preference-Applied"] = f"wait={seconds:.0f}"
        status = 200 if seconds is not None and job["state"] in ENDED else 202
        return JSONResponse(view(job, service.keep), status, headers=headers)


def _accepted(
    service: Service, form: Form, owner: str, idempotency: str | None
) -> tuple[Job, bool]:
    """The job in the store, and whether it is new; Problem."""
    store, settings = service.store, service.settings
    if shutil.disk_usage(store.folder).free < settings.upload_bytes:
        raise _full()
    asked = accept(form, owner, idempotency, service.tasks, settings, store)
    try:
        job, new = store.add(asked, service.bounds)
    except BaseException as error:
        store.drop(asked.id)
        if isinstance(error, QueueFull):
            headers = {"Retry-After": str(error.seconds)}
            told: dict[str, Any] = {"count": settings.queue, "seconds": error.seconds}
            raise Problem("queue_full", headers=headers, **told) from error
        if isinstance(error, DiskFull):
            raise _full() from error
        if isinstance(error, OtherRequest):
            raise Problem("key_used", field="Idempotency-Key") from error
        raise
    if not new:
        store.drop(asked.id)
    return job, new


def _full() -> Problem:
    return Problem("disk_full", headers={"Retry-After": "60"})


def _list(routes: APIRouter, service: Service) -> None:
    @routes.get("", operation_id="list", response_model=JobList, responses=responses(422))
    def listed(
        request: Request,
        state: Annotated[State | None, Query(description="Only these.")] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        before: Annotated[int | None, Query(ge=0, le=LARGEST, description="As of next.")] = None,
    ) -> Response:
        """The jobs, the newest first."""
        jobs = service.store.page(request.state.owner, state, before, limit + 1)
        shown = jobs[:limit]
        following = None
        if len(jobs) > limit:
            chosen = "" if state is None else f"&state={state}"
            following = f"/v1/jobs?limit={limit}&before={shown[-1]['number']}{chosen}"
        told: dict[str, Any] = {"jobs": [view(job, service.keep) for job in shown]}
        return JSONResponse({**told, "next": following})


def _one(routes: APIRouter, service: Service) -> None:
    @routes.get(
        "/{id}",
        operation_id="get",
        responses={200: {"model": JobView}, **responses(404, 422)},
    )
    async def get(request: Request, id: Id, prefer: Prefer = None) -> Response:
        """How a job stands; with Prefer: wait, when it has ended."""
        job = await service.find(id, request)
        seconds = wait(prefer)
        if seconds is None:
            return JSONResponse(view(job, service.keep))
        job = await service.waited(job, seconds, request)
        headers = {"Preference-Applied": f"wait={seconds:.0f}"}
        return JSONResponse(view(job, service.keep), headers=headers)

    @routes.delete(
        "/{id}",
        operation_id="delete",
        status_code=204,
        response_class=Response,
        responses={
            202: {"model": JobView, "description": "Ends after the step under way."},
            204: {"description": "Canceled, or removed with its result."},
            **responses(404, 422, 507),
        },
    )
    async def delete(request: Request, id: Id) -> Response:
        """Cancel a job within one step; remove one that has ended."""
        job = await service.find(id, request)
        if job["state"] in ENDED:
            await run_sync(service.store.remove, id)
            return Response(status_code=204)
        job = await run_sync(service.store.cancel, id)
        service.hub.notify(id)
        return JSONResponse(view(job, service.keep), 202)


def _follow(routes: APIRouter, service: Service) -> None:
    @routes.get(
        "/{id}/events",
        operation_id="events",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"text/event-stream": {"schema": EVENT}}},
            204: {"description": "The job has ended, and its last event was heard."},
            **responses(404, 422),
        },
    )
    async def events(
        request: Request,
        id: Id,
        last_event_id: Annotated[
            int | None, Header(ge=0, le=LARGEST, description="What was heard last.")
        ] = None,
    ) -> Response:
        """What happens to the job, from the start or after the event heard last, to its end.

        Events: queued, running, progress, preview (the address of a JPEG in base64), and the end:
        succeeded, failed or canceled.
        """
        job = await service.find(id, request)
        after = last_event_id or 0
        if job["state"] in ENDED and not await run_sync(service.store.events, id, after):
            return Response(status_code=204)
        return StreamingResponse(service.follow(id, after), media_type="text/event-stream")
