"""Which photos are read and which files are written: settled before any work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from restore.commands.failure import FAILED, USAGE, Refusal
from restore.commands.files import Found, Job, gather, inspect, is_photo, plan, require
from restore.decode import PhotoError

TAG = ".deblurred"


def lay(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(*names: str) -> list[Found]:
    return [Found(name, Path(Path(name).name)) for name in names]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", True),
        ("a.JPEG", True),
        ("a.deblurred.png", True),
        ("a.txt", False),
        ("a.mask.png", False),
        ("a.kernel.png", False),
        ("a.std.png", False),
        ("a.sample12.png", False),
        (".a.png", False),
    ],
)
def test_what_is_a_photo(name: str, expected: bool) -> None:
    assert is_photo(name) is expected


def test_a_folder_gives_its_photos_and_r_those_below(folder: Path) -> None:
    lay(folder, "in/a.png", "in/b.jpg", "in/c.txt", "in/sub/d.png")
    assert [f.source for f in gather(["in"], TAG)] == ["in/a.png", "in/b.jpg"]
    deep = gather(["in"], TAG, recursive=True)
    assert [str(f.below) for f in deep] == ["a.png", "b.jpg", "sub/d.png"]


def test_a_folder_does_not_give_what_the_task_made(folder: Path) -> None:
    lay(folder, "in/a.png", "in/a.deblurred.png", "in/a.degraded.png", "in/out/a.png")
    sources = [f.source for f in gather(["in"], TAG, recursive=True, output="in/out")]
    assert sources == ["in/a.degraded.png", "in/a.png"]


def test_patterns_are_expanded_and_nothing_comes_twice(folder: Path) -> None:
    lay(folder, "a.png", "b.png", "b.txt")
    assert [f.source for f in gather(["b.png", "*.png", "./b.png"], TAG)] == ["b.png", "a.png"]


def test_a_name_with_brackets_is_a_name(folder: Path) -> None:
    lay(folder, "a[1].png")
    assert [f.source for f in gather(["a[1].png"], TAG)] == ["a[1].png"]


@pytest.mark.parametrize("name", ["empty", "*.webp"])
def test_nothing_found_is_a_refusal(folder: Path, name: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(Refusal, match="photo") as refusal:
        gather([name], TAG)
    assert refusal.value.code == FAILED


@pytest.mark.parametrize(
    ("source", "output", "target"),
    [
        ("in/my.jpg", None, "in/my.deblurred.jpg"),
        ("in/my.gif", None, "in/my.deblurred.png"),
        ("in/my.jpg", "x.png", "x.png"),
        ("in/my.jpg", "out/", "out/my.jpg"),
        ("in/my.jpg", "out", "out/my.jpg"),
        ("in/my.jpg", "-", "-"),
        ("-", None, "-"),
        ("-", "x.png", "x.png"),
    ],
)
def test_where_a_picture_goes(folder: Path, source: str, output: str | None, target: str) -> None:
    (job,) = plan(found(source), output, TAG)
    assert (job.source, job.target) == (source, target)


def test_the_tree_is_kept(folder: Path) -> None:
    lay(folder, "in/a.png", "in/sub/a.png")
    jobs = plan(gather(["in"], TAG, recursive=True), "out", TAG)
    assert [job.target for job in jobs] == ["out/a.png", "out/sub/a.png"]


def test_files_beside_a_picture() -> None:
    job = Job("a.png", "out/a.deblurred.png", Path("a.png"))
    assert str(job.beside(".json")) == "out/a.deblurred.json"


@pytest.mark.parametrize(
    ("names", "output", "word"),
    [
        (["x/a.png", "y/a.png"], "out", "both x/a.png and y/a.png"),
        (["a.png", "a.jpg"], None, "both a.png and a.jpg"),  # they would share a.deblurred.json
        (["a.png"], "a.png", "is an input"),
        (["a.png", "a.deblurred.png"], None, "is an input"),
        (["a.png", "b.png"], "out.png", "name a folder"),
        (["a.png", "b.png"], "-", "takes one picture"),
        (["a.png"], "out.gif", "name it with one of .png"),
        (["-"], "out/", "standard input has no name"),
        (["a.png"], "kernel.png", "is an input"),
    ],
)
def test_what_would_lose_a_file_is_refused(
    folder: Path, names: list[str], output: str | None, word: str
) -> None:
    lay(folder, "kernel.png", *(name for name in names if name != "-"))
    with pytest.raises(Refusal, match=word) as refusal:
        plan(found(*names), output, TAG, [".json"], ["kernel.png"])
    assert refusal.value.code == USAGE


def test_a_link_to_an_input_is_that_input(folder: Path) -> None:
    lay(folder, "a.png")
    os.symlink("a.png", "b.png")
    os.link("a.png", "c.png")
    for output in ("b.png", "c.png", "../" + folder.name + "/a.png"):
        with pytest.raises(Refusal, match="is an input"):
            plan(found("a.png"), output, TAG)


def test_a_photo_and_its_mask_are_looked_at_before_any_work(folder: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (8, 5)).save("photo.jpg", exif=turned)
    Image.new("L", (5, 8)).save("mask.png")
    Image.new("L", (8, 5)).save("other.png")
    Path("cut.jpg").write_bytes(Path("photo.jpg").read_bytes()[:-40])
    inspect("photo.jpg", "mask.png")
    inspect("photo.jpg", "a folder, or nothing")
    with pytest.raises(PhotoError, match=r"mask other\.png: 8 x 5 pixels, the photo has 5 x 8"):
        inspect("photo.jpg", "other.png")
    for words in (("cut.jpg",), ("photo.jpg", "cut.jpg")):
        with pytest.raises(PhotoError, match=r"cut\.jpg: cannot be decoded"):
            inspect(*words)


def test_a_photo_that_is_not_there_is_told_before_torch_is_loaded(folder: Path) -> None:
    lay(folder, "a.png")  # which is empty
    for name in ("a.png", "-", "s3://nowhere/a.png"):
        require(name)
    code = (
        "import sys; from restore.cli import main\n"
        "for words in ('deblur b.png', 'upscale b.png c.png', 'estimate b.png'):\n"
        "    assert main(words.split()) == 1\n"
        "assert main(['estimate', 'a.png']) == 1\n"
        "assert not {'torch', 'diffusers'} & {*sys.modules}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    line = "error: b.png: cannot be read (No such file or directory); check the name and its rights"
    assert done.stderr.splitlines().count(line) == 3
