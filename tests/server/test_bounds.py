"""Nothing grows without bound: queue, disk, uploads, pictures, time."""

import asyncio
import re
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from restore.server import problems, service, worker
from restore.server.settings import ATTEMPTS, Serve
from restore.server.store import Asked, Bounds, Store
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
    # what there is no room to keep is sent all the same
    tiff = {"Accept": "image/tiff"}
    places = [f"{answer.json()['links']['result']}?depth=16" for answer in answers[:-1]]
    for place in places * 2:
        assert len(server.http.get(place, headers=tiff).content) > 60_000
    assert len([*(server.store / "jobs").rglob("deep.tif")]) < len(places)
    told = re.search(r"^photomend_store_bytes (\S+)", server.http.get("/metrics").text, re.M)
    assert told is not None and float(told[1]) <= 0.0005 * 2**30
    done = [answer.json()["id"] for answer in answers[:-1]]
    for job in done:
        server.http.delete(f"/v1/jobs/{job}")
    assert server.post(png(120)).status_code == 202
    assert len(list((server.store / "jobs").iterdir())) == 1


def filled(store: Store) -> None:
    """Let SQLite say that the disk is full, as it does where it is."""
    with store.database.connection() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        while True:
            connection.execute("INSERT INTO facts VALUES (hex(randomblob(9)), hex(zeroblob(999)))")


def to_a_full_disk() -> None:
    """Linux has one."""
    Path("/dev/full").write_bytes(bytes(10))


FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")


@FULL
def test_a_disk_that_is_really_full_is_507(tmp_path: Path) -> None:
    app, store = FastAPI(), Store(tmp_path)
    problems.install(app, [])
    app.get("/database")(lambda: filled(store))
    app.get("/file")(to_a_full_disk)
    app.get("/other")(lambda: Path(tmp_path / "none").read_bytes())

    async def statuses() -> list[tuple[int, str | None]]:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            found = [await client.get(path) for path in ("/database", "/file", "/other")]
        return [(each.status_code, each.headers.get("Retry-After")) for each in found]

    assert asyncio.run(statuses()) == [(507, "60"), (507, "60"), (500, None)]
    store.database.close()


@FULL
@pytest.mark.parametrize("fills", [1, ATTEMPTS])
def test_a_job_waits_for_room(tmp_path: Path, fills: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "ROOM", 0.01)
    works = worker.Worker(Serve(store=str(tmp_path)))
    asked = Asked("one", "", "estimate", {}, {"image": "image.png"}, 10, "fingerprint")
    works.store.add(asked, Bounds(10, 10**9))
    works.store.place("one").mkdir()
    tries: list[int] = []

    def work(job: Any, place: Path, result: Path, watch: Any) -> dict[str, Any]:
        tries.append(job["attempts"])
        if len(tries) >= min(fills + 1, ATTEMPTS):
            works.stop.set()
        if len(tries) <= fills:
            to_a_full_disk()
        return {"task": "estimate", "trial": None}

    works._take(work)
    found = works.store.get("one", "")
    assert found is not None
    assert tries == [*range(1, min(fills + 1, ATTEMPTS) + 1)]
    assert found["state"] == ("succeeded" if fills < ATTEMPTS else "failed")
    assert ("no room for more results" in str(found["error"])) == (fills == ATTEMPTS)
    kinds = [row["kind"] for row in works.store.events("one", 0)]
    assert kinds == ["queued", "running"] * len(tries) + [found["state"]]
    works.store.database.close()


def test_a_stream_of_what_is_gone_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "KEEP_ALIVE", 0.01)
    served = service.Service(Serve(store=str(tmp_path)), Store(tmp_path))
    for name in ("removed", "ahead"):
        asked = Asked(name, "", "deblur", {}, {"image": "image.png"}, 10, "fingerprint")
        served.store.add(asked, Bounds(10, 10**9))
    served.store.remove("removed")
    served.store.cancel("ahead")

    async def heard(job: str, after: int) -> list[bytes]:
        return [each async for each in served.follow(job, after)]

    for job, after in (("removed", 0), ("ahead", 10**6)):  # of another store, as a browser has it
        assert {each.split(b":")[0] for each in asyncio.run(heard(job, after))} == {b"retry", b""}
    served.store.database.close()
