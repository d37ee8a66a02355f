"""The tasks, really run: small photos, the embedded prior, two steps."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators import kernels
from restore.blind import correlation
from restore.images import read, write
from tests.cli.conftest import WHITE, Command, picture
from tests.drawings import blurred

QUICK = ("--steps", 2, "--noise", "2/255", *WHITE)
VALUES = ("-k", "disk:1", "--camera", "none")


def pixels(path: Path | str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_deblur_improves_what_degrade_blurred(photo: Path, photomend: Command) -> None:
    degraded = photomend("degrade", photo, "--kernel", "gaussian:1.5", "--noise", "1/255")
    assert (degraded.code, degraded.out) == (0, "photo.degraded.png\n")
    undo = json.loads(Path("photo.degraded.json").read_text())["undo"].split()
    assert undo[0] == "photomend"
    restored = photomend(*undo[1:])
    assert (restored.code, restored.out) == (0, "photo.degraded.deblurred.png\n")
    truth = pixels("photo.png")
    errors = [
        np.square(pixels(name) - truth).mean()
        for name in ("photo.degraded.png", "photo.degraded.deblurred.png")
    ]
    assert errors[1] < errors[0]


def test_the_report_lies_beside_the_picture(photo: Path, photomend: Command) -> None:
    told = photomend("deblur", photo, "-k", "disk:1", "--seed", 7, *QUICK[:4]).err
    *_, verdict, how = told.splitlines()
    assert re.match(r"photo.png: .+ the photo.*; chi-square \d", verdict)
    assert re.search(r"; this prior cannot exceed \d\d dB here$", verdict)
    assert re.search(r"seed 7, tradeoff \(.*steps 2.*\), 4 evaluations, [\d.]+ s, \d+ MB$", how)
    report = json.loads(Path("photo.deblurred.json").read_text())
    assert (report["task"], report["input"], report["seeds"]) == ("deblur", "photo.png", [7])
    assert report["arguments"]["kernel"] == "disk:1"
    assert report["arguments"]["noise"] == pytest.approx(2 / 255)


def test_upscale_gives_a_larger_picture(photo: Path, photomend: Command) -> None:
    assert photomend("upscale", photo, "--factor", 2, *QUICK).code == 0
    assert pixels("photo.upscaled.png").shape == (96, 96, 3)


def test_inpaint_changes_nothing_outside_the_mask(
    photo: Path, mask: Path, photomend: Command
) -> None:
    assert photomend("inpaint", photo, "-m", mask, "--steps", 2).code == 0
    before, after = pixels(photo), pixels("photo.inpainted.png")
    hole = pixels(mask).max(-1) > 127
    assert (before[~hole] == after[~hole]).all()
    assert (before[hole] != after[hole]).any()


def test_a_folder_of_masks_holds_one_a_photo(photo: Path, mask: Path, photomend: Command) -> None:
    Path("masks").mkdir()
    mask.rename("masks/photo.png")
    assert photomend("inpaint", photo, "-m", "masks", "--steps", 2).code == 0
    other = Path("other.png")
    photo.rename(other)
    outcome = photomend("inpaint", other, "-m", "masks", "--steps", 2)
    assert outcome.code == 1
    assert "other.png: --mask masks: holds no mask named other.png" in outcome.err


def test_restore_takes_a_chain_of_operators(photo: Path, photomend: Command) -> None:
    chain = "downsample:2 @ gaussian:1"
    assert photomend("restore", photo, "--operator", chain, *QUICK).code == 0
    assert pixels("photo.restored.png").shape == (96, 96, 3)


def test_samples_are_written_beside_their_mean(photo: Path, photomend: Command) -> None:
    outcome = photomend("deblur", photo, "-k", "disk:1", "--samples", 2, "--solver", "sdedit")
    assert outcome.code == 0, outcome.err
    names = {path.name for path in Path().glob("photo.deblurred*")}
    parts = {"", ".sample1", ".sample2", ".std", ".undetermined"}
    assert names == {f"photo.deblurred{part}.png" for part in parts} | {"photo.deblurred.json"}
    drawn = [pixels(f"photo.deblurred.sample{k}.png") for k in (1, 2)]
    assert (drawn[0] != drawn[1]).any()
    # the mean is rounded once, each sample too: at most one level apart
    assert np.abs(pixels("photo.deblurred.png") - sum(drawn) / 2).max() <= 1


def test_the_same_seed_gives_the_same_file(photo: Path, photomend: Command) -> None:
    words = ("deblur", photo, "-k", "disk:1", "--solver", "sdedit", "--steps", 2)
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        assert photomend(*words, "--seed", seed, "-o", name).code == 0
    a, b, c = (pixels(name) for name in ("a.png", "b.png", "c.png"))
    assert (a == b).all()
    assert (a != c).any()


def test_a_pipe_gives_bytes_of_the_same_format(folder: Path, photomend: Command) -> None:
    picture().save(folder / "photo.jpg", quality=95)
    data = (folder / "photo.jpg").read_bytes()
    outcome = photomend("deblur", "-", "-k", "disk:1", *QUICK, stdin=data)
    assert outcome.code == 0, outcome.err
    assert outcome.data[:3] == b"\xff\xd8\xff"
    assert {path.name for path in folder.iterdir()} == {"photo.jpg"}
    same = photomend("deblur", "photo.jpg", "-k", "disk:1", *QUICK, "-o", "-")
    assert same.data == outcome.data


def test_json_gives_one_object_a_file(photo: Path, photomend: Command) -> None:
    photomend("deblur", photo, *VALUES, *QUICK)
    picture(seed=1).save("other.png")
    names = ("photo.png", "other.png", "none.png")
    outcome = photomend("deblur", *names, *VALUES, "--json", *QUICK)
    rows = [json.loads(line) for line in outcome.out.splitlines()]
    assert [row["input"] for row in rows] == [*names]
    assert [row["status"] for row in rows] == ["skipped", "done", "failed"]
    assert rows[1]["report"]["size"] == [48, 48]
    assert "none.png: cannot be read" in rows[2]["error"]
    assert outcome.code == 3


def test_what_exists_is_skipped_unless_told(photo: Path, photomend: Command) -> None:
    words = ("deblur", photo, *VALUES, *QUICK)
    assert photomend(*words).code == 0
    first = Path("photo.deblurred.png").stat().st_mtime_ns
    again = photomend(*words)
    assert (again.code, again.out) == (0, "")
    assert "exists, skipped" in again.err
    assert Path("photo.deblurred.png").stat().st_mtime_ns == first
    assert photomend(*words, "--overwrite").out == "photo.deblurred.png\n"
    assert Path("photo.deblurred.png").stat().st_mtime_ns > first


def test_a_broken_file_does_not_stop_the_folder(folder: Path, photomend: Command) -> None:
    for below in ("a.png", "sub/c.png"):
        (folder / "in" / below).parent.mkdir(parents=True, exist_ok=True)
        picture().save(folder / "in" / below)
    (folder / "in" / "b.png").write_bytes(b"no picture")
    outcome = photomend("deblur", "in", "-r", "-o", "out", *VALUES, *QUICK)
    assert outcome.code == 3
    assert "in/b.png" in outcome.err
    written = {str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file()}
    assert written == {"a.png", "a.json", "sub/c.png", "sub/c.json"}


def test_quiet_says_nothing_when_all_is_well(photo: Path, photomend: Command) -> None:
    assert photomend("deblur", photo, *VALUES, "-q", *QUICK) == (0, b"", "")


def test_an_option_of_the_solver_reaches_it(photo: Path, photomend: Command) -> None:
    words = ("deblur", photo, *VALUES, *QUICK)
    assert photomend(*words, "--option", "reach=0.2").code == 0
    options = json.loads(Path("photo.deblurred.json").read_text())["options"]
    assert options["reach"] == 0.2


def test_the_kernel_that_was_estimated_lies_beside_the_picture(
    folder: Path, photomend: Command
) -> None:
    kernel = kernels.motion(9, 30)
    seen = blurred(kernel, channels=3, side=112)
    write(read(seen), Path("shaken.png"))
    done = photomend("deblur", "shaken.png", "--camera", "none", "--steps", 2)
    assert done.code == 0, done.err
    assert "confidence" in done.err
    assert correlation(kernels.load("shaken.deblurred.kernel.png"), kernel) > 0.9
    report = json.loads(Path("shaken.deblurred.json").read_text())
    assert report["arguments"]["kernel"] is None
    assert report["blur"]["confidence"] > 0


def test_where_a_photo_was_taken_is_left_out_when_told(folder: Path, photomend: Command) -> None:
    exif = Image.Exif()
    exif[0x8825] = {1: "N"}
    picture().save("here.jpg", exif=exif)
    for words, kept in ((("-o", "a.jpg"), True), (("-o", "b.jpg", "--no-gps"), False)):
        assert photomend("deblur", "here.jpg", *VALUES, *QUICK, *words).code == 0
        with Image.open(words[1]) as image:
            assert (0x8825 in image.getexif()) == kept
