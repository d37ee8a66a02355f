"""What a request brings: a task, its parameters, and files judged by their content."""

import asyncio
import hashlib
import json
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from restore.decode import PhotoError, header
from restore.server.pictures import SUFFIX
from restore.server.problems import Problem, wrong
from restore.server.schemas import UPLOADS
from restore.server.settings import Serve
from restore.server.store import Asked, Store
from restore.server.tasks import Tasks, enlarged

SECONDS = 120.0
"""For a request to arrive."""
FILES = ("image", "mask", "kernel")
FIELDS = ("task", "params")
LARGEST_PARAMS = 65536
"""Bytes of the parameters."""
LARGEST_KERNEL = 255
"""Side of a kernel in pixels; a file of eight bytes for each and a header."""
BYTES_A_PIXEL, BYTES_A_SAMPLE = 12, 3
"""Of a result, at most about: what is kept of 8 and 16 bits and its file, which noise does not let
shrink; and of each picture beside it."""


@dataclass(frozen=True)
class Form:
    """The parts of a request; the files are open as long as the request."""

    task: str
    params: str
    files: dict[str, BinaryIO]


async def read_form(request: Request) -> Form:
    """The parts of a multipart request; Problem 400, 408, 415, 422."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Problem(
            "content_type",
            got=kind or "nothing",
            field="Content-Type",
            headers={"Accept": "multipart/form-data"},
        )
    try:
        async with asyncio.timeout(SECONDS):
            form = await request.form(max_files=len(FILES), max_fields=len(FIELDS))
    except TimeoutError as error:
        raise Problem("slow", field="body", seconds=round(SECONDS)) from error
    except ClientDisconnect as error:
        raise Problem("form", field="body", why="it breaks off") from error
    except (HTTPException, FormParserError) as error:
        why = str(getattr(error, "detail", "damaged")).rstrip(".")
        raise Problem("form", field="body", why=why) from error
    return _sorted(form)


def _sorted(form: FormData) -> Form:
    files: dict[str, BinaryIO] = {}
    fields: dict[str, str] = {}
    errors = []
    for name, value in form.multi_items():
        if name not in (*FILES, *FIELDS):
            errors.append(wrong(name, "part_unknown", known=", ".join(FIELDS + FILES)))
        elif name in files or name in fields:
            errors.append(wrong(name, "part_twice"))
        elif isinstance(value, UploadFile) and name in FILES:
            files[name] = value.file
        elif isinstance(value, UploadFile):
            fields[name] = value.file.read(LARGEST_PARAMS).decode("utf-8", "replace")
        elif name in FILES:
            errors.append(wrong(name, "part_text"))
        else:
            fields[name] = value
    met = {*fields, *files, *(each["field"] for each in errors)}
    errors += [wrong(name, "part_missing") for name in ("task", "image") if name not in met]
    if errors:
        raise Problem("parts", errors=errors)
    return Form(fields["task"], fields.get("params", "{}"), files)


def accept(
    form: Form, owner: str, idempotency: str | None, tasks: Tasks, settings: Serve, store: Store
) -> Asked:
    """Check everything and put the files into a new folder of the store; Problem 413, 415, 422."""
    if form.task not in tasks.models:
        raise Problem("task", field="task", known=", ".join(tasks.models))
    params = tasks.checked(form.task, form.params)
    for name in form.files:
        if name != "image" and name not in UPLOADS[form.task]:
            raise Problem("part_not_taken", field=name, task=form.task, part=name)
    if form.task == "inpaint" and "mask" not in form.files:
        raise Problem("mask_missing", field="mask")
    if "kernel" in form.files and params.get("kernel") is not None:
        raise Problem("kernel_twice", field="kernel")
    suffixes, pixels = _examined(form, params, settings)
    job = uuid.uuid4().hex
    place = store.place(job)
    place.mkdir()
    try:
        copied = {n: _copied(file, place / f"{n}{suffixes[n]}") for n, file in form.files.items()}
    except BaseException:
        store.drop(job)
        raise
    request = [form.task, params, {name: digest for name, (_, digest) in copied.items()}]
    fingerprint = hashlib.sha256(json.dumps(request, sort_keys=True).encode())
    return Asked(
        id=job,
        owner=owner,
        task=form.task,
        params=params,
        uploads={name: f"{name}{suffix}" for name, suffix in suffixes.items()},
        bytes=sum(size for size, _ in copied.values()) + pixels * _kept(params.get("samples", 1)),
        fingerprint=fingerprint.hexdigest(),
        idempotency=idempotency,
    )


def _examined(form: Form, params: dict[str, Any], settings: Serve) -> tuple[dict[str, str], int]:
    """The suffix of each file by its content, and the pixels of the result."""
    larger = enlarged(form.task, params) ** 2
    format, width, height = _picture(form.files["image"], "image", settings.max_pixels // larger)
    suffixes = {"image": SUFFIX[format]}
    if "mask" in form.files:
        format, wide, high = _picture(form.files["mask"], "mask", settings.max_pixels)
        suffixes["mask"] = SUFFIX[format]
        if {wide, high} != {width, height}:  # either may be turned by its EXIF orientation
            sides: dict[str, Any] = {
                "width": wide,
                "height": high,
                "photo_width": width,
                "photo_height": height,
            }
            raise Problem("mask_size", field="mask", **sides)
    if "kernel" in form.files:
        suffixes["kernel"] = _kernel(form.files["kernel"])
    return suffixes, width * height * larger


def _kept(samples: int) -> int:
    """Bytes a pixel: of several samples each is kept, and what is drawn of their spread."""
    return BYTES_A_PIXEL + (BYTES_A_SAMPLE * (samples + 2) if samples > 1 else 0)


def _picture(file: BinaryIO, name: str, max_pixels: int) -> tuple[str, int, int]:
    """Format, width and height, from the header; Problem 413, 415."""
    data = file.read()
    file.seek(0)
    try:
        format, width, height = header(data, name)
    except PhotoError as error:
        why = str(error).removeprefix(f"{name}: ")
        raise Problem("no_picture", field=name, why=why) from error
    if width * height > max_pixels:
        raise Problem("pixels", field=name, width=width, height=height, most=max_pixels)
    return format, width, height


def _kernel(file: BinaryIO) -> str:
    """The suffix of a kernel's file: a small PNG, or a matrix of NumPy."""
    data = file.read(LARGEST_KERNEL**2 * 8 + 1024)
    if file.read(1):
        raise Problem("kernel_size", field="kernel", most=LARGEST_KERNEL)
    file.seek(0)
    if data.startswith(b"\x93NUMPY"):
        return ".npy"
    format, _, _ = _picture(file, "kernel", LARGEST_KERNEL**2)
    if format != "PNG":
        raise Problem("kernel_kind", field="kernel", got=format)
    return SUFFIX[format]


def _copied(file: BinaryIO, path: Path) -> tuple[int, str]:
    """The size of what was copied, and its digest."""
    with path.open("wb") as target:
        shutil.copyfileobj(file, target)
    with path.open("rb") as written:
        return path.stat().st_size, hashlib.file_digest(written, "sha256").hexdigest()
