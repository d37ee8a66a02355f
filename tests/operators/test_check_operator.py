"""check_operator can fail: each planted fault breaks the law that is named for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from operators import Blur, LinearOperator, Operator, Shape, check_operator, kernels
from operators.tone import Pointwise

KERNEL = kernels.normalised(torch.tensor([[1.0, 2.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 0.5]]))


@dataclass(frozen=True, eq=False)
class Function(Pointwise):
    """Any function of the image as an operator."""

    function: Callable[[Tensor], Tensor]

    def __call__(self, x: Tensor) -> Tensor:
        return self.function(x)


@dataclass(frozen=True, eq=False)
class Linear(LinearOperator):
    """A blur, one method of which may be replaced by a wrong one."""

    change: tuple[str, Any] = ("", None)
    blur: Blur = field(default_factory=lambda: Blur(KERNEL))

    def __getattribute__(self, name: str) -> Any:
        wrong, method = object.__getattribute__(self, "change")
        return method if name == wrong else object.__getattribute__(self, name)

    def __call__(self, x: Tensor) -> Tensor:
        return self.blur(x)

    def adjoint(self, y: Tensor) -> Tensor:
        return self.blur.adjoint(y)

    def image_shape(self, y_shape: Shape) -> Shape:
        return self.blur.image_shape(y_shape)


@dataclass(frozen=True, eq=False)
class Affine(Linear):
    """Linear but for a constant."""

    def __call__(self, x: Tensor) -> Tensor:
        return self.blur(x) + 0.1


class Changing(Pointwise):
    """A function that differs from call to call."""

    def __call__(self, x: Tensor) -> Tensor:
        object.__setattr__(self, "calls", getattr(self, "calls", 0) + 1)
        return x * float(getattr(self, "calls"))  # noqa: B009


def detached(x: Tensor) -> Tensor:
    return x * x.detach()


def spoiled(x: Tensor) -> Tensor:
    return x.mul_(0.5).clone()


FAULTS: list[tuple[str, Operator]] = [
    ("image_shape", Function(lambda x: x[..., 1:])),
    ("dtype and device", Function(lambda x: x.float())),
    ("the image is left alone", Function(spoiled)),
    ("finite values", Function(lambda x: x / 0)),
    ("repeatable", Changing()),
    ("image alone = image in a batch", Function(lambda x: x - x.mean())),
    ("float32 agrees with float64", Function(lambda x: x + 1e-3 * (x.dtype == torch.float32))),
    ("gradient", Function(detached)),
    ("linearity", Affine()),
    ("adjoint's shape and dtype", Linear(("adjoint", lambda y: y[..., 1:]))),
    ("adjoint", Linear(("adjoint", Blur(KERNEL.flip(0, 1))))),
    ("adjoint", Linear(("adjoint", Blur(KERNEL, "replicate").adjoint))),
    ("A A^+ A = A", Linear(("pinv", Blur(KERNEL).adjoint))),
    ("prox is optimal", Linear(("prox", lambda x, y, weight: x))),
    ("prox is optimal", Linear(("prox", lambda x, y, weight: Blur(KERNEL).prox(x, y, 2.0)))),
]


@pytest.mark.parametrize(("law", "operator"), FAULTS, ids=[law for law, _ in FAULTS])
def test_a_planted_fault_is_found(law: str, operator: Operator) -> None:
    with pytest.raises(AssertionError) as caught:
        check_operator(operator, (2, 3, 7, 8))
    assert f"law {law!r} is broken" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_gradient_of_a_linear_operator_is_found() -> None:
    """Its forward values and its adjoint are right: only automatic differentiation differs."""

    @dataclass(frozen=True, eq=False)
    class Detached(Linear):
        def __call__(self, x: Tensor) -> Tensor:
            return self.blur(x) + x - x.detach()

    with pytest.raises(AssertionError, match="gradient"):
        check_operator(Detached(), (2, 3, 7, 8))
    with pytest.raises(AssertionError, match="automatic differentiation"):
        check_operator(Detached(), (2, 3, 7, 8), rounds=True)


@pytest.mark.parametrize(
    ("law", "prox"),
    [
        ("one weight = one an image", lambda blur, x, y, w: _exact(blur, x, y, w, strange=True)),
        ("prox alone = prox in a batch", lambda blur, x, y, w: _exact(blur, x, y, w) + _couple(x)),
    ],
)
def test_faults_of_the_prox_beside_its_optimum_are_found(law: str, prox: Any) -> None:
    blur = Blur(KERNEL)
    operator = Linear(("prox", lambda x, y, weight: prox(blur, x, y, weight)))
    with pytest.raises(AssertionError) as caught:
        check_operator(operator, (2, 3, 7, 8))
    assert f"law {law!r} is broken" in str(caught.value)


def _exact(blur: Blur, x: Tensor, y: Tensor, weight: Any, strange: bool = False) -> Tensor:
    wrong = strange and not isinstance(weight, Tensor)
    return blur.prox(x, y, 2 * weight if wrong else weight)


def _couple(x: Tensor) -> Tensor:
    """A shift too small for the optimum's tolerance, only where there is a batch."""
    return torch.full_like(x, 1e-6 * (len(x) - 1))


def test_a_sound_operator_passes() -> None:
    check_operator(Linear(), (2, 3, 7, 8))
    check_operator(Function(torch.sin), (2, 3, 7, 8))
