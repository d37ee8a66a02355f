"""Windows: what they keep under gradients, and what becomes of them when memory is short."""

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from priors import Tiled
from priors.base import Prior
from priors.schedule import Flow, Level
from priors.tiled import LEAST_TILE, is_out_of_memory


class Shrinking(Prior):
    """x^3 of every entry; windows of more than `most` entries a side are too much for it."""

    schedule, multiple, unit = Flow(), 4, 0.5

    def __init__(self, most: int = 10**9, error: Exception | None = None) -> None:
        self.most, self.error = most, error or torch.OutOfMemoryError("CUDA out of memory.")
        self.sides: list[int] = []

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        self.sides.append(max(x.shape[2:]))
        if self.sides[-1] > self.most:
            raise self.error
        return x**3


def state(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


LEVEL = Flow().at(0.5)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_out_of_memory_halves_the_windows_and_goes_on(error: Exception) -> None:
    prior, x = Shrinking(100, error), state(64, 300)
    tiled = Tiled(prior, 300)
    torch.testing.assert_close(tiled.denoise(x, LEVEL), x**3)
    assert (tiled.tile, tiled.halvings) == (76, 2)
    assert prior.sides[:2] == [300, 152] and set(prior.sides[2:]) == {76}
    prior.sides.clear()
    tiled.denoise(x, LEVEL)
    assert set(prior.sides) == {76}  # it does not try again what failed


def test_a_picture_smaller_than_its_window_is_halved_itself() -> None:
    tiled = Tiled(Shrinking(100), 4096)
    tiled.denoise(state(120, 160), LEVEL)
    assert (tiled.tile, tiled.halvings) == (80, 1)


def test_what_smaller_windows_do_not_cure_is_raised() -> None:
    tiled = Tiled(Shrinking(0), 512)
    with pytest.raises(torch.OutOfMemoryError):
        tiled.denoise(state(200, 200), LEVEL)
    assert tiled.tile == LEAST_TILE
    with pytest.raises(RuntimeError, match="something else"):
        Tiled(Shrinking(0, RuntimeError("something else")), 512).denoise(state(200, 200), LEVEL)


def test_a_refused_allocation_is_out_of_memory_and_other_errors_are_not() -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(refused.value)
    assert not is_out_of_memory(RuntimeError("shapes differ"))


def test_gradients_pass_through_windows_twice_and_keep_only_their_input() -> None:
    tiled = Tiled(Shrinking(), 64)
    x = state(64, 640).double().requires_grad_()
    kept = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.numel()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        y = tiled.denoise(x, LEVEL)
    assert kept <= 3 * x.numel()  # windows that overlap, and their weights
    (once,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    torch.testing.assert_close(once, 6 * x**5)
    (twice,) = torch.autograd.grad(once.sum(), x)
    torch.testing.assert_close(twice, 30 * x.detach() ** 4)


def test_states_without_a_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="no grids"):
        Tiled(Vectors())


class Vectors(Shrinking):
    """States (B, 2)."""

    def state_shape(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (image_shape[0], 2)


@pytest.mark.parametrize(
    ("side", "expected"), [(64, []), (100, [36, 64]), (160, [48, 64, 96, 112])]
)
def test_borders_are_where_windows_begin_and_end(side: int, expected: list[int]) -> None:
    assert Tiled(Shrinking(), 64).borders(side) == expected
