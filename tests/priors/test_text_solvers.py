"""Solvers with every family that reads text, and with little memory: the contract, in small."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from operators import Downsample
from operators.base import Operator
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from priors import load
from priors.autoencoded import Autoencoded
from priors.tiled import Tiled
from restore import Restorer, solvers
from restore.solvers.base import linearised
from tests.priors import families, networks

OPTIONS: dict[str, dict[str, Any]] = {
    "tradeoff": {"steps": 5, "inner": 2},
    "dpir": {"steps": 3},
    "dps": {"steps": 3},
    "latino": {"steps": 2, "inner": 1},
    "flowdps": {"steps": 3, "iterations": 2},
}
READERS = ("sd1", "sd2", "sdxl", "lcm", "sd3", "flux-dev")


@pytest.fixture(scope="module")
def prior_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """The prior of a family given a text, loaded once from its saved directory."""
    known: dict[str, Any] = {}

    def made(family: str) -> Any:
        if family not in known:
            folder = families.save(family, tmp_path_factory.mktemp(family))
            known[family] = load(str(folder), offline=True).with_text("a sharp photo", "", 2.0)
        return known[family]

    return made


def observed() -> Measurement[Operator]:
    x = torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(3))
    return simulate(Downsample(2), Gaussian(0.05), x, Seeds(0, 1))


@pytest.mark.parametrize(("family", "solver"), [*product(READERS, OPTIONS), ("turbo", "latino")])
def test_a_solver_runs_with_every_family(
    family: str, solver: str, prior_of: Callable[[str], Any]
) -> None:
    prior, measurement, options = prior_of(family), observed(), OPTIONS[solver]

    def last(measurement: Measurement[Operator], *seeds: int) -> Any:
        states = list(solvers.get(solver)(measurement, prior, Seeds(*seeds), **options))
        assert len(states) == options["steps"]
        return states[-1]

    end = last(measurement, 7, 8)
    assert torch.equal(end.x, end.x0) and end.x.dtype == torch.float32
    assert end.x.shape == prior.state_shape(measurement.image_shape)
    assert bool(end.x.isfinite().all()) and not end.x.requires_grad
    # same seeds, same bytes; an image alone is that image in the batch
    assert torch.equal(last(measurement, 7, 8).x, end.x)
    one = Measurement(measurement.y[1:], measurement.operator, measurement.noise)
    # iterations stop for a batch as a whole, a little later than for an image alone
    assert (last(one, 8).x - end.x[1:]).norm() < 0.02 * end.x[1:].norm()


def test_the_restorer_binds_the_text_and_sizes_the_levels(
    prior_of: Callable[[str], Any],
) -> None:
    y = torch.rand(1, 3, 10, 13, generator=torch.Generator().manual_seed(4))
    prior = prior_of("flux-dev")
    seen: list[float] = []

    def watched(measurement: Any, prior: Any, seeds: Any, *, steps: int = 2) -> Any:
        seen.append(prior.schedule.shift)
        yield from solvers.get("dpir")(measurement, prior, seeds, steps=steps)

    result = Restorer(prior, watched)(y, Downsample(2), noise=0.05)
    assert result.pixels.shape == (1, 3, 20, 26)
    assert seen == [prior.sized((1, 3, 20, 26)).schedule.shift] != [prior.schedule.shift]


def test_windows_carry_text_and_size(prior_of: Callable[[str], Any]) -> None:
    prior = prior_of("flux-dev")
    tiled = Tiled(prior, 16, 4)
    x = torch.randn(1, 4, 12, 12, generator=torch.Generator().manual_seed(1))
    level = prior.schedule.at(0.5)
    told = tiled.with_text("cat", guidance=4.0)
    expected = Tiled(prior.with_text("cat", guidance=4.0), 16, 4).denoise(x, level)
    assert torch.equal(told.denoise(x, level), expected)
    assert not torch.equal(tiled.denoise(x, level), expected)
    assert told.embedding is not None and tiled.embedding is not None
    again = tiled.with_embedding(told.embedding).embedding
    assert again is not None and torch.equal(again, told.embedding)
    # the levels are those of the window, which is what the network sees
    assert tiled.sized((1, 3, 512, 512)).schedule == prior.sized((1, 3, 16, 16)).schedule
    assert tiled.sized((1, 3, 8, 12)).schedule == prior.sized((1, 3, 8, 12)).schedule


def kept(prior: Autoencoded, z: Tensor) -> tuple[int, Tensor]:
    """Bytes that the decoder keeps for the way back, and the gradient of a sum of squares."""
    sizes: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            sizes.append(tensor.nbytes)
        return tensor

    z = z.clone().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        value = prior.decode(z).square().sum()
    (gradient,) = torch.autograd.grad(value, z)
    return sum(sizes), gradient


@pytest.mark.parametrize("kind", ["kl", "vq", "tiny", "dc"])
def test_checkpointing_keeps_less_and_changes_nothing(kind: str, tmp_path: Any) -> None:
    folder = str(networks.save(tmp_path, kind))
    plain: Any = load(folder)
    saving: Any = load(folder, checkpointing=True)
    z = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    held, gradient = kept(plain, z)
    less, again = kept(saving, z)
    assert less < 0.5 * held
    torch.testing.assert_close(again, gradient)


@pytest.mark.parametrize("tile", [0, 16])
def test_what_is_computed_again_attends_as_before(tile: int, tmp_path: Any) -> None:
    # derivatives that are taken after the context of their attention was left
    folder = str(networks.save(tmp_path, "kl"))
    plain: Any = load(folder)
    saving: Any = load(folder, checkpointing=True)
    assert any("ttention" in type(module).__name__ for module in plain.autoencoder.modules())
    z = torch.randn(1, 4, 12, 12, generator=torch.Generator().manual_seed(0))
    v = torch.randn(1, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    priors = [Tiled(prior, tile, 4) if tile else prior for prior in (plain, saving)]
    (back, push), (again, forth) = (linearised(prior.decode, z) for prior in priors)
    for _ in range(2):
        torch.testing.assert_close(again(v), back(v))
        torch.testing.assert_close(forth(z), push(z))


def test_slices_and_tiles_of_the_autoencoder(tmp_path: Any) -> None:
    folder = str(networks.save(tmp_path, "kl"))
    plain: Any = load(folder)
    saving: Any = load(folder, slicing=True, tiling=True)
    z = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    asked: list[int] = []
    saving.autoencoder.decoder.register_forward_pre_hook(
        lambda _, given: asked.append(len(given[0]))
    )
    torch.testing.assert_close(saving.decode(z), plain.decode(z), atol=1e-5, rtol=1e-4)
    assert asked == [1, 1, 1]
    asked.clear()
    side = saving.autoencoder.config.sample_size
    large = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(0))
    assert saving.decode(large).shape == (1, 3, 2 * side, 2 * side)
    assert len(asked) > 4
    # a vector-quantised autoencoder has no such switches: it goes on without
    load(str(networks.save(tmp_path / "vq", "vq")), slicing=True, tiling=True)


def test_offload_keeps_one_network_at_work(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prior: Any = load(str(networks.save(tmp_path, "kl")), offload=True)
    moved: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "priors.autoencoded.cast",
        lambda module, target: moved.append((type(module).__name__, str(target))),
    )
    x = torch.rand(1, 3, 16, 16)
    z = prior.encode(x)
    assert moved == [("UNet2DModel", "cpu"), ("AutoencoderKL", "cpu")]
    moved.clear()
    prior.denoise(z, prior.schedule.at(0.5))
    assert moved == [("AutoencoderKL", "cpu"), ("UNet2DModel", "cpu")]
    moved.clear()
    prior.decode(z.requires_grad_())  # gradients may yet come back through the network
    assert moved == [("AutoencoderKL", "cpu")]
    moved.clear()
    assert prior.to("meta") is prior and moved == []


@pytest.mark.parametrize(("upcast", "dtype"), [(True, torch.float32), (False, torch.float16)])
def test_an_autoencoder_that_overflows_in_half_precision_keeps_float32(
    upcast: bool, dtype: torch.dtype, tmp_path: Any
) -> None:
    families.stable_diffusion_xl(force_upcast=upcast).save_pretrained(tmp_path)
    prior: Any = load(str(tmp_path), dtype=torch.float16)
    assert prior.autoencoder.dtype == dtype and prior.network.dtype == torch.float16
    bound = prior.with_text("a photo", "bad", 3.0)
    x0 = bound.denoise(torch.randn(1, 4, 8, 8), bound.schedule.at(0.5))
    assert x0.dtype == torch.float32 and bool(x0.isfinite().all())
