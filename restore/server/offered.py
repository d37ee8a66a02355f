"""The priors that the operator of a server lets clients choose."""

import importlib
from functools import cache
from typing import Any

from restore.server.settings import Serve


def priors_of(settings: Serve) -> dict[str, Any]:
    """What clients may name: a prior by its name, or the object that module:function gives."""
    from restore.device import device, dtype
    from restore.preparation import loaded

    where = device(settings.device)
    found: dict[str, Any] = {}
    for name in settings.priors:
        if ":" in name:
            found[name] = _imported(name)
            continue
        found[name] = name
        loaded(name, dtype("auto", where), str(where), False)
    return found


def card(name: str) -> dict[str, Any]:
    """Whether a prior reads text; of one that is a folder also licence and size."""
    from priors.hub import describe

    if ":" in name:
        return {"text": _imported(name).reads_text}
    card = describe(name)
    return {each: getattr(card, each) for each in ("licence", "parameters", "bytes", "text")}


@cache
def _imported(name: str) -> Any:
    module, function = name.split(":", 1)
    try:
        return getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"prior: {name} cannot be imported ({error})") from error
