"""Errors as problem details (RFC 9457), each naming the fields that are wrong."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="Its name: a part of the form, a parameter, a header.")
    detail: str


class ProblemDetails(BaseModel):
    """Problem details of RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    errors: list[FieldError] | None = None


class Problem(Exception):
    """A request that is refused; field: the one that is wrong, or errors for several."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        field: str | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})
        self.errors = [*errors] if field is None else [{"field": field, "detail": detail}]

    def content(self) -> dict[str, Any]:
        """The body."""
        title = HTTPStatus(self.status).phrase
        body: dict[str, Any] = {"type": "about:blank", "title": title, "status": self.status}
        body["detail"] = self.detail
        return {**body, "errors": self.errors} if self.errors else body

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(
            self.content(), self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


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
        if error.status_code == 405:  # the first route of a path tells of its own methods only
            path = request.url.path
            same = [route for route in routes if route.path_regex.match(path)]
            known = {method for route in same for method in route.methods or ()}
            headers["Allow"] = ", ".join(sorted(known or {"GET", "HEAD"}))
        return Problem(error.status_code, str(error.detail), headers=headers).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            {"field": ".".join(map(str, each["loc"][1:])), "detail": each["msg"]}
            for each in error.errors()
        ]
        return Problem(422, "the request is not as documented", errors=errors).response()

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        return Problem(500, "an error of the server; its log says more").response()
