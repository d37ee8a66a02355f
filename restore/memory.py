"""How much memory there is, how much a restoration takes, and the windows that fit into it.

    held now + PICTURE or COMPRESSED a value of the pictures + TILE a pixel of a window     bytes

`photomend bench large` measures PICTURE and TILE, with the default solver and prior on a processor.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch

    from priors.base import Shape

PICTURE, COMPRESSED = 85, 160
"""Bytes a value of the picture, of a deblurring without closed form, and of what a JPEG file says:
a deblurring projected into its bins takes 109, artefacts alone 157."""
SAMPLE = 12
"""Bytes more a value for each further sample."""
TILE = 400
"""Bytes a pixel of a window, while it is decoded."""
SPARE = 1.05
"""What a process holds at the same place differs from run to run."""
TILES = (512, 384, 256, 192, 128)
"""Sides of windows to choose from, in pixels."""
_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


class NotEnoughMemory(MemoryError):
    """A picture that cannot be restored in the memory there is: one line with the cure."""


class Room(NamedTuple):
    """Bytes that a process may still take, who says so, and what it holds of a given limit."""

    free: int
    limit: str
    held: int | None = None


def memory_free() -> int | None:
    """Bytes of memory that a process may still take; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kibibytes = (line.split()[1] for line in lines if line.startswith("MemAvailable"))
    free = 1024 * int(next(kibibytes, 0))
    limits = [_number(limit) - _number(used) for limit, used in _LIMITS if Path(limit).is_file()]
    return max(0, min([free, *limits])) or None


def memory_held(*, most: bool = False) -> int:
    """Bytes that this process holds, or the most it held so far; 0 where nobody tells."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    name = "VmHWM:" if most else "VmRSS:"
    return 1024 * int(status.partition(name)[2].split(maxsplit=1)[0])


def room(device: "torch.device", max_memory: int | None) -> Room | None:
    """What may still be taken on a device, of max_memory bytes in all; None where nobody knows."""
    free: int | None
    if device.type == "cuda":
        import torch

        free, held = torch.cuda.mem_get_info(device)[0], torch.cuda.memory_allocated(device)
    else:
        free, held = memory_free(), memory_held()
    if max_memory is not None and (free is None or max_memory - held <= free):
        told = f"max_memory of {shown(max_memory)} ({shown(held)} are held)"
        return Room(max_memory - held, told, held)
    return None if free is None else Room(free, f"{shown(free)} that are free")


def fitting_tile(
    shape: "Shape", samples: int, sides: Sequence[int], within: Room | None, each: int = PICTURE
) -> int:
    """The first of the sides of windows that fits, for pictures of a shape (B, C, H, W).

    each: bytes a value. NotEnoughMemory where none does.
    """
    if within is None:
        return sides[0]
    whole = math.prod(shape) * (each + SAMPLE * (samples - 1))
    tile = 0
    for side in sides:
        tile = shape[0] * TILE * min(side, shape[2]) * min(side, shape[3])
        if whole + tile <= within.free:
            return side
    cure = "make the photo smaller, or cut it in parts"
    if within.held is not None:
        least = math.ceil(SPARE * (within.held + whole + tile) / 10**7) / 100
        cure = f"give --max-memory {least:.2f}GB or more, or {cure}"
    raise NotEnoughMemory(
        f"{shape[3]} x {shape[2]} pixels need {shown(whole + tile)} more, above the "
        f"{within.limit}; {cure}"
    )


def shown(size: int) -> str:
    """A size in a few letters: 5.1 GB."""
    for power, unit in ((9, "GB"), (6, "MB")):
        if size >= 10**power:
            return f"{size / 10**power:.3g} {unit}"
    return f"{size} bytes"


def _number(path: str) -> int:
    try:
        text = Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return 2**62
    return int(text) if text.isdigit() else 2**62
