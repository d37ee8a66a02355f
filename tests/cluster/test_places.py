"""Stores: listed, fetched, put; and where pictures go that come from there or go there."""

import importlib.util
from pathlib import Path

import pytest

from restore.bench.nodes import free_port
from restore.cluster.places import fetched, listed, put
from restore.commands.failure import Refusal
from restore.commands.files import Found, Job, gather, joined, plan
from tests.cli.conftest import Command, picture
from tests.cluster.conftest import ask

needs_pyarrow = pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="needs pyarrow: photomend[ray]"
)
TAG = ".deblurred"


def lay(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return f"file://{folder}"


@needs_pyarrow
def test_a_store_is_searched_as_a_folder_is(tmp_path: Path) -> None:
    names = ("a.png", "b.jpg", "c.txt", "a.deblurred.png", "sub/d.png", "out/a.png", "a.mask.png")
    address = lay(tmp_path, *names)
    assert [f.source for f in gather([address], TAG)] == [f"{address}/a.png", f"{address}/b.jpg"]
    deep = gather([address], TAG, recursive=True, output=f"{address}/out")
    assert [str(f.below) for f in deep] == ["a.png", "b.jpg", "sub/d.png"]
    assert [str(f.below) for f in gather([f"{address}/*.png"], TAG)] == ["a.png"]
    assert gather([f"{address}/a.png"], TAG) == [Found(f"{address}/a.png", Path("a.png"))]


@needs_pyarrow
@pytest.mark.parametrize("name", ["none", "sub/*.webp"])
def test_a_store_without_photos_is_a_refusal(tmp_path: Path, name: str) -> None:
    address = lay(tmp_path, "a.txt", "sub/d.png")
    with pytest.raises(Refusal, match="holds no photos"):
        gather([f"{address}/{name}"], TAG)


@needs_pyarrow
def test_what_cannot_be_opened_is_a_refusal() -> None:
    with pytest.raises(Refusal, match="nowhere://x: cannot be opened"):
        gather(["nowhere://x"], TAG)


def test_keys_do_not_belong_in_an_address() -> None:
    with pytest.raises(Refusal, match="would be recorded") as refusal:
        gather(["s3://name:secret@bucket/in"], TAG)
    assert "secret" not in str(refusal.value)


@needs_pyarrow
def test_a_file_is_put_whole(tmp_path: Path) -> None:
    address = f"file://{tmp_path}/new/a.png"
    for data in (b"first", b"second"):
        put(data, address)
        assert fetched(address) == data
    assert listed(f"file://{tmp_path}/new", recursive=False) == ["a.png"]
    assert listed(f"file://{tmp_path}/none", recursive=True) == []
    with pytest.raises(Refusal, match="is not there"):
        fetched(f"file://{tmp_path}/none.png")


@needs_pyarrow
def test_what_a_store_refuses_is_one_line_with_the_cure(
    store: str, folder: Path, photomend: Command
) -> None:
    picture(16).save("a.png")

    def refused(*words: str) -> str:
        outcome = photomend("deblur", *words, "-k", "disk:1", "--engine", "ray")
        (line,) = outcome.err.splitlines()
        assert outcome.code == 1
        return line

    there = "s3://photos/in", "-o", "out"
    assert "s3://photos/in: holds no photos" in refused(*there)
    for words in (("s3://none/in", "-o", "out"), ("a.png", "-o", "s3://none/out")):
        assert "there is no bucket none; create it, or check its name" in refused(*words)
    ask(f"{store}/moto-api/reset-auth", "POST", b"0")  # from now on keys are looked at
    try:
        told = "the store tells INVALID_ACCESS_KEY_ID; check AWS_ACCESS_KEY_ID and AWS_SECRET_"
        assert told in refused(*there)
    finally:
        ask(f"{store}/moto-api/reset-auth", "POST", b"inf")


@needs_pyarrow
def test_a_store_that_does_not_answer_is_one_line(
    folder: Path, photomend: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    outcome = photomend("deblur", "s3://photos/in", "-o", "out", "--engine", "ray")
    (line,) = outcome.err.splitlines()
    assert outcome.code == 1
    assert "s3://photos/in: the store tells NETWORK_CONNECTION; check the network" in line


@needs_pyarrow
@pytest.mark.parametrize("name", ["a b.png", "50%25.png", "\u00fc#[1].png"])
def test_any_name_is_a_name(store: str, tmp_path: Path, name: str) -> None:
    for address in (f"file://{tmp_path}", "s3://photos/names"):
        put(name.encode(), f"{address}/{name}")
        assert fetched(f"{address}/{name}") == name.encode()
        assert name in listed(address, recursive=False)
    assert (tmp_path / name).read_bytes() == name.encode()


@pytest.mark.parametrize(
    ("source", "output", "target"),
    [
        ("s3://b/in/my.jpg", "s3://b/out", "s3://b/out/my.jpg"),
        ("s3://b/in/my.jpg", "s3://b/out/?region=x", "s3://b/out/my.jpg?region=x"),
        ("s3://b/in/my.jpg", "out", "out/my.jpg"),
        ("in/my.jpg", "s3://b", "s3://b/my.jpg"),
        ("s3://b/my.jpg", None, "s3://b/my.deblurred.jpg"),
        ("s3://b/my.jpg?region=x", None, "s3://b/my.deblurred.jpg?region=x"),
    ],
)
def test_where_a_picture_goes(source: str, output: str | None, target: str) -> None:
    found = [Found(source, Path("my.jpg"))]
    assert plan(found, output, TAG) == [Job(source, target, Path("my.jpg"))]


def test_two_photos_for_one_address_are_refused() -> None:
    found = [Found("s3://b/x/a.png", Path("a.png")), Found("s3://b/y/a.png", Path("a.png"))]
    with pytest.raises(Refusal, match=r"both s3://b/x/a\.png and s3://b/y/a\.png"):
        plan(found, "s3://c", TAG, [".json"])


def test_names_are_joined_before_the_question_mark() -> None:
    assert joined("s3://b/c/?x=1", Path("d/e.png")) == "s3://b/c/d/e.png?x=1"
    assert joined("c", Path("d/e.png")) == "c/d/e.png"
