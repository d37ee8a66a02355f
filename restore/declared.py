"""What declared options are made of: their base, and types that text is read as."""

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


Sigma = Annotated[float, BeforeValidator(_quotient), Field(ge=0, le=1, allow_inf_nan=False)]
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


class Declared(BaseModel):
    """A set of options: their names, types, ranges, defaults and helps."""

    model_config = ConfigDict(extra="forbid", frozen=True)
