"""Values and their tensors on another device, or in another dtype."""

from dataclasses import fields, is_dataclass, replace
from typing import TypeVar, cast

import torch
from torch import Tensor

Target = Tensor | torch.device | torch.dtype | str
T = TypeVar("T")


def moved(value: T, *target: Target) -> T:
    """Give value with its tensors moved, as by Tensor.to; those of masks keep their dtype."""
    if isinstance(value, Tensor):
        return cast(T, _moved_tensor(value, target))
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if field.init]
        return replace(value, **{name: moved(getattr(value, name), *target) for name in names})
    return value


def _moved_tensor(tensor: Tensor, targets: tuple[Target, ...]) -> Tensor:
    image = tensor if tensor.is_floating_point() else torch.empty(0, device=tensor.device)
    for target in targets:
        image = image.to(target)
    return image if tensor.is_floating_point() else tensor.to(image.device)
