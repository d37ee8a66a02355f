"""Where the networks run, in which precision, and how much memory that took."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_LOCK = threading.Lock()
_KEPT: list[tuple[bool, bool]] = []
"""What was set before each step that is under way: several threads may restore at once."""


def device(name: str = "auto") -> torch.device:
    """The device `auto` (cuda, then mps, then cpu), `cpu`, `cuda`, `cuda:1` or `mps`.

    ValueError when it is unknown, or is asked for and absent.
    """
    if name == "auto":
        has_mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not index.isdigit()):
        raise ValueError(f"device: {name!r} is unknown; use auto, cpu, cuda, cuda:N or mps")
    if kind == "cuda" and torch.cuda.device_count() <= int(index or 0):
        count = torch.cuda.device_count()
        raise ValueError(f"device: {name} is not here ({count} CUDA devices); use --device auto")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ValueError("device: mps is not here; use --device auto")
    return torch.device(name)


def dtype(name: str, where: torch.device) -> torch.dtype:
    """The precision of the networks: auto, float32, bfloat16 or float16; ValueError when unknown.

    auto is bfloat16 where the hardware multiplies it natively, float32 elsewhere.
    """
    if name != "auto":
        if name not in DTYPES:
            raise ValueError(f"dtype: {name!r} is unknown; use auto, {', '.join(DTYPES)}")
        return DTYPES[name]
    if where.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    native = where.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32


@contextmanager
def repeatable(where: torch.device) -> Iterator[None]:
    """On a graphics card, convolutions that give the same bytes again; what was set comes back.

    Some of cuDNN's add in the order in which parts happen to be done, and a choice by timing may
    fall differently each time.
    """
    if where.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    with _LOCK:
        _KEPT.append((cudnn.deterministic, cudnn.benchmark))
        cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        with _LOCK:
            first = _KEPT[0]
            _KEPT.pop()
            if not _KEPT:
                cudnn.deterministic, cudnn.benchmark = first


def peak_memory() -> int:
    """The most memory this process has held so far, in bytes; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows has no such module
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
