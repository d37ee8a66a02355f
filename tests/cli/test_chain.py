"""An operator in words is the operator that Python composes."""

from pathlib import Path

import numpy
import pytest
import torch

from operators import GridBlur, Identity, LinearOperator, Operator, kernels
from operators.blur import Blur
from operators.mask import Mask
from operators.resize import Downsample
from operators.testing import check_operator
from restore.chain import CLASSES, KERNELS, parse
from restore.commands.saving import drawn

OWN = Downsample(2, "box")
IMAGE = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
ARGUMENTS = {"downsample": "2", "quantize": "6", "jpeg": "50", "mosaic": "RGGB"}


def build() -> Operator:
    return OWN


@pytest.mark.parametrize(
    ("text", "operator"),
    [
        ("gaussian:1", Blur(kernels.gaussian(1))),
        ("motion:5,30", Blur(kernels.motion(5, 30))),
        ("downsample:2", Downsample(2)),
        ("downsample:3,lanczos", Downsample(3, "lanczos")),
        ("downsample:2 @ disk:2", Downsample(2) @ Blur(kernels.disk(2))),
        ("gaussian:1@downsample:2", Blur(kernels.gaussian(1)) @ Downsample(2)),
        ("tests.cli.test_chain:OWN", OWN),
        ("gaussian:1 @ tests.cli.test_chain:build", Blur(kernels.gaussian(1)) @ OWN),
        ("operators:Identity", Identity()),
    ],
)
def test_words_give_the_operator(text: str, operator: Operator) -> None:
    torch.testing.assert_close(parse(text)(IMAGE), operator(IMAGE), rtol=0, atol=0)


@pytest.mark.parametrize("word", CLASSES)
def test_every_word_is_an_operator(word: str) -> None:
    arguments = ARGUMENTS.get(word)
    parse(f"{word}:{arguments}" if arguments else word)(IMAGE)


def test_a_mask_and_a_kernel_come_from_files(folder: Path, mask: Path) -> None:
    operator = parse(f"mask:{mask}")
    assert isinstance(operator, Mask)
    assert int(operator.unknown.sum()) == 16 * 16
    kernels_file = folder / "kernel.png"
    kernels_file.write_bytes(mask.read_bytes())
    assert isinstance(parse(f"blur:{kernels_file}"), Blur)


def test_kernels_of_parts_come_from_a_file(folder: Path) -> None:
    grid = torch.stack([kernels.motion(5, 0), kernels.motion(5, 90)])[None]
    numpy.save(folder / "parts.npy", grid.numpy())
    drawn(grid, folder / "parts.png", overwrite=False)
    expected = GridBlur(grid, 24, 24, "reflect")(IMAGE)
    found = parse("blur:parts.npy")
    torch.testing.assert_close(found(IMAGE), expected, rtol=0, atol=0)
    torch.testing.assert_close(parse("blur:parts.png")(IMAGE), expected, rtol=0, atol=1e-4)
    torch.testing.assert_close((parse("clip @ blur:parts.npy"))(IMAGE), expected)
    assert isinstance(found, LinearOperator)
    check_operator(found, (1, 3, 24, 17))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty part"),
        ("gaussian:1 @", "empty part"),
        ("gausian:1", "did you mean gaussian"),
        ("gamma:1", "takes at most 0 arguments"),
        ("downsample", "downsample"),
        ("none.such:thing", "unknown 'none.such:thing'"),
        ("operators:Nothing", "Nothing"),
        ("operators:Shape", "operators:Shape"),
        ("mask:none.png", "none.png"),
        *((f"{word}:-1", word) for word in KERNELS),
    ],
)
def test_wrong_words_are_refused_in_one_line(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refusal:
        parse(text)
    assert "\n" not in str(refusal.value)
