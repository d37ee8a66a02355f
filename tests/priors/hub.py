"""A stand-in for the Hugging Face hub: the requests that its own client makes, for one model."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def tag(file: Path) -> str:
    """What the hub calls a content: by git, or where it is large by SHA-256."""
    content = file.read_bytes()
    if file.suffix == ".safetensors":
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def serving(root: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a hub whose every model is the folder, and the paths it was asked for."""
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            asked.append(self.path)
            self.answer()

        def answer(self) -> None:
            path = self.path.split("?")[0]
            if path.startswith("/api/models/"):
                self.send(json.dumps(told(root, tree="/tree/" in path)).encode())
                return
            file = root / path.partition("/resolve/")[2].partition("/")[2]
            if "/resolve/" in path and file.is_file():
                self.send(file.read_bytes(), ETag=f'"{tag(file)}"')
            else:
                self.send(b"", 404)

        def send(self, content: bytes, status: int = 200, **headers: str) -> None:
            self.send_response(status)
            headers |= {"X-Repo-Commit": COMMIT, "Content-Length": str(len(content))}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def told(root: Path, *, tree: bool) -> Any:
    """The files of the model, as the hub tells of a model or lists its tree."""
    files = [file for file in sorted(root.rglob("*")) if file.is_file()]
    names = [file.relative_to(root).as_posix() for file in files]
    if not tree:
        return {"id": "some/model", "sha": COMMIT, "siblings": [{"rfilename": n} for n in names]}
    entries: list[dict[str, Any]] = []
    for name, file in zip(names, files, strict=True):
        size = file.stat().st_size
        entry: dict[str, Any] = {"type": "file", "path": name, "size": size, "oid": tag(file)[:40]}
        if file.suffix == ".safetensors":
            entry["lfs"] = {"oid": tag(file), "size": size, "pointerSize": 100}
        entries.append(entry)
    return entries
