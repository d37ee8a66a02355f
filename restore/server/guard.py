"""Who may ask, for what size of request, from which page; and a record of every answer."""

import hashlib
import hmac
import time
from urllib.parse import SplitResult, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from restore.server.log import log
from restore.server.metrics import Metrics
from restore.server.problems import Problem
from restore.server.settings import Serve

OPEN = ("/healthz", "/readyz")
"""What is told without a key."""
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
LOCAL = {"localhost", "127.0.0.1", "::1"}
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
SHOWN = 200
"""Letters of an address that the log shows."""
POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class Guard:
    """An application behind its checks."""

    def __init__(
        self, app: ASGIApp, settings: Serve, keys: tuple[str, ...], metrics: Metrics
    ) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics
        self._keys = [hashlib.sha256(key.encode()).digest() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, method = time.perf_counter(), 500, scope["method"]

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": _completed(message["headers"])}
            await send(message)

        try:
            scope.setdefault("state", {})["owner"] = self._admitted(scope)
            if method == "HEAD":
                scope, heard = {**scope, "method": "GET"}, _headless(answer)
            else:
                heard = answer
            await self.app(scope, self._bounded(receive), heard)
        except Problem as problem:
            await problem.response()(scope, receive, answer)
        finally:
            self._record(method, scope, status, time.perf_counter() - began)

    def _admitted(self, scope: Scope) -> str:
        """The owner of the jobs that the request may see; Problem."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        name = _split(f"//{host}").hostname
        if self.settings.loopback and name not in LOCAL | {self.settings.host}:
            raise Problem("host", field="Host", host=name or host or "nothing")
        origin = headers.get(b"origin")
        if origin is not None and _split(origin).netloc != host:
            raise Problem("origin", field="Origin")
        length = headers.get(b"content-length", "0")
        if length.isdigit() and int(length) > self.settings.upload_bytes:
            raise self._too_large()
        return self._owner(headers.get(b"authorization", ""), scope["path"])

    def _owner(self, authorization: str, path: str) -> str:
        if not self._keys or path in OPEN or not path.startswith(("/v1/", "/metrics", "/openapi")):
            return ""
        scheme, _, key = authorization.partition(" ")
        digest = hashlib.sha256(key.strip().encode("latin-1", "replace")).digest()
        # All are compared, so that the time tells nothing.
        known = [hmac.compare_digest(digest, each) for each in self._keys]
        if scheme.lower() != "bearer" or not any(known):
            raise Problem(
                "key",
                field="Authorization",
                headers={"WWW-Authenticate": 'Bearer realm="photomend"'},
            )
        return digest.hex()[:32]

    def _bounded(self, receive: Receive) -> Receive:
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.settings.upload_bytes:
                raise self._too_large()
            return message

        return bounded

    def _too_large(self) -> Problem:
        most = self.settings.upload
        return Problem("too_large", field="body", most=most, headers={"Connection": "close"})

    def _record(self, method: str, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        method = method if method in METHODS else "other"
        self.metrics.request(method, route, status, seconds)
        client = (scope.get("client") or ("",))[0]
        told = {"method": method, "path": scope["path"][:SHOWN], "status": status}
        log("request", **told, ms=round(1000 * seconds, 1), client=client)


def _headless(answer: Send) -> Send:
    """Sends the head of an answer to GET, for HEAD, and drops its body."""

    async def head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await answer(message)
            await answer({"type": "http.response.body"})

    return head


def _split(address: str) -> SplitResult:
    """The parts of an address; none where it is no address."""
    try:
        return urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _completed(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """With what every answer says, unless it says so itself."""
    own = {name.lower() for name, _ in headers}
    return [*headers, *(each for each in (*HEADERS, POLICY) if each[0] not in own)]
