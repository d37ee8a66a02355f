"""Who may ask: keys, hosts, origins; and what the server tells of itself."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from restore.server.about import mount_page
from restore.server.settings import Serve
from tests.server.conftest import QUICK, ROOT, Live

Own = Callable[..., Live]
KEY, OTHER = "correct-horse-battery", "staple-of-another-kind"


def bearer(key: str) -> dict[str, str]:
    """The header with a key."""
    return {"Authorization": f"Bearer {key}"}


def test_beyond_this_machine_keys_are_required() -> None:
    words = [sys.executable, "-m", "restore.cli", "serve", "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "can be reached from other machines; give API keys" in done.stderr


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 or more"):
        Serve(keys=str(ROOT / "Makefile")).read_keys()


def test_keys_open_the_server_to_their_own_jobs(own: Own) -> None:
    server = own("--host", "0.0.0.0", PHOTOMEND_API_KEYS=f"{KEY},{OTHER}")
    server.http.base_url = httpx.URL(server.address.replace("0.0.0.0", "127.0.0.1"))
    for path in ("/v1/jobs", "/v1/tasks", "/v1/priors", "/metrics", "/openapi.json"):
        for headers in ({}, bearer("wrong-horse-battery!"), {"Authorization": f"Basic {KEY}"}):
            refused = server.http.get(path, headers=headers)
            assert refused.status_code == 401, path
            assert refused.headers["WWW-Authenticate"].startswith("Bearer")
            assert refused.headers["Content-Type"] == "application/problem+json"
        assert server.http.get(path, headers=bearer(KEY)).status_code == 200, path
    assert server.http.get("/healthz").status_code == 200
    assert server.http.get("/readyz").status_code in (200, 503)
    assert server.post().status_code == 401
    job = server.post(headers=bearer(KEY)).json()["id"]
    assert server.http.get(f"/v1/jobs/{job}", headers=bearer(KEY)).status_code == 200
    for method, path in [("GET", ""), ("GET", "/events"), ("GET", "/result"), ("DELETE", "")]:
        stranger = server.http.request(method, f"/v1/jobs/{job}{path}", headers=bearer(OTHER))
        assert stranger.status_code == 404
    assert server.http.get("/v1/jobs", headers=bearer(OTHER)).json()["jobs"] == []
    told = server.http.get("/openapi.json", headers=bearer(KEY)).json()
    assert told["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert KEY not in server.log.read_text()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_another_name_for_this_machine_is_refused(server: Live, host: str) -> None:
    assert server.http.get("/healthz", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1", "[::1]:80"])
def test_its_own_names_are_not(server: Live, host: str) -> None:
    assert server.http.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1"])
def test_pages_of_others_cannot_ask(server: Live, origin: str) -> None:
    answer = server.post(headers={"Origin": origin})
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert server.post(headers={"Origin": server.address}).status_code == 202


def test_every_answer_has_its_headers(server: Live) -> None:
    for path in ("/healthz", "/v1/jobs", "/nowhere"):
        headers = server.http.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"


def test_errors_are_problems(server: Live) -> None:
    asked = [
        (server.http.get("/nowhere"), 404),
        (server.http.get("/v1/jobs/nothing"), 404),
        (server.http.put("/v1/jobs"), 405),
        (server.http.get("/v1/jobs", params={"limit": 0}), 422),
        (server.http.post("/v1/jobs", json={}), 415),
        (server.http.post("/v1/jobs"), 415),
        (server.http.post("/v1/jobs", files={"image": b"x"}), 422),
    ]
    for answer, status in asked:
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert answer.json()["errors"], answer.text
    assert asked[2][0].headers["Allow"] == "GET, HEAD, POST"
    assert asked[3][0].json()["errors"][0]["field"] == "limit"
    assert {error["field"] for error in asked[6][0].json()["errors"]} == {"task"}


RUBBISH = [
    b"\x16\x03\x01\x02\x00rubbish\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
]
FORM = b"Content-Type: multipart/form-data; boundary=b\r\n"


def test_what_is_no_request_is_refused_and_breaks_nothing(server: Live) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    for data in RUBBISH:
        with socket.create_connection((host, int(port)), timeout=10) as wire:
            wire.sendall(data)
            head, _, body = wire.makefile("rb").read().partition(b"\r\n\r\n")
        assert b"400 Bad Request" in head and b"application/problem+json" in head
        assert "ask as curl does" in json.loads(body)["errors"][0]["detail"]
    before = len(server.told("request"))
    with socket.create_connection((host, int(port)), timeout=10) as wire:  # and goes in the middle
        wire.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" + FORM)
        wire.sendall(b"Content-Length: 900\r\n\r\n--b\r\n")
        server.wait(lambda: server.http.get("/healthz"))

    def left() -> list[int]:
        asked = server.told("request")[before:]
        return [one["status"] for one in asked if one["path"] == "/v1/jobs"]

    server.wait(left)
    assert left() == [400]
    assert not server.told("uvicorn.error")[len(RUBBISH) :]  # each said once that it was none


def test_head_is_get_without_its_body(server: Live) -> None:
    job = server.job()["links"]["self"]
    for path in ("/healthz", "/v1/tasks", job, f"{job}/events", "/"):
        server.get(job.rpartition("/")[2], wait=20)
        head, whole = server.http.head(path), server.http.get(path)
        assert (head.status_code, head.content) == (200, b""), path
        kept = ("Content-Type", "Content-Length", "Content-Security-Policy")
        assert [head.headers.get(name) for name in kept] == [
            whole.headers.get(name) for name in kept
        ]
    assert server.http.head("/v1/jobs/none").status_code == 404


def test_health_metrics_and_priors(server: Live) -> None:
    assert server.http.get("/healthz").json() == {"status": "ok"}
    assert server.http.get("/readyz").json() == {"status": "ready"}
    figures = server.http.get("/metrics")
    assert figures.headers["Content-Type"].startswith("text/plain; version=")
    assert 'photomend_http_requests_total{method="GET",route="/healthz",status="200"}' in (
        figures.text
    )
    assert "photomend_worker_ready 1.0" in figures.text
    priors = {prior["name"]: prior for prior in server.http.get("/v1/priors").json()["priors"]}
    assert priors[QUICK]["default"]
    assert priors["embedded"]["licence"] == "apache-2.0"
    assert priors["embedded"]["parameters"] > 10**5


def test_the_log_is_json_and_tells_no_query(server: Live) -> None:
    server.http.get("/" + 300 * "a")
    server.http.get("/v1/jobs", params={"limit": 7})
    # A line is written once the answer is out.
    server.wait(lambda: server.told("request")[-1]["path"] == "/v1/jobs")
    line = server.told("request")[-1]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/jobs", 200)
    assert max(len(each["path"]) for each in server.told("request")) == 200
    text = server.log.read_text()
    assert all(json.loads(line) for line in text.rpartition("\n")[0].splitlines())


def test_the_page_is_served_with_a_strict_policy(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>photomend")
    app = FastAPI()
    mount_page(app, tmp_path)

    async def fetch(*paths: str) -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [await client.get(path) for path in paths]

    page, other = asyncio.run(fetch("/", "/..%2fconftest.py"))
    assert page.text == "<p>photomend"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert other.status_code == 404
