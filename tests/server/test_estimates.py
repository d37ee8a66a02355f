"""What is told before a job: noise, blur and cost; what is kept of it: the photo, 16 bits."""

import io
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from operators.kernels import motion
from restore.images import read, write
from restore.server.pace import Cost, Sort, cost, remember
from restore.server.store import Store
from tests.drawings import blurred, scene
from tests.server.conftest import QUICK, SLOW, Live, png

JSON = {"Accept": "application/json"}
WAIT = {"Prefer": "wait=60"}


def test_an_estimate_finds_the_blur_and_draws_it(server: Live, tmp_path: Path) -> None:
    noisy = blurred(motion(9, 30), channels=3, side=128)
    write(read(noisy), tmp_path / "photo.png")
    data = (tmp_path / "photo.png").read_bytes()
    answer = server.http.post(
        "/v1/jobs", data={"task": "estimate"}, files={"image": ("photo.png", data)}, headers=WAIT
    )
    job = answer.json()
    assert job["state"] == "succeeded", job
    report = server.http.get(job["links"]["result"], headers=JSON).json()
    assert report["size"] == [120, 120]  # what the kernel reaches of 128
    assert report["jpeg"] is None
    assert report["blur"]["family"] == "motion"
    assert report["blur"]["parameters"]["length"] == pytest.approx(9, abs=0.7)
    assert report["blur"]["parameters"]["angle"] == pytest.approx(30, abs=4)
    again = server.post(data, kernel=report["blur"]["kernel"], steps=1)
    assert again.status_code == 202  # what it says may be sent
    drawn = server.http.get(report["files"]["kernel.png"]).content
    kernel = decoded(drawn)
    assert list(kernel.shape) == report["blur"]["kernel_size"]
    assert server.http.get(job["links"]["result"], headers={"Accept": "image/png"}).status_code == (
        406
    )
    told = server.http.get("/v1/cost", params={"pixels": 120 * 120, "kernel": "estimated"}).json()
    assert told["low"] <= told["seconds"] <= told["high"]
    assert (told["solver"], told["steps"]) == ("tradeoff", 20)


def test_an_estimate_tells_the_compression(server: Live) -> None:
    file = io.BytesIO()
    levels = (255 * scene(32)[0].repeat(3, 1, 1)).byte().permute(1, 2, 0).numpy()
    Image.fromarray(levels).save(file, "JPEG", quality=70)
    answer = server.http.post(
        "/v1/jobs", data={"task": "estimate"}, files={"image": ("a.jpg", file.getvalue())},
        headers=WAIT,
    )  # fmt: skip
    report = server.http.get(answer.json()["links"]["result"], headers=JSON).json()
    assert report["jpeg"] == {"quality": 70, "subsampling": "4:2:0", "cropped": False}
    assert report["enlarged"] is None


def test_an_estimate_tells_what_a_photo_was_enlarged_from(server: Live) -> None:
    file = io.BytesIO()
    small = Image.fromarray((255 * scene(48)[0, 0]).byte().numpy())
    small.resize((96, 96), Image.Resampling.BICUBIC).save(file, "PNG")
    answer = server.http.post(
        "/v1/jobs", data={"task": "estimate"}, files={"image": ("a.png", file.getvalue())},
        headers=WAIT,
    )  # fmt: skip
    report = server.http.get(answer.json()["links"]["result"], headers=JSON).json()
    assert report["enlarged"] == {"factors": [2, 2], "filter": "bicubic", "size": [48, 48]}
    assert report["size"] == [96, 96] and report["blur"] is None


def test_a_photo_that_tells_nothing_says_why(server: Live) -> None:
    answer = server.http.post(
        "/v1/jobs", data={"task": "estimate"}, files={"image": ("a.png", png(32))}, headers=WAIT
    )
    report = server.http.get(answer.json()["links"]["result"], headers=JSON).json()
    assert report["blur"] is None
    assert "too few" in report["why"]
    assert report["files"] == {}


def test_a_cost_is_what_jobs_took_scaled(tmp_path: Path) -> None:
    store, sort = Store(tmp_path), Sort("upscale", "dpir", "some/prior", False)
    assert cost(store, sort, 1.0) is None
    trial: dict[str, Any] = {"task": "estimate", "prior": "some/prior", "blur_seconds": 3.0}
    remember(store, {**trial, "trial": None}, 9.0)
    assert cost(store, sort, 1.0) is None
    remember(store, {**trial, "trial": {"work": 0.1, "seconds": 2.0}}, 9.0)
    assert cost(store, sort, 1.0) == Cost(20.0, 10.0, 50.0, 0)
    assert cost(store, sort._replace(blind=True, task="deblur"), 1.0) == Cost(23, 11.5, 57.5, 0)
    report = {
        "task": "upscale", "solver": "dpir", "size": [1000, 500], "seconds": 10.0,
        "options": {"steps": 4}, "arguments": {"prior": "some/prior", "samples": 2},
    }  # fmt: skip
    remember(store, report, 12.0)  # 4 megapixel steps, and two seconds around them
    found = cost(store, sort, 8.0)
    assert found is not None
    assert (found.seconds, found.jobs) == (22.0, 1)
    kin = cost(store, sort._replace(task="deblur"), 4.0)
    assert kin is not None
    assert kin.seconds == 12.0


def seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def test_a_cost_of_a_real_job_is_near(server: Live) -> None:
    asked: dict[str, Any] = {"steps": 10, "prior": SLOW, "factor": 2}
    jobs = [server.post(png(16), task="upscale", headers=WAIT, **asked).json() for _ in range(2)]
    took = [seconds(job["ended"]) - seconds(job["started"]) for job in jobs]
    params: dict[str, Any] = {"pixels": 32 * 32, "task": "upscale", "steps": 20, "prior": SLOW}
    told = server.http.get("/v1/cost", params=params).json()
    assert min(took) < told["seconds"] < 2.1 * max(took)  # twice the steps, and what stays
    unknown = server.http.get("/v1/cost", params={**params, "solver": "nobody"}).json()
    assert (unknown["seconds"], unknown["basis"]) == (None, None)


def test_a_result_has_sixteen_bits_where_asked(server: Live) -> None:
    job = server.post(headers=WAIT, prior=QUICK).json()
    place = job["links"]["result"]
    deep = server.http.get(place, params={"depth": 16}, headers={"Accept": "image/tiff"}).content
    shallow = server.http.get(place, headers={"Accept": "image/tiff"}).content
    fine, coarse = decoded(deep), decoded(shallow)
    assert [fine.itemsize, coarse.itemsize] == [2, 1]
    assert np.abs(fine / 257 - coarse.astype(float)).max() <= 0.5 + 1 / 257
    assert len(np.unique(fine)) > 256  # and not eight bits in a larger coat
    jpeg = server.http.get(place, params={"depth": 16}, headers={"Accept": "image/jpeg"})
    assert (jpeg.status_code, jpeg.json()["errors"][0]["field"]) == (406, "Accept")
    assert "deep" not in str(server.http.get(place, headers=JSON).json()["files"])


def test_the_photo_stays_with_its_result(server: Live) -> None:
    data = png(24, "JPEG", exif=_turned(6))
    sent = server.post(data, headers=WAIT).json()
    place = sent["links"]["image"]
    assert server.http.get(place).content == data
    plain = server.http.get(place, headers={"Accept": "image/png"})
    assert plain.headers["Content-Type"] == "image/png"
    expected = np.rot90(np.asarray(Image.open(io.BytesIO(data))), -1)
    assert (np.asarray(Image.open(io.BytesIO(plain.content))) == expected).all()
    assert server.http.get(place, headers={"Accept": "text/html"}).status_code == 406
    assert server.http.get(place.replace("image", "mask")).status_code == 404
    assert server.http.delete(sent["links"]["self"]).status_code == 204
    assert server.http.get(place).status_code == 404


def test_a_canceled_job_keeps_no_photo(server: Live) -> None:
    job = server.job(prior=SLOW, steps=900)
    assert server.http.get(job["links"]["image"]).content == png()
    server.http.delete(job["links"]["self"])
    assert server.get(job["id"], wait=20)["state"] == "canceled"
    assert server.http.get(job["links"]["image"]).status_code == 409


def test_a_mask_stays_too(server: Live) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.eye(32, dtype=np.uint8) * 255).save(stream, "PNG")
    files = {"mask": stream.getvalue()}
    job = server.post(task="inpaint", files=files, headers=WAIT, prior=QUICK, steps=2).json()
    assert job["state"] == "succeeded", job
    assert server.http.get(job["links"]["mask"]).content == stream.getvalue()


def test_a_kernel_stays_too(server: Live) -> None:
    stream = io.BytesIO()
    np.save(stream, np.eye(5))
    for data, media in ((stream.getvalue(), "application/octet-stream"), (png(5), "image/png")):
        job = server.post(kernel=None, files={"kernel": data}, steps=1, headers=WAIT).json()
        assert job["state"] == "succeeded", job
        answer = server.http.get(job["links"]["kernel"])
        assert (answer.content, answer.headers["Content-Type"]) == (data, media)
        refused = server.http.get(job["links"]["kernel"], headers={"Accept": "image/jpeg"})
        assert (refused.status_code, refused.json()["code"]) == (406, "not_offered")
    other = server.job()
    assert other["links"]["kernel"] is None
    missing = server.http.get(f"/v1/jobs/{other['id']}/kernel")
    assert (missing.status_code, missing.json()["detail"]) == (
        404, "the job was sent without a kernel",
    )  # fmt: skip


def decoded(data: bytes) -> NDArray[Any]:
    """Samples as they are in the file."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return found


def _turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif
