"""The adapters beside deepinv's own algorithms; skipped without deepinv."""

import warnings
from typing import Any

import pytest
import torch
from skimage import data
from torch import Tensor

import priors
from operators import Blur, kernels
from operators.testing import check_operator
from restore import Restorer
from restore.images import read
from restore.metrics import psnr

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what it brings along
    deepinv: Any = pytest.importorskip("deepinv")
    from restore.interop.deepinv import Denoiser, Physics, Reconstructor

pytestmark = pytest.mark.filterwarnings("ignore")

SIGMA = 0.02
KERNEL = kernels.gaussian(1.5)


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return read(data.chelsea()).pixels[:, :, 100:196, 150:246]


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    return Denoiser(priors.load("embedded"))


def noised(x: Tensor, sigma: float) -> Tensor:
    return x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))


def physics(side: int = 96) -> Any:
    return deepinv.physics.BlurFFT(
        img_size=(3, side, side),
        filter=KERNEL[None, None],
        noise_model=deepinv.physics.GaussianNoise(SIGMA),
    )


def test_it_denoises_pictures_of_any_size_each_with_its_sigma(
    photo: Tensor, denoiser: Denoiser
) -> None:
    x = photo[..., :61, :83]
    levels = torch.tensor([0.05, 0.1])
    y = torch.cat([noised(x, float(level)) for level in levels])
    with torch.no_grad():
        clean = denoiser(y, levels)
        alone = denoiser(y[1:], 0.1)
    assert clean.shape == y.shape
    assert bool((psnr(clean, x.expand_as(y)) > psnr(y, x.expand_as(y)) + 4).all())
    torch.testing.assert_close(clean[1:], alone, atol=1e-5, rtol=0)


def test_their_algorithms_take_the_prior(photo: Tensor, denoiser: Denoiser) -> None:
    blur, data_term = physics(), deepinv.optim.L2()
    y = noised(blur.A(photo), SIGMA)
    before = float(psnr(y, photo))
    levels = torch.logspace(-0.7, -1.7, 8).tolist()
    plugged = deepinv.optim.optim_builder(
        "HQS",
        prior=deepinv.optim.PnP(denoiser=denoiser),
        data_fidelity=data_term,
        max_iter=8,
        params_algo={"stepsize": [0.23 * (s / SIGMA) ** 2 for s in levels], "g_param": levels},
    )
    with torch.no_grad():
        assert float(psnr(plugged(y, blur), photo)) > before + 0.3
        sampled = deepinv.sampling.DiffPIR(denoiser, data_term, sigma=SIGMA, max_iter=100)(y, blur)
    assert float(psnr(sampled, photo)) > before
    guided = deepinv.sampling.DPS(denoiser, num_steps=5, dtype=torch.float32)
    assert bool(guided(y, blur).isfinite().all())


def test_their_physics_is_an_operator() -> None:
    check_operator(Physics(physics(16), (3, 16, 16)), (2, 3, 16, 16))


def test_a_restorer_is_their_reconstructor(photo: Tensor) -> None:
    blur, restorer = physics(), Restorer(device="cpu", steps=10)
    y = noised(blur.A(photo), SIGMA)
    found = Reconstructor(restorer, seed=3)(y, blur)
    ours = restorer(y, Blur(KERNEL, "circular"), noise=SIGMA, seed=3).pixels
    assert float(psnr(found, photo)) > float(psnr(y, photo)) + 1
    # their prox is by iterations, ours in closed form
    assert float(psnr(found, ours)) > 40
