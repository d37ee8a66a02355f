"""The laws that every operator keeps, as one function that also third parties can run."""

import torch
from torch import Tensor

from operators.base import LinearOperator, Operator, Shape


def check_operator(
    operator: Operator, shape: Shape, *, seed: int = 0, rounds: bool = False
) -> None:
    """Check the laws on random images of the given shape (B, C, H, W) in [0, 1], in float64.

    Every operator: the shape, dtype and device follow the image, the image is left alone, equal
    calls give equal results, an image alone is the image in a batch, float32 agrees with float64
    and gradients agree with differences (these two not where the operator rounds). Linear
    operators besides: linearity, the adjoint by the dot product and by automatic differentiation,
    A A^+ A = A, and the optimality of prox, for one weight and for one an image.

    Operators that hold a setting for each image of a batch are checked with a batch of one.
    AssertionError with the law's name at the first law that is broken.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(shape, generator=generator, dtype=torch.float64)
    _check_values(operator, x)
    if not rounds:
        _check_precision(operator, x)
        _check_gradient(operator, x)
    if isinstance(operator, LinearOperator):
        y = torch.rand(operator(x).shape, generator=generator, dtype=torch.float64)
        other = torch.rand(shape, generator=generator, dtype=torch.float64)
        _check_linear(operator, x, other)
        _check_adjoint(operator, x, y)
        _check_pinv(operator, x)
        _check_prox(operator, x, y)


def _check_values(operator: Operator, x: Tensor) -> None:
    before = x.clone()
    y = operator(x)
    found = operator.image_shape(tuple(y.shape))
    _require("image_shape", tuple(found) == tuple(x.shape), f"{tuple(found)} for {tuple(x.shape)}")
    for dtype in (torch.float32, torch.float64):
        result = operator(x.to(dtype))
        follows = result.dtype == dtype and result.device == x.device
        _require("dtype and device", follows, f"{result.dtype} from {dtype}")
    _require("the image is left alone", torch.equal(x, before), "the input was changed")
    _require("finite values", bool(y.isfinite().all()), "nan or infinity in the result")
    _require("repeatable", torch.equal(operator(x), y), "two equal calls differ")
    alone = torch.cat([operator(image[None]) for image in x])
    _close("image alone = image in a batch", alone, y, 1e-10)


def _check_precision(operator: Operator, x: Tensor) -> None:
    _close("float32 agrees with float64", operator(x.float()).double(), operator(x), 1e-4)


def _check_gradient(operator: Operator, x: Tensor) -> None:
    # Within reach of the rounding of an operator, finite differences would measure its kinks.
    inner = (0.1 + 0.8 * x).requires_grad_()
    agrees = torch.autograd.gradcheck(operator, (inner,), fast_mode=True, raise_exception=False)
    _require("gradient", agrees, "automatic differentiation disagrees with differences")


def _check_linear(operator: LinearOperator, x: Tensor, other: Tensor) -> None:
    _close("linearity", operator(2 * x - 3 * other), 2 * operator(x) - 3 * operator(other), 1e-10)


def _check_adjoint(operator: LinearOperator, x: Tensor, y: Tensor) -> None:
    back = operator.adjoint(y)
    same = back.shape == x.shape and operator.adjoint(y.float()).dtype == torch.float32
    _require("adjoint's shape and dtype", same, f"{tuple(back.shape)} for {tuple(x.shape)}")
    ax = operator(x)
    gap = float(((ax * y).sum() - (x * back).sum()).abs())
    _require("adjoint", gap <= 1e-10 * float(ax.norm() * y.norm()), f"<Ax, y> - <x, A^T y> = {gap}")
    leaf = x.clone().requires_grad_()
    (pulled,) = torch.autograd.grad(operator(leaf), leaf, y)
    _close("adjoint = automatic differentiation", pulled, back, 1e-10)


def _check_pinv(operator: LinearOperator, x: Tensor) -> None:
    y = operator(x)
    # Conjugate gradients stop early: they leave out what the operator hardly lets through.
    _close("A A^+ A = A", operator(operator.pinv(y)), y, 1e-3)


def _check_prox(operator: LinearOperator, x: Tensor, y: Tensor) -> None:
    weights = torch.linspace(1, 9, len(x), dtype=x.dtype)
    z = operator.prox(x, y, weights)
    gradient = weights.reshape(-1, 1, 1, 1) * operator.adjoint(operator(z) - y) + z - x
    _close("prox is optimal", gradient, torch.zeros_like(x), 2e-3)
    same = operator.prox(x, y, 2.0), operator.prox(x, y, torch.full((len(x),), 2.0))
    _close("one weight = one an image", *same, 1e-10)
    alone = [operator.prox(*(t[i : i + 1] for t in (x, y, weights))) for i in range(len(x))]
    _close("prox alone = prox in a batch", torch.cat(alone), z, 1e-10)
    start = operator.prox_from(x, y, weights)[1]
    again, left = operator.prox_from(x, y, 2 * weights, start)
    _close("prox from a start = prox", again, operator.prox(x, y, 2 * weights), 2e-3)
    _close("what it leaves = y - A z", left, y - operator(again), 2e-3)


def _close(law: str, found: Tensor, expected: Tensor, tolerance: float) -> None:
    if found.shape != expected.shape:
        _require(law, False, f"shape {tuple(found.shape)} where {tuple(expected.shape)} is due")
    gap = float((found - expected).abs().max())
    _require(law, gap <= tolerance * max(1.0, float(expected.abs().max())), f"off by {gap:.3g}")


def _require(law: str, holds: bool, detail: str) -> None:
    if not holds:
        raise AssertionError(f"law {law!r} is broken: {detail}")
