"""Jobs as resources: accepted, followed, fetched, canceled, in a real server."""

import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.kernels import motion
from restore.images import read, write
from restore.server.doing import SHOW
from tests.drawings import blurred
from tests.server.conftest import SLOW, Live, parsed, png


def test_a_job_is_accepted_and_ends(server: Live) -> None:
    answer = server.post(steps=20, camera="none")  # which needs no trials
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
    given = {"kernel": "disk:1", "noise": 0.05, "steps": 20, "camera": "none"}
    assert job["params"] == given
    ended = server.get(job["id"], wait=30)
    assert (ended["state"], ended["error"], ended["attempts"]) == ("succeeded", None, 1)
    assert ended["step"] == ended["steps"] == 20
    assert ended["created"] <= ended["started"] <= ended["ended"] <= ended["expires"]


def test_waiting_gives_the_ended_job_at_once(server: Live) -> None:
    answer = server.post(headers={"Prefer": "respond-async, wait=30"})
    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")
    assert answer.headers["Preference-Applied"] == "wait=30"
    slow = server.post(prior=SLOW, headers={"Prefer": "wait=0"})
    assert slow.status_code == 202
    server.http.delete(slow.json()["links"]["self"])


def test_events_come_in_order_and_again(server: Live) -> None:
    job = server.job(prior=SLOW, steps=20, camera="none")["id"]
    events = server.events(job)
    ids, kinds = [each[0] for each in events], [each[1] for each in events]
    assert ids == sorted(set(ids))
    assert (kinds[0], kinds[1], kinds[-1]) == ("queued", "running", "succeeded")
    steps = [data["step"] for _, kind, data in events if kind == "progress"]
    assert steps == sorted(set(steps))
    assert steps[-1] == 20
    middle = next(i for i, kind in enumerate(kinds) if kind == "progress") + 2
    kept = [each for each in server.events(job, last=ids[middle]) if each[1] != "preview"]
    assert kept == [each for each in events[middle + 1 :] if each[1] != "preview"]
    assert server.http.get(
        f"/v1/jobs/{job}/events", headers={"Last-Event-ID": str(ids[-1])}
    ).status_code == 204  # fmt: skip


def test_a_preview_is_a_small_picture_of_the_job(server: Live) -> None:
    began = time.monotonic()
    events = server.events(server.job(prior=SLOW, steps=20)["id"])
    shown = [data["image"] for _, kind, data in events if kind == "preview"]
    assert 1 <= len(shown) <= (time.monotonic() - began) / SHOW
    head, _, data = shown[-1].partition(",")
    assert head == "data:image/jpeg;base64"
    import base64

    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.format == "JPEG"
        assert image.width == image.height == 32  # without what was blurred into its frame


def test_a_stream_that_breaks_goes_on_where_it_was(server: Live) -> None:
    job = server.job(prior=SLOW)["id"]
    text, seen = "", 0
    with server.http.stream("GET", f"/v1/jobs/{job}/events") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        for chunk in stream.iter_text():
            text += chunk
            if text.count("event: progress") >= 2:
                break
    first = parsed(text)
    seen = first[-1][0]
    rest = server.events(job, last=seen)
    steps = [data["step"] for _, kind, data in first + rest if kind == "progress"]
    assert steps == sorted(set(steps))
    assert rest[-1][1] == "succeeded"


def test_cancel_ends_within_a_step(server: Live) -> None:
    job = server.job(prior=SLOW, steps=200)["id"]
    server.wait(lambda: server.get(job)["step"] >= 3)
    began = time.monotonic()
    answer = server.http.delete(f"/v1/jobs/{job}")
    assert answer.status_code == 202
    assert answer.json()["canceling"] is True
    ended = server.get(job, wait=10)
    assert ended["state"] == "canceled"
    assert time.monotonic() - began < 5  # of ten and more
    last = server.events(job)
    assert last[-1][1] == "canceled"
    assert ended["step"] < 50
    assert server.http.get(f"/v1/jobs/{job}/result").status_code == 409
    assert not (server.store / "jobs" / job / "image.png").exists()


def test_cancel_does_not_wait_for_the_search_for_a_blur(server: Live, tmp_path: Path) -> None:
    write(read(blurred(motion(15, 30), channels=3, side=320)), tmp_path / "photo.png")
    job = server.job(image=(tmp_path / "photo.png").read_bytes(), kernel=None, prior="embedded")
    server.wait(lambda: server.get(job["id"])["state"] == "running")
    server.http.delete(job["links"]["self"])
    began = time.monotonic()
    ended = server.get(job["id"], wait=30)
    assert (ended["state"], ended["step"]) == ("canceled", 0)
    assert time.monotonic() - began < 5  # of twenty and more
    assert server.get(server.job()["id"], wait=10)["attempts"] == 1  # the worker lives


def test_cancel_of_a_queued_job_is_at_once(server: Live) -> None:
    first = server.job(prior=SLOW, steps=100)["id"]
    second = server.job(prior=SLOW)["id"]
    assert server.get(second)["ahead"] == 1
    assert server.http.delete(f"/v1/jobs/{second}").json()["state"] == "canceled"
    assert server.http.delete(f"/v1/jobs/{first}").status_code == 202
    assert server.get(first, wait=10)["state"] == "canceled"


def test_a_job_that_ended_can_be_removed(server: Live) -> None:
    job = server.post(headers={"Prefer": "wait=30"}).json()["id"]
    assert (server.store / "jobs" / job).is_dir()
    assert server.http.delete(f"/v1/jobs/{job}").status_code == 204
    for path in ("", "/events", "/result"):
        assert server.http.get(f"/v1/jobs/{job}{path}").status_code == 404
    assert not (server.store / "jobs" / job).exists()


def test_the_result_waits_for_the_job(server: Live) -> None:
    job = server.job(prior=SLOW, steps=100)["id"]
    early = server.http.get(f"/v1/jobs/{job}/result")
    assert (early.status_code, early.headers["Retry-After"]) == (409, "1")
    server.http.delete(f"/v1/jobs/{job}")


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, "image/png"),
        ("*/*", "image/png"),
        ("image/*;q=0.5, application/json;q=0.1", "image/png"),
        ("image/jpeg", "image/jpeg"),
        ("image/webp, image/png;q=0.9", "image/webp"),
        ("text/html, image/tiff;q=0.2", "image/tiff"),
        ("application/json", "application/json"),
    ],
)
def test_accept_chooses_the_format(server: Live, accept: str | None, media: str) -> None:
    job = server.post(headers={"Prefer": "wait=30"}, seed=1).json()["id"]
    headers = {} if accept is None else {"Accept": accept}
    answer = server.http.get(f"/v1/jobs/{job}/result", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, media)
    assert answer.headers["Vary"] == "Accept"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    part = server.http.get(f"/v1/jobs/{job}/result", headers={**headers, "Range": "bytes=x"})
    assert (part.status_code, part.content) == (200, answer.content)  # no part is ever given
    if media.startswith("image/"):
        with Image.open(io.BytesIO(answer.content)) as image:
            assert (f"image/{str(image.format).lower()}", image.size) == (media, (32, 32))
    else:
        assert answer.json()["seeds"] == [1]
        assert str(server.store) not in answer.text


def test_what_cannot_be_accepted_is_406(server: Live) -> None:
    job = server.post(headers={"Prefer": "wait=30"}).json()["id"]
    refused = server.http.get(f"/v1/jobs/{job}/result", headers={"Accept": "image/gif"})
    assert refused.status_code == 406
    assert refused.json()["errors"][0]["field"] == "Accept"


def test_a_16_bit_photo_keeps_its_bits_in_png_and_tiff(server: Live) -> None:
    deep = np.linspace(0, 65535, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint16)
    import cv2

    data = cv2.imencode(".png", deep)[1].tobytes()
    job = server.post(data, headers={"Prefer": "wait=30"}).json()["id"]
    for media, depth in (("image/tiff", 16), ("image/png", 16), ("image/webp", 8)):
        answer = server.http.get(f"/v1/jobs/{job}/result", headers={"Accept": media})
        assert read(answer.content).depth == depth, media


def test_the_samples_lie_beside_their_mean(server: Live) -> None:
    answer = server.post(solver="diffpir", samples=2, steps=3, headers={"Prefer": "wait=30"})
    job = answer.json()["id"]
    json_ = {"Accept": "application/json"}
    files = server.http.get(f"/v1/jobs/{job}/result", headers=json_).json()["files"]
    assert set(files) == {"sample1.png", "sample2.png", "std.png", "undetermined.png"}
    for address in files.values():
        assert server.http.get(address).content.startswith(b"\x89PNG")
    for name in ("kernel.png", "sample3.png", "..%2fresult.json", "samples.npz"):
        assert server.http.get(f"/v1/jobs/{job}/files/{name}").status_code == 404


def test_the_same_key_gives_the_same_job_once(server: Live) -> None:
    headers = {"Idempotency-Key": "once"}

    def ask(_: int) -> tuple[int, str]:
        answer = server.post(seed=5, headers=headers)
        return answer.status_code, answer.json()["id"]

    with ThreadPoolExecutor(8) as threads:
        answers = set(threads.map(ask, range(24)))
    assert len(answers) == 1
    again = server.post(seed=5, headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = server.post(seed=6, headers=headers)
    assert other.status_code == 409
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"
    image = server.post(png(40), seed=5, headers=headers)
    assert image.status_code == 409


def test_the_list_is_paged_and_filtered(server: Live) -> None:
    made = [server.job(seed=seed)["id"] for seed in range(5)]
    page = server.http.get("/v1/jobs", params={"limit": 3}).json()
    assert [job["id"] for job in page["jobs"]] == made[:1:-1]
    following = server.http.get(page["next"]).json()
    assert [job["id"] for job in following["jobs"]][:2] == made[1::-1]
    server.get(made[-1], wait=30)
    done = server.http.get("/v1/jobs", params={"state": "succeeded", "limit": 100}).json()["jobs"]
    assert set(made) <= {job["id"] for job in done}
    assert {job["state"] for job in done} == {"succeeded"}


def test_jobs_at_once_do_not_mix(server: Live) -> None:
    def run(seed: int) -> tuple[int, bytes]:
        wait = {"Prefer": "wait=60"}
        job = server.post(headers=wait, solver="diffpir", steps=3, seed=seed % 4).json()
        assert job["state"] == "succeeded"
        return seed % 4, server.http.get(job["links"]["result"]).content

    with ThreadPoolExecutor(12) as threads:
        results = list(threads.map(run, range(16)))
    assert len(set(results)) == 4  # the seed decides, and nothing else
    assert len({data for _, data in results}) == 4


def test_a_damaged_photo_fails_with_the_reason(server: Live) -> None:
    job = server.post(png(64)[:-200], headers={"Prefer": "wait=30"}).json()
    assert job["state"] == "failed"
    assert job["error"]["status"] == 422
    assert job["error"]["detail"].startswith("cannot be decoded (image file is truncated)")
    assert [each["field"] for each in job["error"]["errors"]] == ["image"]
    assert str(server.store) not in json.dumps(job)
    assert server.events(job["id"])[-1][2]["error"] == job["error"]


def test_every_task_runs(server: Live) -> None:
    mask = io.BytesIO()
    Image.fromarray(np.eye(32, dtype=bool)).save(mask, "PNG")
    wait = {"Prefer": "wait=30"}
    jobs = [
        server.post(task="upscale", factor=2, headers=wait),
        server.post(task="inpaint", files={"mask": mask.getvalue()}, headers=wait),
        server.post(task="restore", operator="downsample:2 @ gaussian:1", headers=wait),
    ]
    sizes = []
    for job in jobs:
        assert job.json()["state"] == "succeeded", job.text
        data = server.http.get(job.json()["links"]["result"]).content
        sizes.append(Image.open(io.BytesIO(data)).size)
    assert sizes == [(64, 64), (32, 32), (64, 64)]
