"""What declared options are made of: their base, and types that text is read as."""

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _quotient(value: object) -> object:
    """Read "6.4/255" as the number it is; leave everything else to pydantic."""
    if not isinstance(value, str) or value.count("/") != 1:
        return value
    try:
        above, below = (float(part) for part in value.split("/"))
        return above / below
    except (ValueError, ZeroDivisionError):
        return value


Sigma = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), BeforeValidator(_quotient)]
"""A standard deviation of noise on the [0, 1] scale, or in 8-bit levels as "6.4/255"."""


def _split(value: object) -> object:
    """Read "x4,box" as the words that it lists."""
    return value.split(",") if isinstance(value, str) else value


Words = Annotated[list[str], BeforeValidator(_split)]
"""Words, in text separated by commas."""

Sigmas = Annotated[tuple[Annotated[Sigma, Field(gt=0)], ...], BeforeValidator(_split)]
"""Standard deviations > 0, in text separated by commas."""

Counts = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_split)]
"""Numbers from 1 on, in text separated by commas."""


_UNITS = {"": 1, "B": 1, **{f"{p}B": 1000**n for n, p in enumerate("KMGT", 1)}}
_UNITS |= {f"{p}IB": 1024**n for n, p in enumerate("KMGT", 1)}
_UNITS |= {p: 1024**n for n, p in enumerate("KMGT", 1)}


def as_bytes(size: int | str) -> int:
    """Bytes of 6000000000, "6GB" (10^9), "6GiB" or "6G" (2^30); ValueError for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?I?B?)\s*", str(size).upper())
    found = int(float(match[1]) * _UNITS[match[2]]) if match and match[2] in _UNITS else 0
    if found < 1:
        raise ValueError(f"max_memory: got {size!r}; give bytes, or a size such as 6GB or 6GiB")
    return found


Memory = Annotated[int, Field(gt=0), BeforeValidator(as_bytes)]
"""Bytes of memory, also as "6GB"."""


Prompt = Annotated[
    str | None,
    Field(description="What the photo shows, for priors that read text, as Stable Diffusion."),
]
Negative = Annotated[
    str | None, Field(description="What it does not show; heard with a guidance above 1.")
]
Guidance = Annotated[
    float,
    Field(ge=0, description="How closely to follow the prompt; 1 is the prior's own reading."),
]


class Declared(BaseModel):
    """A set of options: their names, types, ranges, defaults and helps."""

    model_config = ConfigDict(extra="forbid", frozen=True)
