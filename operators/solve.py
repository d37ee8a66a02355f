"""Linear systems of symmetric operators: conjugate gradients, and division by eigenvalues."""

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

_AT_ONCE = 2**22
"""Values of an image whose products are summed at once."""
_AHEAD = 8
"""Iterations that a graphics card is given before it is asked whether there is anything to do:
asked at once, it would stand still between the answer and its next work."""


def conjugate_gradients(
    matvec: Callable[[Tensor], Tensor],
    b: Tensor,
    *,
    x0: Tensor | None = None,
    preconditioner: Callable[[Tensor], Tensor] = lambda r: r,
    tolerance: float | None = None,
    iterations: int = 500,
) -> Tensor:
    """Solve matvec(x) = b for a symmetric positive (semi)definite matvec, per image of (B, ...).

    An image stops when |b - matvec(x)| <= tolerance |b| (default: the square root of the machine
    epsilon) and then stays frozen, so that its iterates do not depend on the rest of the batch.
    The preconditioner is a symmetric positive definite approximation of the inverse.
    """
    tolerance = torch.finfo(b.dtype).eps ** 0.5 if tolerance is None else tolerance
    x = torch.zeros_like(b) if x0 is None else x0.clone()
    r = b.clone() if x0 is None else b - matvec(x0)
    goal = tolerance**2 * _dot(b, b)
    z = preconditioner(r)
    plain = z is r
    p, rho = z.clone(), _dot(r, z)
    asked: _Asked = deque()
    for _ in range(iterations):
        active = (rho if plain else _dot(r, r)) > goal
        if _idle(active, asked):
            break
        del z  # a picture less while the operator makes its own
        q = matvec(p)
        step = _ratio(rho, _dot(p, q), active)
        x, r = _plus(x, step, p), _plus(r, -step, q)
        del q
        z = preconditioner(r)
        rho, previous = _dot(r, z), rho
        p = _times_plus(_ratio(rho, previous, active), p, z)
    return x


_Asked = deque[tuple[Tensor, torch.cuda.Event]]


def _idle(active: Tensor, asked: _Asked) -> bool:
    """Whether no image is active; on a graphics card, whether none was `_AHEAD` questions ago.

    More iterations than needed change nothing, since images that are done are frozen.
    """
    some = active.any()
    if not some.is_cuda:
        return not bool(some)
    answer = torch.empty((), dtype=torch.bool, pin_memory=True)
    answer.copy_(some, non_blocking=True)
    answered = torch.cuda.Event()
    answered.record()
    asked.append((answer, answered))
    if len(asked) <= _AHEAD:
        return False
    answer, answered = asked.popleft()
    answered.synchronize()
    return not bool(answer)


def damped_reciprocal(gram: Tensor, damping: Tensor) -> Tensor:
    """Give 1 / (gram + damping), or gram^+ where damping is 0.

    gram >= 0 holds eigenvalues of A A^T; below machine epsilon times the largest they count as 0.
    """
    null = (gram <= torch.finfo(gram.dtype).eps * gram.max()) & (damping == 0)
    # Several times faster than torch.where, and without its NaN gradients.
    return (gram + damping + null).reciprocal() * ~null


# New pictures cost more than the arithmetic: where no gradient needs the old, they are overwritten.


def _plus(x: Tensor, step: Tensor, p: Tensor) -> Tensor:
    if torch.is_grad_enabled():
        return torch.addcmul(x, step, p)
    return x.addcmul_(step, p)


def _times_plus(factor: Tensor, p: Tensor, z: Tensor) -> Tensor:
    if torch.is_grad_enabled():
        return torch.addcmul(z, factor, p)
    return p.mul_(factor).add_(z)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    parts = zip(a.flatten(1).split(_AT_ONCE, 1), b.flatten(1).split(_AT_ONCE, 1), strict=True)
    total = torch.stack([(p * q).sum(1) for p, q in parts]).sum(0)
    return total.reshape(-1, *[1] * (a.ndim - 1))


def _ratio(numerator: Tensor, denominator: Tensor, active: Tensor) -> Tensor:
    usable = active & (denominator > 0)
    return torch.where(usable, numerator, 0) / torch.where(usable, denominator, 1)
