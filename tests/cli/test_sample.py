"""sample: the embedded prior really draws, small pictures in two steps; files, seeds, refusals."""

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from operators import Seeds
from priors import load, picture_bits
from restore import Restorer, spec
from restore.device import device, dtype
from restore.images import read
from restore.sampling import draw, round_trip
from tests.cli.conftest import Command, picture
from tests.priors import families

QUICK = ("--size", 32, "--steps", 2)


def test_a_sample_a_seed_as_png(folder: Path, photomend: Command) -> None:
    outcome = photomend("sample", *QUICK, "--count", 2, "--seed", 5, "-o", "drawn")
    assert (outcome.code, outcome.out) == (0, "drawn/sample-5.png\ndrawn/sample-6.png\n")
    first, second = (Path(f"drawn/sample-{seed}.png").read_bytes() for seed in (5, 6))
    assert first != second
    with Image.open("drawn/sample-5.png") as image:
        assert (image.format, image.size, image.mode) == ("PNG", (32, 32), "RGB")
        told = json.loads(image.text["photomend"])  # type: ignore[attr-defined]
    asked = {"prior": "embedded", "size": 32, "steps": 2, "eta": 0.0, "seeds": [5]}
    assert asked.items() <= told.items()
    # the same seed, alone, on standard output and after one another: the same picture
    assert photomend("sample", *QUICK, "--seed", 5, "-o", "again.png").code == 0
    assert Path("again.png").read_bytes() == first
    piped = photomend("sample", *QUICK, "--seed", 6, "-o", "-")
    assert piped.code == 0
    Path("piped.png").write_bytes(piped.data)
    assert np.array_equal(read("piped.png").pixels, read("drawn/sample-6.png").pixels)


def test_no_eta_is_the_ode(folder: Path, photomend: Command) -> None:
    for eta in ("0", "0.5", "1"):
        assert photomend("sample", *QUICK, "--eta", eta, "-o", f"{eta}.png").code == 0
    drawn = [Path(f"{eta}.png").read_bytes() for eta in ("0", "0.5", "1")]
    assert len(set(drawn)) == 3


def test_a_picture_that_exists_is_kept_unless_told(folder: Path, photomend: Command) -> None:
    Path("out/samples").mkdir(parents=True)
    kept = Path("out/samples/sample-0.png")
    kept.write_bytes(b"old")
    outcome = photomend("sample", *QUICK)
    assert (outcome.code, outcome.out, kept.read_bytes()) == (0, "", b"old")
    assert "exists, skipped" in outcome.err
    outcome = photomend("sample", *QUICK, "--overwrite", "--json")
    told = json.loads(outcome.out)
    assert (outcome.code, told["status"], told["report"]["seeds"]) == (0, "done", [0])
    assert kept.read_bytes() != b"old"


def test_a_sheet_holds_all(folder: Path, photomend: Command) -> None:
    outcome = photomend("sample", *QUICK, "--count", 5, "--sheet", "--json")
    told = json.loads(outcome.out)
    assert (told["output"], told["report"]["seeds"]) == ("out/samples/samples.png", [*range(5)])
    with Image.open("out/samples/samples.png") as image:
        assert image.width >= 3 * 32
        assert image.height >= 2 * 32
    assert [path.name for path in Path("out/samples").iterdir()] == ["samples.png"]
    assert photomend("sample", *QUICK, "--count", 2, "--sheet", "-o", "two.png").code == 0


def test_a_round_trip_tells_what_the_library_finds(folder: Path, photomend: Command) -> None:
    picture(70).save("photo.png")
    outcome = photomend("sample", "--round-trip", "photo.png", "--steps", 2, "--json")
    told = json.loads(outcome.out)
    assert outcome.code == 0
    assert told["size"] == [64, 64]
    prior = Restorer().prior
    middle = read("photo.png").pixels[:, :, 3:67, 3:67]
    psnr, noise = round_trip(prior, middle, 2)
    assert told["psnr"] == pytest.approx(psnr.item())
    assert told["noise_std"] == pytest.approx(noise.std().item())
    bits = picture_bits(prior, middle, Seeds(0), steps=2).item()
    assert told["bits_per_dimension"] == pytest.approx(bits)
    line = photomend("sample", "--round-trip", "photo.png", "--steps", 2).out
    assert line.startswith("photo.png: 64 x 64 pixels came back from noise with ")
    assert line.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["photo.png"]


def test_a_text_is_heard_by_a_prior_that_reads_it(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, photomend: Command
) -> None:
    name = families.save("sd1", tmp_path_factory.mktemp("sd1"))
    text = ("--prompt", "a sharp photo", "--negative", "blurry", "--guidance", 4)
    outcome = photomend("sample", *QUICK, "--prior", name, *text, "-o", "a.png", "--json")
    assert outcome.code == 0, outcome.err
    asked = {"prompt": "a sharp photo", "negative": "blurry", "guidance": 4.0}
    assert asked.items() <= json.loads(outcome.out)["report"].items()
    prior: Any = load(str(name), dtype=dtype("auto", device("auto")))
    prior = prior.with_text("a sharp photo", "blurry", 4.0)
    drawn = draw(prior, torch.zeros(1, 3, 32, 32), Seeds(0), steps=2)
    found = read("a.png").pixels
    torch.testing.assert_close(found, drawn.clamp(0, 1), atol=0.51 / 255, rtol=0)
    for other in (("--prompt", "cat"), ("--negative", ""), ("--guidance", 1)):
        given = dict(zip(text[::2], text[1::2], strict=True)) | {other[0]: other[1]}
        words = [str(word) for pair in given.items() for word in pair]
        assert photomend("sample", *QUICK, "--prior", name, *words, "-o", "b.png").code == 0
        assert (read("b.png").pixels - found).abs().max() > 1 / 255, other
        Path("b.png").unlink()
    # a way to noise and back is another with a text, too
    told = []
    for more in ((), text):
        trip = ("--round-trip", "a.png", "--steps", 2, "--json")
        told.append(json.loads(photomend("sample", "--prior", name, *trip, *more).out))
    assert told[0]["noise_std"] != told[1]["noise_std"]
    assert asked.items() <= told[1].items()


BAD = [
    ("--size 100", 2, "--size 100: this prior takes multiples of 32, such as 96"),
    ("--size 0", 2, "--size: got '0'"),
    ("--size 3", 2, "--size 3: this prior takes multiples of 32, such as 32"),
    ("--count 0", 2, "--count: got '0'"),
    ("--steps 0", 2, "--steps: got '0'"),
    ("--eta 1.5", 2, "--eta: got '1.5'"),
    ("--eta -1", 2, "--eta: got '-1'"),
    ("--seed -1", 2, "--seed: got '-1'"),
    ("--prior no/such", 4, "no/such"),
    ("--count 2 -o x.png", 2, "-o x.png: takes one picture, not 2; name a folder or add --sheet"),
    ("--count 2 -o -", 2, "-o -: takes one picture, not 2; name a folder or add --sheet"),
    ("--prompt cat", 2, "prompt: the prior embedded reads no text; leave the prompt out"),
    ("--round-trip small.png --guidance 2", 2, "prompt: the prior embedded reads no text"),
    ("--guidance -1", 2, "--guidance: got '-1'"),
    ("-o x.gif", 2, "-o x.gif: name it with one of"),
    ("-o - --json", 2, "--json"),
    ("--round-trip none.png", 1, "none.png"),
    ("--round-trip small.png", 1, "small.png: this prior needs 32 x 32 pixels or more"),
    ("--round-trip small.png --size 8", 1, "small.png"),
    ("--round-trip small.png --count 2", 2, "leave --count out"),
    ("--round-trip small.png -o x.png", 2, "leave -o out"),
]


@pytest.mark.parametrize(("line", "code", "told"), BAD, ids=[line for line, _, _ in BAD])
def test_bad_input(folder: Path, photomend: Command, line: str, code: int, told: str) -> None:
    picture(16).save("small.png")
    outcome = photomend("sample", *line.split())
    assert outcome.code == code, outcome.err
    assert told in outcome.err
    assert len(outcome.err.splitlines()) == 1, outcome.err
    assert outcome.data == b""
    assert [path.name for path in Path().iterdir()] == ["small.png"]


def test_the_library_has_the_defaults_of_the_command() -> None:
    parameters = inspect.signature(draw).parameters
    fields = spec.Sample.model_fields
    assert {name: parameters[name].default for name in ("steps", "eta")} == {
        name: fields[name].default for name in ("steps", "eta")
    }
