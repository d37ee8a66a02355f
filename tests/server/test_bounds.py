"""Nothing grows without bound: queue, disk, uploads, pictures, time."""

import struct
import time
import zlib
from collections.abc import Callable

import httpx

from tests.server.conftest import SLOW, Live, png

Own = Callable[..., Live]
BOUNDS = (
    "--queue",
    "2",
    "--upload",
    "0.25",
    "--pixels",
    "0.01",
    "--keep",
    "0.0005",
    "--limit",
    "2",
)


def huge_png() -> bytes:
    """A header of a thousand megapixels, and nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data)
        )  # fmt: skip

    header = struct.pack(">IIBBBBB", 40000, 25000, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def problem(answer: httpx.Response, status: int) -> str:
    """The detail of a problem of this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    detail: str = body["detail"]
    return detail


def test_bounds_hold_and_results_expire(own: Own) -> None:
    server = own(*BOUNDS)
    assert "10000 allowed" in problem(server.post(png(101)), 413)
    assert "625 allowed" in problem(server.post(png(32), task="upscale", factor=4), 413)
    assert "2500 allowed" in problem(
        server.post(png(64), task="restore", operator="downsample:2 @ disk:2"), 413
    )
    assert "1000000000" not in problem(server.post(huge_png()), 413)
    assert "0.25 MiB" in problem(server.post(b"x" * 300_000), 413)

    def chunks() -> list[bytes]:
        return [b"--b\r\n" + b"x" * 100_000] * 4

    streamed = server.http.post(
        "/v1/jobs",
        content=iter(chunks()),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert streamed.status_code in (400, 413)

    running = server.job(prior=SLOW, steps=900)["id"]
    server.job()
    full = server.post()
    assert "2 jobs wait" in problem(full, 429)
    assert 1 <= int(full.headers["Retry-After"]) <= 600
    ended = server.get(running, wait=10)
    assert (ended["state"], ended["error"]["title"]) == ("failed", "Took too long")

    job = server.post(headers={"Prefer": "wait=20"}).json()
    assert job["state"] == "succeeded"
    assert server.http.get(job["links"]["result"]).status_code == 200
    place = server.store / "jobs" / job["id"]
    server.wait(lambda: server.get(job["id"]).get("expired"), seconds=10)
    problem(server.http.get(job["links"]["result"]), 410)
    server.wait(lambda: not place.exists(), seconds=2)
    server.wait(lambda: server.http.get(job["links"]["self"]).status_code == 404, seconds=10)


def test_a_full_disk_is_told_before_the_work(own: Own) -> None:
    server = own("--disk", "0.0005")  # half a megabyte
    answers = []
    over = time.monotonic() + 30
    while time.monotonic() < over:
        answers.append(server.post(png(120), headers={"Prefer": "wait=20"}))
        if answers[-1].status_code != 200:
            break
    assert "no room" in problem(answers[-1], 507)
    assert answers[-1].headers["Retry-After"] == "60"
    assert 1 <= len(answers) < 20
    done = [answer.json()["id"] for answer in answers[:-1]]
    for job in done:
        server.http.delete(f"/v1/jobs/{job}")
    assert server.post(png(120)).status_code == 202
    assert len(list((server.store / "jobs").iterdir())) == 1
