"""How much memory is asked for, and what happens where there is less."""

import math
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import restore
from operators import Blur, Gaussian, Identity, Jpeg, Measurement, kernels
from operators.exposure import Camera, Exposure
from priors import GaussianPrior, load
from priors.schedule import Flow, Level
from restore import Restorer
from restore.declared import as_bytes
from restore.memory import (
    COMPRESSED,
    PICTURE,
    SAMPLE,
    TILE,
    NotEnoughMemory,
    Room,
    fitting_tile,
    memory_free,
    memory_held,
    room,
)
from restore.solvers import State
from tests.drawings import scene
from tests.solvers.test_guided_memory import Held

MIB = 2**20
CPU = torch.device("cpu")


def photo(height: int, width: int) -> Tensor:
    return scene(max(height, width, 32))[..., :height, :width].expand(1, 3, -1, -1).contiguous()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (6000, 6000),
        ("6000", 6000),
        ("6GB", 6 * 10**9),
        ("1.5 gib", 1536 * MIB),
        ("6G", 6 * 2**30),
        ("512M", 512 * MIB),
    ],
)
def test_sizes_of_memory(size: int | str, expected: int) -> None:
    assert as_bytes(size) == expected


@pytest.mark.parametrize("size", ["", "much", "0", -1, "6XB", "6IB", "B", "1e9"])
def test_what_is_no_size_of_memory_is_refused_by_name(size: int | str) -> None:
    with pytest.raises(ValueError, match="max_memory: got"):
        as_bytes(size)


def test_the_system_tells_what_is_held_and_free() -> None:
    before = memory_held()
    with mmap.mmap(-1, 64 * MIB) as block:  # new pages, where malloc may have old ones to give
        block.write(bytes(1) * 32 * MIB)
        block.write(bytes(1) * 32 * MIB)
        assert 60 * MIB < memory_held() - before < 68 * MIB + 32 * MIB
        assert memory_held(most=True) >= memory_held() > len(block)
    free = memory_free()
    assert free is not None and free > 64 * MIB


def test_the_first_window_that_fits_is_taken() -> None:
    shape, sides = (1, 3, 1000, 2000), (512, 256, 128)
    whole = 6_000_000 * PICTURE
    assert fitting_tile(shape, 1, sides, None) == 512
    for side in sides:
        assert fitting_tile(shape, 1, sides, Room(whole + TILE * side**2, "")) == side
    more = Room(whole + 6_000_000 * SAMPLE + TILE * 512**2, "")
    assert fitting_tile(shape, 1, sides, more) == fitting_tile(shape, 2, sides, more) == 512
    assert (
        fitting_tile(shape, 3, sides, Room(whole + 12_000_000 * SAMPLE + TILE * 256**2, "")) == 256
    )
    with pytest.raises(NotEnoughMemory, match="2000 x 1000 pixels need"):
        fitting_tile(shape, 1, sides, Room(whole, "9 GB that are free"))
    least = math.ceil(1.05 * (10**9 + whole + TILE * 128**2) / 10**7) / 100
    with pytest.raises(NotEnoughMemory, match=f"give --max-memory {least:.2f}GB or more"):
        fitting_tile(shape, 1, sides, Room(whole, "max_memory of 2 GB", 10**9))


def test_a_limit_counts_what_is_held_and_never_more_than_is_free() -> None:
    least = room(CPU, memory_held() + 100 * MIB)
    assert least is not None and 0 < least.free <= 110 * MIB and "max_memory" in least.limit
    most, unlimited = room(CPU, 2**60), room(CPU, None)
    assert most is not None and unlimited is not None
    assert most.free == pytest.approx(unlimited.free, rel=0.2)


@pytest.mark.parametrize("size", [(16, 16), (1, 40), (17, 150), (53, 47)])
def test_any_size_comes_back_in_its_size(size: tuple[int, int]) -> None:
    y = Blur(kernels.motion(5, 30), "replicate")(photo(*size))
    result = restore.deblur(y, kernel="motion:5,30", noise=0.01, steps=2)
    assert result.pixels.shape == y.shape and bool(result.pixels.isfinite().all())
    assert result.report["tile"] == result.report["halved"] == 0
    assert result.samples.data_ptr() == result.pixels.data_ptr()  # one sample is held once


def test_too_little_memory_is_refused_before_any_work() -> None:
    y = photo(96, 96)
    with pytest.raises(NotEnoughMemory, match="max_memory of 1 MB"):
        restore.deblur(y, kernel="disk:1", noise=0.01, max_memory="1MB")
    with pytest.raises(ValueError, match="max_memory: got 'much'"):
        restore.deblur(y, kernel="disk:1", noise=0.01, max_memory="much")


def test_the_windows_shrink_until_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    held = 10**9
    monkeypatch.setattr("restore.memory.memory_held", lambda: held)
    shape = (1, 3, 600, 600)
    needed = 3 * 600**2 * PICTURE + TILE * 256**2
    tiles = [
        Restorer(max_memory=held + needed + more, tile=tile).fitted_prior(shape).windows(shape)
        for tile, more in (("auto", TILE * 700**2), ("auto", 0), (300, 0), (128, 0))
    ]
    assert [one["tile"] for one in tiles] == [0, 256, 256, 128]
    with pytest.raises(NotEnoughMemory):
        Restorer(max_memory=held + needed, tile=0).fitted_prior(shape)


def test_a_projection_into_bins_takes_no_more_than_is_said() -> None:
    x, jpeg = photo(128, 128), Jpeg(90, "4:4:4")
    operator = Exposure(Blur(kernels.motion(9, 30), "valid"), Camera(jpeg=jpeg))
    seen = Measurement(operator(x), operator, Gaussian(0.002))
    with torch.no_grad(), Held("cpu") as held:
        operator.projected(seen, 0.9 * x)
    kept = 2 * x.element_size()  # the photo and the picture before
    assert 0.4 * COMPRESSED < held.most / x.numel() + kept < 0.7 * COMPRESSED


def test_what_a_jpeg_file_says_needs_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("restore.memory.memory_held", lambda: 10**9)
    y = photo(96, 96)
    between = 10**9 + y.numel() * (PICTURE + COMPRESSED) // 2 + TILE * 96**2
    restorer = Restorer(max_memory=between)
    restorer.stream(y, Exposure(Identity(), Camera()), noise=0.01)
    with pytest.raises(NotEnoughMemory):
        restorer.stream(y, Exposure(Identity(), Camera(jpeg=Jpeg(50))), noise=0.01)


class Weak:
    """The embedded prior on a device whose memory holds windows of up to `most` states a side."""

    def __init__(self, most: int) -> None:
        self.prior, self.most = load("embedded"), most

    def __getattr__(self, name: str) -> Any:
        return getattr(self.prior, name)

    def sized(self, image_shape: Any) -> "Weak":
        return self

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        if max(x.shape[2:]) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.prior.denoise(x, level)


def test_out_of_memory_on_the_way_is_in_the_report() -> None:
    y = Blur(kernels.motion(5, 30), "replicate")(photo(160, 160))
    options: dict[str, Any] = {"kernel": "motion:5,30", "noise": 0.01, "steps": 2}
    result = restore.deblur(y, prior=Weak(32), **options)
    assert (result.report["tile"], result.report["halved"]) == (96, 1)
    whole = restore.deblur(y, **options)
    assert float((result.pixels - whole.pixels).square().mean().sqrt()) < 0.01


def test_a_solver_out_of_memory_begins_again_in_smaller_windows() -> None:
    tiles = []

    def solver(measurement: Any, prior: Any, seeds: Any) -> Iterator[State]:
        tiles.append(prior.prior.tile)
        if len(tiles) == 1:
            raise MemoryError  # as on the way back of a gradient
        x = prior.encode(measurement.y)
        yield State(1, 1, x, x)

    result = Restorer(solver=solver)(photo(160, 160), Identity(), noise=0.01)
    assert tiles == [160, 96] and result.report["halved"] == 1


def test_a_prior_without_a_grid_of_states_stays_whole() -> None:
    prior = GaussianPrior(torch.full((12,), 0.5), 0.04 * torch.eye(12), Flow())
    result = Restorer(prior, steps=2)(photo(2, 2), Identity(), noise=0.1)
    assert result.report["tile"] == 0


def test_the_command_line_tells_what_does_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from restore.cli import main
    from restore.images import read, write

    path = tmp_path / "photo.png"
    write(read(photo(48, 48)), path)
    words = ["upscale", str(path), "-f", "2", "--noise", "0.01", "--max-memory"]
    assert main([*words, "1MB"]) == 5
    (line,) = capsys.readouterr().err.splitlines()
    assert "photo.png: 96 x 96 pixels need" in line
    enough = re.search(r"give --max-memory (\S+) or more", line)
    assert enough and main([*words, enough[1]]) == 0  # the figure that is told does
    held, given = memory_held(), as_bytes(enough[1])
    assert given < 1.2 * held + 3 * 96**2 * PICTURE + TILE * 96**2
    assert main([*words, "little"]) == 2
    assert "--max_memory: got 'little'" in capsys.readouterr().err.replace(
        "max-memory", "max_memory"
    )
