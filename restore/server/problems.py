"""Errors as problem details (RFC 9457), each naming the fields that are wrong."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from sqlite3 import OperationalError
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from restore.server.database import full
from restore.server.messages import MESSAGES

MEDIA_TYPE = "application/problem+json"
Value = str | int | float


class Coded(BaseModel):
    """What is wrong, for programs: a code that stays, and the values that the words name."""

    code: str = Field(description="Stays the same, whatever the words.")
    values: dict[str, Value] = Field(description="What the words name.")


class FieldError(Coded):
    """What is wrong with one field."""

    field: str = Field(description="Its name: a part of the form, a parameter, a header.")
    detail: str


class ProblemDetails(Coded):
    """Problem details of RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    errors: list[FieldError] | None = None


class Problem(Exception):
    """A request that is refused, in the words of `MESSAGES` with these values.

    field: the one that is wrong, or errors for several, as of `wrong`; status: another than the
    code's.
    """

    def __init__(
        self,
        code: str,
        *,
        field: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
        **values: Value,
    ) -> None:
        self.told = {"detail": MESSAGES[code][1].format(**values), "code": code, "values": values}
        super().__init__(self.told["detail"])
        self.status, self.headers = status or MESSAGES[code][0], dict(headers or {})
        self.errors = [*errors] if field is None else [{"field": field, **self.told}]

    def content(self) -> dict[str, Any]:
        """The body."""
        title = HTTPStatus(self.status).phrase
        body = {"type": "about:blank", "title": title, "status": self.status, **self.told}
        return {**body, "errors": self.errors} if self.errors else body

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(
            self.content(), self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


def wrong(field: str, code: str, **values: Value) -> dict[str, Any]:
    """What is wrong with one field, in the words of `MESSAGES`."""
    detail = MESSAGES[code][1].format(**values)
    return {"field": field, "detail": detail, "code": code, "values": values}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of an operation, for the OpenAPI document; those that any may have, added."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    content = {MEDIA_TYPE: {"schema": schema}}
    told: dict[int | str, dict[str, Any]] = {}
    for status in sorted({400, 403, *statuses}):
        told[status] = {"description": HTTPStatus(status).phrase, "content": content}
        if status in (429, 503, 507):
            told[status]["headers"] = {
                "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}
            }
    return told


def install(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Answer every error of an application with problem details."""
    routes = [each for router in routers for each in router.routes if isinstance(each, APIRoute)]

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        if error.status_code == 404:
            return Problem("no_such", field="path", headers=headers).response()
        if error.status_code == 405:  # the first route of a path tells of its own methods only
            path = request.url.path
            same = [route for route in routes if route.path_regex.match(path)]
            known = {method for route in same for method in route.methods or ()}
            known |= {"HEAD"} if "GET" in known else set()
            headers["Allow"] = ", ".join(sorted(known or {"GET", "HEAD"}))
            asked = request.method
            return Problem("method", field="method", headers=headers, method=asked).response()
        why, status = str(error.detail), error.status_code
        told: dict[str, Any] = {"headers": headers, "status": status, "why": why}
        return Problem("refused", field="request", **told).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [fault(each, ".".join(map(str, each["loc"][1:]))) for each in error.errors()]
        return Problem("request", errors=errors).response()

    @app.exception_handler(OSError)
    @app.exception_handler(OperationalError)
    async def on_disk(request: Request, error: Exception) -> JSONResponse:
        if not full(error):
            raise error
        return Problem("disk_full", headers={"Retry-After": "60"}).response()

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        return Problem("unexpected").response()


KINDS = {
    "int": "integer",
    "float": "number",
    "finite": "number",
    "bool": "switch",
    "string": "text",
}
"""Codes by how pydantic begins the names of its errors."""


def fault(error: Mapping[str, Any], field: str) -> dict[str, Any]:
    """What pydantic found wrong with a field."""
    kind, given = str(error["type"]), error.get("ctx", {})
    match kind:
        case "greater_than_equal":
            return wrong(field, "at_least", least=given["ge"])
        case "less_than_equal":
            return wrong(field, "at_most", most=given["le"])
        case "string_too_long":
            return wrong(field, "too_long", most=given["max_length"])
        case "literal_error" | "enum":
            return wrong(field, "choice", known=given["expected"])
    first, _, rest = kind.partition("_")
    if first in KINDS and rest in ("type", "parsing", "from_float", "number"):
        return wrong(field, KINDS[first])
    why = re.sub("^(Input|String) should", "must", str(error["msg"]))
    return wrong(field, "wrong", why=why)
