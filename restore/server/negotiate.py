"""What a client would rather have (RFC 9110): media types by Accept, seconds by Prefer."""

import re
from collections.abc import Sequence

LONGEST_WAIT = 60.0
"""Seconds that Prefer: wait may ask for."""


def chosen(accept: str | None, offers: Sequence[str]) -> str | None:
    """The offer that Accept likes most, the first of equals; None where it likes none."""
    if accept is None or not accept.strip():
        return offers[0]
    wanted = [_parsed(part) for part in accept.split(",")]
    liked = {offer: _quality(offer, wanted) for offer in offers}
    best = max(offers, key=lambda offer: liked[offer])
    return best if liked[best] > 0 else None


def wait(prefer: str | None) -> float | None:
    """The seconds of `wait=SECONDS`, bounded; None where it is not asked."""
    found = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", prefer or "")
    return None if found is None else min(LONGEST_WAIT, float(found[1]))


def _parsed(part: str) -> tuple[str, float]:
    kind, *parameters = (each.strip().lower() for each in part.split(";"))
    for parameter in parameters:
        if found := re.fullmatch(r"q\s*=\s*([01](?:\.\d{0,3})?)", parameter):
            return kind, float(found[1])
    return kind, 1.0


def _quality(offer: str, wanted: Sequence[tuple[str, float]]) -> float:
    """Of the most specific range that the offer is in."""
    group = offer.partition("/")[0] + "/*"
    for pattern in (offer, group, "*/*"):
        for kind, quality in wanted:
            if kind == pattern:
                return quality
    return 0.0
