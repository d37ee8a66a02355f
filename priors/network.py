"""Networks of diffusers as priors use them: frozen, moved, asked at a level, read as x_0."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from priors.parameterization import PARAMETERIZATIONS
from priors.schedule import Level
from priors.threads import share_cores


def cast(module: Any, *target: Any) -> Any:
    """Module.to as torch has it; diffusers' own warns of modules that these models do not have."""
    return torch.nn.Module.to(module, *target)


def frozen(module: Any) -> Any:
    """A network for inference: no gradients to its weights, channels last."""
    module.requires_grad_(False)
    return module.eval().to(memory_format=torch.channels_last)


def enter(x: Tensor, network: Any) -> Tensor:
    """A grid (B, C, h, w) in the precision and the layout of a network, which is asked next."""
    share_cores(x.device)
    parameter = next(iter(network.parameters()))
    return x.to(parameter.dtype).contiguous(memory_format=torch.channels_last)


def times(x: Tensor, level: Level) -> Tensor:
    """What the network is told of a level, one number a state (B,).

    A tensor: UNets make integers of Python's numbers, and lose times between the steps.
    """
    return torch.full((len(x),), level.time, dtype=torch.float32, device=x.device)


def network_denoise(network: Any, prediction: str, x: Tensor, level: Level) -> Tensor:
    """Run a UNet2DModel at a level and turn what it predicts into x_0, in the dtype of x."""
    output = network(enter(x, network), times(x, level)).sample[:, : x.shape[1]]
    return PARAMETERIZATIONS[prediction](x, output.to(x.dtype), level)


def network_multiple(config: Mapping[str, Any]) -> int:
    """What the sides of a UNet's input must be multiples of: two to the number of its halvings."""
    return int(2 ** (len(config["block_out_channels"]) - 1))


def checked_prediction(prediction: str) -> str:
    """The prediction type, or ValueError that lists the known ones."""
    if prediction not in PARAMETERIZATIONS:
        known = ", ".join(PARAMETERIZATIONS)
        raise ValueError(f"prediction: {prediction!r} is unknown; one of {known}")
    return prediction


def checkpoint_blocks(network: Any) -> bool:
    """Let a network keep its blocks' inputs alone under gradients; False where it cannot."""
    if not getattr(network, "_supports_gradient_checkpointing", False):
        return False
    network.enable_gradient_checkpointing(recomputed)
    return True


def recomputed(function: Callable[..., Any], *arguments: Any) -> Any:
    """function(*arguments), of which gradients keep the arguments alone, to compute it again."""
    return checkpoint(
        function, *arguments, use_reentrant=False, preserve_rng_state=False, context_fn=_as_before
    )


class _Allowing(AbstractContextManager[None]):
    """Kinds of attention, allowed as often as this is entered."""

    def __init__(self, kinds: list[SDPBackend]) -> None:
        self.kinds, self.within = kinds, ExitStack()

    def __enter__(self) -> None:
        self.within.enter_context(sdpa_kernel(self.kinds))

    def __exit__(self, *_: object) -> None:
        self.within.close()


def _as_before() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Around the first computation, and around all others: the same kinds of attention.

    Who needs second derivatives allows but one kind, and has left that context by then.
    """
    allowed = {
        SDPBackend.MATH: torch.backends.cuda.math_sdp_enabled(),
        SDPBackend.FLASH_ATTENTION: torch.backends.cuda.flash_sdp_enabled(),
        SDPBackend.EFFICIENT_ATTENTION: torch.backends.cuda.mem_efficient_sdp_enabled(),
        SDPBackend.CUDNN_ATTENTION: torch.backends.cuda.cudnn_sdp_enabled(),
    }
    return nullcontext(), _Allowing([kind for kind, allow in allowed.items() if allow])
