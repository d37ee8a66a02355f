"""A file of a job as an answer: opened at once, so that it may go while it is sent."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fastapi.responses import Response, StreamingResponse

from restore.server.problems import Problem

BLOCK = 2**20
"""Bytes that are read at a time."""


def sent(found: Path | bytes, media: str, name: str | None = None) -> Response:
    """The file, or what would be in it; name: to save it under. Problem 410 where it is gone."""
    headers = {"Vary": "Accept"}
    if name is not None:
        headers["Content-Disposition"] = f'inline; filename="{name}"'
    if isinstance(found, bytes):
        return Response(found, media_type=media, headers=headers)
    try:
        file = found.open("rb")
    except FileNotFoundError as error:
        raise Problem("expired", field="id") from error
    headers["Content-Length"] = str(os.fstat(file.fileno()).st_size)
    return StreamingResponse(_blocks(file), media_type=media, headers=headers)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while block := file.read(BLOCK):
            yield block
