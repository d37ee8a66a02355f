"""The priors that the operator of a server lets clients choose."""

import importlib
from functools import cache
from typing import Any

from restore.server.settings import Serve


def priors_of(settings: Serve) -> dict[str, Any]:
    """What clients may name: a prior by its name, or the object that module:function gives."""
    found: dict[str, Any] = {}
    for name in settings.priors:
        found[name] = _imported(name) if ":" in name else name
        held(found[name], settings)
    return found


def held(prior: Any, settings: Serve) -> Any:
    """A prior of `priors_of` itself, in the memory where jobs look for it."""
    from restore.device import device, dtype
    from restore.preparation import loaded

    if not isinstance(prior, str):
        return prior
    where = device(settings.device)
    saving = settings.offline, settings.low_memory  # all in their places, as a restorer asks for it
    return loaded(prior, dtype("auto", where), str(where), *saving)


def card(name: str, settings: Serve) -> dict[str, Any]:
    """Whether a prior reads text; of one that is a folder also licence and size; fetched first."""
    from priors.hub import describe, locate

    if ":" in name:
        return {"text": _imported(name).reads_text}
    locate(name, offline=settings.offline)
    card = describe(name)
    return {each: getattr(card, each) for each in ("licence", "parameters", "bytes", "text")}


@cache
def _imported(name: str) -> Any:
    module, function = name.split(":", 1)
    try:
        return getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"prior: {name} cannot be imported ({error})") from error
