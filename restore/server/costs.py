"""What a job would cost, told before it is sent."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from restore.server.pace import Sort, cost
from restore.server.problems import responses
from restore.server.service import Service

Pixels = Annotated[int, Query(ge=1, le=10**9, description="Of the result.")]
Steps = Annotated[int | None, Query(ge=1, le=1000, description="Default: the solver's own.")]
Samples = Annotated[int, Query(ge=1, le=16)]
Name = Annotated[str | None, Query(max_length=200, description="As in params.")]
Fidelity = Annotated[float | None, Query(ge=0, le=1, description="As in params.")]


class Cost(BaseModel):
    """Seconds of a job; null where nothing like it was ever done here."""

    seconds: float | None
    low: float | None = Field(description="Less would be a surprise.")
    high: float | None = Field(description="More would be a surprise.")
    basis: Literal["jobs", "trial"] | None = Field(
        description="Jobs like it on this machine; the trial of an estimate; nothing."
    )
    jobs: int = Field(description="How many jobs it stands on.")
    solver: str
    steps: int | None
    ahead: int = Field(description="Jobs that wait or run now.")
    wait: float | None = Field(description="Seconds until those have ended, as jobs took so far.")


def router(service: Service) -> APIRouter:
    """The route of costs."""
    routes = APIRouter(tags=["about"])

    @routes.get("/v1/cost", operation_id="cost", response_model=Cost, responses=responses(422, 503))
    def told(
        pixels: Pixels,
        task: Literal["deblur", "upscale", "inpaint", "restore"] = "deblur",
        steps: Steps = None,
        samples: Samples = 1,
        solver: Name = None,
        prior: Name = None,
        fidelity: Fidelity = None,
        kernel: Annotated[Literal["given", "estimated"], Query(description="Of deblur.")] = "given",
    ) -> Response:
        """What a job would cost, from the jobs before it."""
        defaults: dict[str, str] = service.store.fact("defaults") or {}
        several = "several" if fidelity is None else "faithful"
        solver = solver or defaults.get("one" if samples == 1 else several, "")
        known = service.tasks.solvers.get(solver, {})
        steps = steps or known.get("steps")
        prior = prior or service.settings.priors[0]
        sort = Sort(task, solver, prior, task == "deblur" and kernel == "estimated")
        found = cost(service.store, sort, pixels / 1e6 * (steps or 1) * samples)
        ahead, wait = _queue(service)
        seconds, low, high, jobs = found or (None, None, None, 0)
        basis = None if found is None else "jobs" if jobs else "trial"
        times = {"seconds": seconds, "low": low, "high": high, "basis": basis, "jobs": jobs}
        plan = {"solver": solver, "steps": steps, "ahead": ahead, "wait": wait}
        return JSONResponse({**times, **plan})

    return routes


def _queue(service: Service) -> tuple[int, float | None]:
    """Jobs that wait or run, and the seconds that they take at the mean of those that ended."""
    counts = dict(service.store.counts())
    ahead = counts["queued"] + counts["running"]
    ended = [row for row in service.store.tallies() if row["state"] == "succeeded"]
    count = sum(row["count"] for row in ended)
    mean = sum(row["seconds"] for row in ended) / count if count else None
    return ahead, 0.0 if not ahead else None if mean is None else mean * ahead
