"""Muon for the convolutions, AdamW for everything else (Jordan et al. 2024; arXiv:2502.16982)."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def _matrix(kernels: Tensor, like: Tensor | None = None) -> Tensor:
    """Kernels (out, in, kh, kw) as a matrix (out, rest), its columns as `like` lies in memory."""
    if (kernels if like is None else like).is_contiguous():
        return kernels.reshape(len(kernels), -1)
    return kernels.permute(0, 2, 3, 1).reshape(len(kernels), -1)


class ConvolutionMuon(torch.optim.Muon):
    """torch's Muon, which takes matrices, over convolutions seen as (out, in kh kw) matrices.

    Matrices of one shape are taken together: torch takes one after the other, some thousand small
    products a step, for which a graphics card has to wait.
    """

    def __init__(self, weights: list[nn.Parameter], lr: float) -> None:
        self._weights = weights
        views = [nn.Parameter(_matrix(w.data)) for w in weights]
        super().__init__(views, lr=lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """torch's update, matrices of one shape at a time; views share storage with weights."""
        (group,) = self.param_groups
        alike: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for view, weight in zip(group["params"], self._weights, strict=True):
            if weight.grad is not None:
                alike[tuple(view.shape)].append((view, _matrix(weight.grad, like=weight)))
        for shape, pairs in alike.items():
            views, gradients = [view for view, _ in pairs], [g for _, g in pairs]
            kept = [self._momentum(view) for view in views]
            torch._foreach_lerp_(kept, gradients, 1 - group["momentum"])
            ahead = torch._foreach_lerp(gradients, kept, group["momentum"])  # as Nesterov's
            updates = _orthogonal(torch.stack(ahead), group).to(views[0]).unbind()
            torch._foreach_mul_(views, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(views, updates, alpha=-0.2 * group["lr"] * max(shape) ** 0.5)

    def _momentum(self, view: Tensor) -> Tensor:
        state = self.state[view]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(view)
        kept: Tensor = state["momentum_buffer"]
        return kept

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the weights behind the views."""
        for weight in self._weights:
            weight.grad = None
        super().zero_grad(set_to_none)


def _orthogonal(matrices: Tensor, group: Mapping[str, Any]) -> Tensor:
    """Matrices (N, rows, columns) with singular values near one, by Newton and Schulz, in bf16."""
    wide = matrices.shape[1] <= matrices.shape[2]
    x = (matrices if wide else matrices.mT).bfloat16()
    x = x / x.flatten(1).norm(dim=1).clamp(min=group["eps"]).view(-1, 1, 1)
    a, b, c = group["ns_coefficients"]
    for _ in range(group["ns_steps"]):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.mT


def optimisers(model: nn.Module, lr: float, *, muon: bool = True) -> list[torch.optim.Optimizer]:
    """Optimisers of all trainable parameters; `lr` is AdamW's, and Muon's matched to it."""
    inner: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            outer = name.startswith(("conv_in", "conv_out"))
            (inner if muon and parameter.ndim == 4 and not outer else rest).append(parameter)
    adam = torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.99), weight_decay=0.01)
    return [adam, ConvolutionMuon(inner, lr)] if inner else [adam]
