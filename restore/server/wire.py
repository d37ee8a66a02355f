"""HTTP on the wire: bytes that are no request are refused as everything else is."""

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from restore.server.problems import MEDIA_TYPE, Problem

if TYPE_CHECKING:
    _Protocol: Any = object
else:
    _Protocol = AutoHTTPProtocol
"""Of httptools where it is installed, else of h11."""
WHY = "this is no HTTP request; ask as curl does, or a browser"


class Protocol(_Protocol):  # type: ignore[misc]
    """uvicorn's, but for the answer to what it cannot read."""

    def send_400_response(self, msg: str) -> None:
        """Say so, and hang up."""
        told = Problem("refused", field="request", why=WHY).content()
        body = json.dumps(told).encode()
        head = [
            f"HTTP/1.1 400 {HTTPStatus(400).phrase}",
            f"Content-Type: {MEDIA_TYPE}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        self.transport.write("\r\n".join([*head, "", ""]).encode() + body)
        self.transport.close()
