"""Jobs as clients see them."""

import json
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from restore.server.problems import ProblemDetails
from restore.server.record import Job

State = Literal["queued", "running", "succeeded", "failed", "canceled"]


class Links(BaseModel):
    """Where more is to be had."""

    self: str
    events: str
    result: str
    image: str
    mask: str | None
    kernel: str | None = Field(description="Where the blur was sent as a file.")


class JobView(BaseModel):
    """A job. Times are in UTC; step counts the solver's steps done, of `steps`."""

    id: str = Field(pattern="^[0-9a-f]{32}$")
    task: Literal["deblur", "upscale", "inpaint", "restore", "estimate"]
    state: State
    ahead: int | None = Field(description="How many jobs go before it while it is queued.")
    params: dict[str, Any]
    created: datetime
    started: datetime | None
    ended: datetime | None
    expires: datetime | None = Field(description="When the result goes; the job follows later.")
    expired: bool
    canceling: bool = Field(description="Whether it ends after the step under way.")
    step: int
    steps: int
    attempts: int
    error: ProblemDetails | None
    links: Links


class JobList(BaseModel):
    """A page of jobs, the newest first; next: the address of the next page."""

    jobs: list[JobView]
    next: str | None


def address(job: Job) -> str:
    """Where the job is."""
    return f"/v1/jobs/{job['id']}"


def view(job: Job, keep: float) -> dict[str, Any]:
    """The job as JSON; keep: seconds that its result stays."""
    place = address(job)
    ended, sent = job["ended"], json.loads(job["uploads"])
    return {
        **{name: job[name] for name in ("id", "task", "state", "ahead", "step", "steps")},
        "attempts": job["attempts"],
        "params": json.loads(job["params"]),
        **{name: _time(job[name]) for name in ("created", "started", "ended")},
        "expires": None if ended is None else _time(ended + keep),
        "expired": bool(job["gone"]),
        "canceling": bool(job["cancel"]) and ended is None,
        "error": None if job["error"] is None else json.loads(job["error"]),
        "links": {
            "self": place,
            **{name: f"{place}/{name}" for name in ("events", "result", "image")},
            **{name: f"{place}/{name}" if name in sent else None for name in ("mask", "kernel")},
        },
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
