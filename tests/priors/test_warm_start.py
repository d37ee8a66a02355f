"""Networks that start as a smaller one: the same function, as far as group norms let it be."""

from typing import Any

import pytest
import torch
from torch import Tensor

from priors.training import diffusion, warm_start
from priors.training.loop import generator
from priors.training.options import DiffusionTraining


def network(*width: int, seed: int, time_width: int | None = None, channels: int = 4) -> Any:
    with torch.random.fork_rng():
        torch.random.manual_seed(seed)
        return diffusion.network(channels, DiffusionTraining(width=width, time_width=time_width))


def output(model: Any, side: int = 16) -> Tensor:
    x = torch.rand(2, 4, side, side, generator=generator(0))
    with torch.no_grad():
        result: Tensor = model(x, torch.tensor([20.0, 700.5])).sample
    return result


def test_a_deeper_network_takes_over_the_fine_levels() -> None:
    shallow, deep = network(8, 16, seed=1), network(8, 16, 24, seed=2)
    share = warm_start.warm_start(deep, shallow, generator(1))
    assert 0.1 < share < 0.9
    x = torch.rand(1, 4, 16, 16, generator=generator(0))
    assert torch.equal(deep.conv_in(x), shallow.conv_in(x))
    ours, theirs = deep.up_blocks[2].state_dict(), shallow.up_blocks[1].state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_same_network_is_taken_whole() -> None:
    one, other = network(8, 16, seed=1), network(8, 16, seed=2)
    assert warm_start.warm_start(other, one, generator(1)) == 1.0
    assert torch.equal(output(one), output(other))


@pytest.mark.parametrize("time_width", [None, 32])
def test_a_network_twice_as_wide_is_the_same_function(
    monkeypatch: pytest.MonkeyPatch, time_width: int | None
) -> None:
    # all levels are of one width, so that the groups of joined channels stay together
    monkeypatch.setattr(warm_start, "DISTURBANCE", 0.0)
    narrow = network(8, 8, seed=1)
    wide = network(16, 16, seed=2, time_width=time_width)
    assert warm_start.warm_start(wide, narrow, generator(1)) == 1.0
    torch.testing.assert_close(output(wide), output(narrow), rtol=1e-4, atol=1e-5)


def test_one_wider_level_is_nearly_the_same_function() -> None:
    narrow, wide, fresh = network(8, 16, seed=1), network(16, 16, seed=2), network(16, 16, seed=3)
    assert warm_start.warm_start(wide, narrow, generator(1)) == 1.0
    aimed = output(narrow)
    apart = [float((output(net) - aimed).norm() / aimed.norm()) for net in (wide, fresh)]
    assert apart[0] < apart[1] / 2


def test_copies_are_told_apart() -> None:
    narrow, wide = network(8, seed=1), network(16, seed=2)
    warm_start.warm_start(wide, narrow, generator(1))
    rows = wide.conv_in.weight.flatten(1)
    assert torch.equal(rows[0], narrow.conv_in.weight.flatten(1)[0])
    assert torch.linalg.matrix_rank(rows.detach()) > 8


def test_a_narrower_network_keeps_the_first_channels_of_every_group() -> None:
    wide, narrow = network(16, 32, seed=1), network(8, 16, seed=2)
    assert warm_start.warm_start(narrow, wide, generator(1)) == 1.0
    kept = wide.conv_in.weight.unflatten(0, (8, 2))[:, 0]
    assert torch.equal(narrow.conv_in.weight, kept)


def test_what_does_not_fit_keeps_its_start() -> None:
    wide, odd = network(16, 16, seed=1, channels=4), network(16, 16, seed=2, channels=3)
    before = odd.conv_in.weight.clone()
    share = warm_start.warm_start(odd, wide, generator(1))
    assert 0 < share < 1
    assert torch.equal(odd.conv_in.weight, before)
