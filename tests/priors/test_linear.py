"""The decoder's linear part: it is the encoder's pseudo-inverse, and an isometry where that is."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pixel_unshuffle

from priors import LatentPrior, Linear, Tiled, load
from priors.base import Prior, Shape
from priors.linear import linear
from priors.schedule import Flow, Level
from tests.priors import networks

DOUBLE = torch.float64


def noise(*shape: int, seed: int = 0) -> Tensor:
    drawn: Tensor = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)
    return drawn


class Patches(Prior):
    """States are `matrix` (C, 12) times patches of 2 x 2 pixels plus 0.3; bent adds a square."""

    schedule, multiple = Flow(), 4

    def __init__(self, matrix: Tensor, bent: float = 0.0) -> None:
        self.matrix, self.bent, self.evaluations = matrix, bent, 0
        self.unit = 1 / matrix.square().sum(1).mean().sqrt().item()

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        self.evaluations += 1
        return x / 2

    def encode(self, image: Tensor) -> Tensor:
        patches = pixel_unshuffle(image, 2)
        mixed: Tensor = self.matrix.to(image) @ patches.flatten(2)
        bend = 0.3 + self.bent * patches[:, :1].square()
        state: Tensor = mixed.unflatten(2, patches.shape[2:]) + bend
        return state

    def state_shape(self, image_shape: Shape) -> Shape:
        batch, _, height, width = image_shape
        if height % 4 or width % 4:
            raise ValueError("sides are no multiples of 4")
        return (batch, len(self.matrix), height // 2, width // 2)


def orthonormal(count: int) -> Tensor:
    rows: Tensor = torch.linalg.qr(noise(12, 12, seed=1))[0]
    return rows[:count]


PRIORS = {
    "orthonormal": Patches(2 * orthonormal(5)),
    "skew": Patches(noise(5, 12, seed=2)),
    "lossless": Patches(2 * orthonormal(12)),
}


@pytest.mark.parametrize("kind", PRIORS)
@pytest.mark.parametrize("batch", [1, 3])
def test_decoding_is_the_pseudo_inverse_of_encoding(kind: str, batch: int) -> None:
    prior = PRIORS[kind]
    image = noise(batch, 3, 8, 12, seed=3)
    found = Linear(prior, image)
    z = found.encode(image)
    torch.testing.assert_close(z, prior.encode(image))
    torch.testing.assert_close(found.encode(found.decode(z)), z)
    # D_lin(E(x)) is nearest: what it lacks is orthogonal to every change that states can make
    change = found.synthesis(noise(*z.shape, seed=4))
    gap = image - found.decode(z)
    assert abs((gap * change).sum().item()) < 1e-9
    assert found.lossless == (kind == "lossless")
    if found.lossless:
        torch.testing.assert_close(found.decode(z), image)


@pytest.mark.parametrize("kind", ["orthonormal", "lossless"])
def test_orthonormal_components_are_an_exact_isometry(kind: str) -> None:
    prior = PRIORS[kind]
    a, b = noise(2, len(prior.encode(torch.zeros(1, 3, 4, 4))[0]), 4, 6, seed=5).split(1)
    found = Linear(prior, a)
    apart = (found.decode(a) - found.decode(b)).norm()
    assert apart.item() == pytest.approx(prior.unit * (a - b).norm().item(), rel=1e-12)


def test_the_adjoint_is_the_transpose() -> None:
    found = Linear(PRIORS["skew"], torch.zeros(1, dtype=DOUBLE))
    u, image = noise(2, 5, 4, 6), noise(2, 3, 8, 12, seed=6)
    left, right = (found.synthesis(u) * image).sum(), (u * found.synthesis_adjoint(image)).sum()
    torch.testing.assert_close(left, right)


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_both_ways_are_differentiable_and_keep_the_dtype(dtype: torch.dtype) -> None:
    found = Linear(PRIORS["orthonormal"], torch.zeros(1, dtype=dtype))
    z = noise(2, 5, 4, 6).to(dtype).requires_grad_()
    again = found.encode(found.decode(z))
    assert again.dtype == dtype
    (gradient,) = torch.autograd.grad(again.sum(), z)
    torch.testing.assert_close(gradient, torch.ones_like(z), rtol=1e-4, atol=1e-5)


def test_everything_else_is_the_prior_s() -> None:
    prior = Patches(orthonormal(5))
    found = Linear(prior, torch.zeros(1))
    x = torch.ones(1, 5, 4, 6)
    torch.testing.assert_close(found.denoise(x, prior.schedule.at(0.5)), x / 2)
    assert prior.evaluations == 1
    assert (found.schedule, found.unit, found.multiple) == (prior.schedule, prior.unit, 4)
    with pytest.raises(ValueError, match="multiples of 4"):
        found.encode(torch.zeros(1, 3, 6, 8))


def test_what_is_not_affine_on_patches_is_refused() -> None:
    like = torch.zeros(1)
    with pytest.raises(ValueError, match=r"% from affine on patches of 2 pixels"):
        Linear(Patches(orthonormal(5), bent=0.2), like)
    network = LatentPrior(networks.autoencoders()["kl"], networks.unet(4), Flow(), "sample")
    with pytest.raises(ValueError, match="from affine"):
        Linear(network, like)
    assert linear(network, like) is network
    assert isinstance(linear(PRIORS["skew"], like), Linear)


@pytest.mark.parametrize("tiled", [False, True])
def test_the_embedded_prior_has_a_linear_part(tiled: bool) -> None:
    prior: Prior = load("embedded")
    prior = Tiled(prior, 32, 8) if tiled else prior
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(7))
    found = Linear(prior, image)
    z = prior.encode(image)
    torch.testing.assert_close(found.encode(image), z, rtol=1e-3, atol=1e-3)
    again = found.decode(z)
    torch.testing.assert_close(found.encode(again), z, rtol=1e-3, atol=1e-3)
    ratio = again.sub(found.decode(torch.zeros_like(z))).norm() / (prior.unit * z.norm())
    assert ratio.item() == pytest.approx(1, rel=0.02)  # the unit is measured from noise


def test_half_precision_is_no_reason_to_do_without() -> None:
    image = noise(1, 3, 64, 64, seed=3).float() / 4 + 0.5
    exact = Linear(load("embedded"), image)
    found = Linear(load("embedded", dtype=torch.bfloat16), image)
    for ours, theirs in ((found.kernel, exact.kernel), (found.offset, exact.offset)):
        assert ((ours - theirs).norm() / theirs.norm()).item() < 0.005  # bfloat16 has 8 bits
