"""Uploads are judged by their content: whatever comes, the answer is documented."""

import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.server.conftest import Live, png

PICTURES = [png(24, kind) for kind in ("PNG", "JPEG", "TIFF", "WEBP", "BMP")]
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A picture with bytes changed, cut off or put in."""
    data = bytearray(draw(st.sampled_from(PICTURES)))
    for _ in range(draw(st.integers(1, 8))):
        place = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["change", "cut", "insert"])):
            case "change":
                data[place] = draw(st.integers(0, 255))
            case "cut":
                del data[max(1, place) :]
            case "insert":
                data[place:place] = draw(st.binary(max_size=64))
    return bytes(data)


@given(image=damaged() | st.binary(max_size=400))
@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
def test_a_damaged_upload_is_refused_or_ends(server: Live, image: bytes) -> None:
    answer = server.post(image, steps=1, headers={"Prefer": "wait=30"})
    assert answer.status_code in (200, 413, 415), answer.text
    if answer.status_code == 200:
        job = answer.json()
        assert job["state"] in ("succeeded", "failed")
        assert job["error"] is None or job["error"]["status"] == 422, job["error"]
        assert str(server.store) not in answer.text


@given(body=st.binary(max_size=600), boundary=st.sampled_from(["b", "", "--", "x" * 100]))
@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
def test_a_damaged_form_is_refused(server: Live, body: bytes, boundary: str) -> None:
    framed = b"--b\r\n" + body + b"\r\n--b--\r\n"
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = server.http.post("/v1/jobs", content=framed, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@given(params=JSON.map(json.dumps) | st.text(max_size=60), task=st.text(max_size=9))
@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
def test_odd_parameters_are_refused(server: Live, params: str, task: str) -> None:
    for name in (task, "deblur"):
        answer = server.http.post(
            "/v1/jobs", data={"task": name, "params": params}, files={"image": ("a", PICTURES[0])}
        )
        assert answer.status_code in (202, 400, 422), answer.text


def part(**more: Any) -> dict[str, Any]:
    """Files of a form."""
    return {"image": ("i", PICTURES[0]), **{name: (name, data) for name, data in more.items()}}


def mask(size: tuple[int, int]) -> bytes:
    """A mask, half white."""
    stream = io.BytesIO()
    image = Image.new("L", size)
    image.paste(255, (0, 0, size[0] // 2, size[1]))
    image.save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("task", "files", "status", "field"),
    [
        ("deblur", part(mask=mask((24, 24))), 422, "mask"),
        ("upscale", part(kernel=mask((5, 5))), 422, "kernel"),
        ("inpaint", part(), 422, "mask"),
        ("inpaint", part(mask=mask((24, 25))), 422, "mask"),
        ("inpaint", part(mask=b"white"), 415, "mask"),
        ("deblur", part(kernel=png(9, "JPEG")), 415, "kernel"),
        ("deblur", part(kernel=mask((400, 400))), 413, "kernel"),
        ("deblur", part(kernel=b"\x93NUMPY" + b"x" * 600_000), 413, "kernel"),
        ("deblur", part(other=b"x"), 422, "other"),
        ("deblur", {"image": ("i", b"")}, 415, "image"),
        ("deblur", {"image": ("photo.png", b"GIF89a" + b"\0" * 40)}, 415, "image"),
        ("blur", part(), 422, "task"),
    ],
)
def test_what_is_wrong_is_named(
    server: Live, task: str, files: dict[str, Any], status: int, field: str
) -> None:
    answer = server.http.post("/v1/jobs", data={"task": task}, files=files)
    assert answer.status_code == status, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_pickled_kernel_is_no_kernel(server: Live) -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([print], dtype=object), allow_pickle=True)
    files = part(kernel=stream.getvalue())
    wait = {"Prefer": "wait=30"}
    job = server.http.post("/v1/jobs", data={"task": "deblur"}, files=files, headers=wait).json()
    assert (job["state"], job["error"]["status"]) == ("failed", 422)
    assert [error["field"] for error in job["error"]["errors"]] == ["kernel"]


@pytest.mark.parametrize(
    ("operator", "field", "cure"),
    [("gamma", "params.solver", "pnpdm"), ("downsample:2 @ grayscale", "image", "give a grey")],
)
def test_a_job_that_fails_names_field_and_cure(
    server: Live, operator: str, field: str, cure: str
) -> None:
    wait = {"Prefer": "wait=30"}
    job = server.job(image=png(32), task="restore", operator=operator, headers=wait)
    (error,) = job["error"]["errors"]
    assert (job["state"], job["error"]["status"], error["field"]) == ("failed", 422, field)
    assert cure in error["detail"] == job["error"]["detail"]
    assert "image.png" not in error["detail"]


def test_the_name_of_a_file_decides_nothing(server: Live) -> None:
    files = {"image": ("../../evil.exe", PICTURES[1], "text/html")}
    wait = {"Prefer": "wait=30"}
    data = {"task": "upscale", "params": '{"factor": 2, "noise": 0.01}'}
    job = server.http.post("/v1/jobs", data=data, files=files, headers=wait).json()
    assert job["state"] == "succeeded"
    answer = server.http.get(job["links"]["result"])
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Disposition"] == 'inline; filename="upscale.jpg"'
