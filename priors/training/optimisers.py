"""Muon for the convolutions, AdamW for everything else (Jordan et al. 2024; arXiv:2502.16982)."""

import torch
from torch import Tensor, nn


def _matrix(kernels: Tensor, like: Tensor | None = None) -> Tensor:
    """Kernels (out, in, kh, kw) as a matrix (out, rest), its columns as `like` lies in memory."""
    if (kernels if like is None else like).is_contiguous():
        return kernels.reshape(len(kernels), -1)
    return kernels.permute(0, 2, 3, 1).reshape(len(kernels), -1)


class ConvolutionMuon(torch.optim.Muon):
    """torch's Muon, which takes matrices, over convolutions seen as (out, in kh kw) matrices."""

    def __init__(self, weights: list[nn.Parameter], lr: float) -> None:
        self._weights = weights
        views = [nn.Parameter(_matrix(w.data)) for w in weights]
        super().__init__(views, lr=lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update; the views share their storage with the weights."""
        (group,) = self.param_groups
        for view, weight in zip(group["params"], self._weights, strict=True):
            gradient = weight.grad
            view.grad = None if gradient is None else _matrix(gradient, like=weight)
        super().step(closure)  # type: ignore[no-untyped-call]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the weights behind the views."""
        for weight in self._weights:
            weight.grad = None
        super().zero_grad(set_to_none)


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
