"""A UNet2DModel that starts as another one: deeper by coarse levels, wider by copied channels,
narrower by fewer.

Levels are counted from the finest on, so that a deeper network takes over the fine levels of a
shallower one. A wider level repeats the channels of every group of its norms, divides what is read
of a channel by its copies (Net2WiderNet: Chen et al., ICLR 2016, arXiv:1511.05641), and disturbs
the copies, so that they learn different things. A narrower one keeps the first channels of every
group. What fits in no way keeps its own start.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

GROUPS = 8
"""Groups of every group norm of the networks made here."""
DISTURBANCE = 0.2
"""Noise on what the copy of a channel reads, over the deviation of the weights."""
FREQUENCIES = "time_embedding.linear_1.weight"

Spans = Sequence[tuple[int, int]]
"""The channels that a tensor joins: how many the old network has of each, and the new one."""


@torch.no_grad()
def warm_start(new: Any, old: Any, draw: torch.Generator) -> float:
    """Give `new` the weights of `old` that fit; the share of its weights that come from there."""
    weights, reads, taken = new.state_dict(), dict(_reads(old, new)), 0
    shift = len(new.up_blocks) - len(old.up_blocks)
    for name, value in old.state_dict().items():
        target = _moved(name, shift)
        place = weights.get(target)
        if place is None:
            continue
        fitted = _fitted(target, value, place, reads.get(target.rpartition(".")[0]), draw)
        if fitted is not None:
            place.copy_(fitted)
            taken += place.numel()
    total: int = sum(value.numel() for value in weights.values())
    return taken / total


def _moved(name: str, shift: int) -> str:
    """Where the weights `name` of a network lie in one that has `shift` more levels."""
    if name.startswith("up_blocks."):
        _, k, rest = name.split(".", 2)
        return f"up_blocks.{int(k) + shift}.{rest}"
    return "" if name.startswith("mid_block.") and shift else name


def _reads(old: Any, new: Any) -> Iterator[tuple[str, Spans]]:
    """What each module of `new` reads that joins the channels of two levels."""
    before, after = ([*net.config.block_out_channels] for net in (old, new))
    after.append(after[-1])  # what comes up into the coarsest level is as wide as that level
    before += [before[-1]] * (len(after) - len(before))
    width, last = list(zip(before, after, strict=True)), len(new.up_blocks) - 1
    for level in range(len(old.up_blocks)):
        resnets = new.up_blocks[last - level].resnets
        for i in range(len(resnets)):
            hidden = width[level + (i == 0)]
            skip = width[max(level - (i == len(resnets) - 1), 0)]
            for part in ("norm1", "conv1", "conv_shortcut"):
                yield f"up_blocks.{last - level}.resnets.{i}.{part}", (hidden, skip)


def _fitted(
    name: str, value: Tensor, place: Tensor, joined: Spans | None, draw: torch.Generator
) -> Tensor | None:
    """`value`, its channels repeated to the shape of `place`; None where they cannot be."""
    if value.shape == place.shape:
        return value
    if value.ndim != place.ndim:
        return None
    if name == FREQUENCIES:
        value = _finer_frequencies(value, place.shape[1])
    if value.ndim == 1:
        spans = joined if joined and ".norm" in name else [(len(value), len(place))]
        return _taken(value, _copies(spans), place)
    gives = _copies([(value.shape[0], place.shape[0])])
    reads = _copies(joined or [(value.shape[1], place.shape[1])])
    if gives is None or reads is None:
        return None
    shared = reads.bincount()[reads].to(value).view(1, -1, *[1] * (value.ndim - 2))
    fitted = _taken(value[:, reads] / shared, gives, place)
    copied = _later(gives).to(value).view(-1, *[1] * (value.ndim - 1))
    if fitted is None or not copied.any():
        return fitted
    noise = torch.randn(fitted.shape, generator=draw).to(fitted)
    return fitted + DISTURBANCE * fitted.std() * copied * noise


def _taken(value: Tensor, index: Tensor | None, place: Tensor) -> Tensor | None:
    """value[index] if that has the shape of `place`."""
    if index is None or (len(index), *value.shape[1:]) != tuple(place.shape):
        return None
    return value[index]


def _copies(joined: Spans) -> Tensor | None:
    """For every new channel the old one that it copies, from the same group of the norms."""
    index, offset = [], 0
    for old, new in joined:
        if old == new:
            own = torch.arange(new)
        elif old % GROUPS or new % GROUPS:
            return None
        else:
            place = torch.arange(new)
            wide, narrow = new // GROUPS, old // GROUPS
            own = place // wide * narrow + place % wide % narrow
        index.append(own + offset)
        offset += old
    return torch.cat(index)


def _later(index: Tensor) -> Tensor:
    """Which entries occur before in the index."""
    return (index[:, None] == index).tril(-1).any(1)


def _finer_frequencies(value: Tensor, new: int) -> Tensor:
    """Weights of cosines and sines of the time, between whose frequencies new ones lie."""
    out, old = value.shape
    if new % old:
        return value
    finer = value.new_zeros(out, 2, new // 2)
    finer[..., :: new // old] = value.view(out, 2, old // 2)
    return finer.flatten(1)
