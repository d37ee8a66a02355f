"""What cannot be restored is refused at once by name, and no diverging solver gives a picture."""

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import restore
from operators import (
    Blur,
    Clip,
    Downsample,
    Gaussian,
    Grayscale,
    Identity,
    Mask,
    Measurement,
    Operator,
    Seeds,
    VaryingBlur,
    kernels,
    random_mask,
    simulate,
)
from priors.base import Prior
from priors.schedule import Flow, Level
from restore import Restorer, solvers
from restore.solvers import Divergence, State

NAN, INFINITY = float("nan"), float("inf")


class Flat(Prior):
    """Half grey, whatever is asked; after `good` evaluations, NaN."""

    schedule = Flow()

    def __init__(self, good: int = 1000, decodes: bool = True) -> None:
        self.good, self.decodes, self.asked = good, decodes, 0

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """Half grey or NaN, as a network in half precision whose numbers overflow."""
        self.asked += 1
        return x * 0 + (0.5 if self.asked <= self.good else NAN)

    def decode(self, x: Tensor) -> Tensor:
        """The picture, or NaN."""
        return x if self.decodes else x * NAN


def exploding(
    measurement: Measurement[Operator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 9,
    zeta: float = 1e30,
) -> Iterator[State]:
    """A solver whose steps are too long: x0 is infinite in the third."""
    x = measurement.y
    for step, level in enumerate(prior.schedule.levels(steps)[:-1], start=1):
        x = x + zeta * (prior.denoise(x, level) + x)
        yield State(step, steps, x, x)


def photo(channels: int = 3, side: int = 16) -> Tensor:
    """Random colours."""
    return torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(0))


def spoiled(value: float) -> Tensor:
    """A photo with one value that is no number."""
    y = photo()
    y[0, 1, 2, 3] = value
    return y


# --- unknown names: before any work


@pytest.mark.parametrize(
    ("given", "error", "near"),
    [
        ({"solver": "dprs"}, ValueError, "dps"),
        ({"solver": "daps", "reech": 1}, TypeError, "'reech'; did you mean reach"),
        ({"devise": "cpu"}, TypeError, "device"),
        ({"til": 0}, TypeError, "tile"),
    ],
)
def test_a_restorer_refuses_unknown_names_before_it_loads_a_prior(
    given: dict[str, Any], error: type[Exception], near: str
) -> None:
    with pytest.raises(error, match=near) as caught:
        Restorer("./no prior here", **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "near"),
    [
        (lambda **wrong: restore.deblur("none.png", kernel="disk:1", **wrong), "boundary"),
        (lambda **wrong: restore.upscale("none.png", **wrong), "filter"),
        (lambda **wrong: restore.inpaint("none.png", "none.png", **wrong), "noise"),
        (lambda **wrong: restore.restore("none.png", Identity(), **wrong), "samples"),
    ],
)
def test_a_task_refuses_unknown_names_before_it_reads_the_photo(
    call: Callable[..., object], near: str
) -> None:
    """The nearest may be the task's own: boundary for boundery."""
    misspelt = {near[:-1] + "x": 1}
    with pytest.raises(TypeError, match=f"did you mean .*{near}"):
        call(**misspelt)
    with pytest.raises(ValueError, match="did you mean diffpir"):
        call(solver="difpir")
    with pytest.raises(restore.PhotoError, match=r"none\.png"):
        call(steps=None)


def test_a_call_refuses_unknown_names_before_it_reads_the_photo() -> None:
    restorer = Restorer(Flat(), solver="dps")
    with pytest.raises(TypeError, match="did you mean noise"):
        restorer.stream("none.png", Identity(), nois=0.1)
    with pytest.raises(TypeError, match="needs a LinearOperator"):
        Restorer(Flat()).stream("none.png", Clip())


# --- measurements, noise, kernels, masks


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
def test_what_is_no_number_is_refused_by_name(value: float) -> None:
    y = spoiled(value)
    with pytest.raises(ValueError, match=r"^y: 1 of 768 values are NaN or infinite"):
        Measurement(y, Identity(), Gaussian(0.1))
    with pytest.raises(ValueError, match=r"^x: 1 of 768 values are NaN or infinite"):
        simulate(Downsample(2), Gaussian(0.1), y, Seeds(0))
    with pytest.raises(ValueError, match=r"^y: 1 of 768 values are NaN or infinite"):
        Restorer(Flat()).stream(y, Identity(), noise=None)
    with pytest.raises(ValueError, match=r"^y: 1 of 768 values"):
        restore.restore(y, Identity(), noise=0.1, prior=Flat())
    for given in (y, y[0].permute(1, 2, 0).numpy()):
        with pytest.raises(restore.PhotoError, match="values from"):
            restore.deblur(given, kernel="disk:1", prior=Flat())
        with pytest.raises(restore.PhotoError, match="values from"):
            restore.upscale(given, 2, prior=Flat())
        with pytest.raises(restore.PhotoError, match="values from"):
            restore.inpaint(given, np.eye(16, dtype=np.uint8) * 255, prior=Flat())


@pytest.mark.parametrize("sigma", [-0.1, NAN, INFINITY, -INFINITY])
def test_a_noise_that_is_none_is_refused_by_name(sigma: float) -> None:
    with pytest.raises(ValueError, match=r"^Gaussian\.sigma: got"):
        Gaussian(sigma)
    with pytest.raises(ValueError, match=r"^noise: got"):
        Restorer(Flat()).stream(photo(), Identity(), noise=sigma)
    given: dict[str, Any] = {"noise": sigma, "prior": Flat()}
    calls: tuple[Callable[[], object], ...] = (
        lambda: restore.deblur(photo(), kernel="disk:1", **given),
        lambda: restore.upscale(photo(), 2, **given),
        lambda: restore.inpaint(photo(), torch.eye(16) > 0, **given),
        lambda: restore.restore(photo(), Identity(), **given),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"^noise: got"):
            call()


def test_a_noise_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^noise: got '0.1'"):
        Restorer(Flat()).stream(photo(), Identity(), noise="0.1")  # type: ignore[arg-type]
    quarter: Any = np.float32(0.25)
    given = Restorer(Flat(), steps=1)(photo(), Identity(), noise=quarter).report
    assert given["noise"]["model"] == "Gaussian(sigma=0.25)"


def test_a_sigma_of_0_is_8_bits_where_no_likelihood_needs_more() -> None:
    exact = Restorer(Flat(), steps=2)(photo(), Identity(), noise=0.0)
    assert bool((exact.pixels - photo()).abs().max() < 0.01)
    for name in ("dps", "psld"):
        with pytest.raises(ValueError, match=r"Gaussian\.sigma: got 0.*rounding of 8 bits"):
            Restorer(Flat(), solver=name, steps=2)(photo(), Identity(), noise=0.0)


@pytest.mark.parametrize(
    "kernel",
    [
        torch.zeros(3, 3),
        torch.tensor([[0.1, 0.2, -0.3]]),
        torch.full((3, 3), NAN),
        torch.tensor([[INFINITY, 1.0, 1.0]]),
    ],
    ids=["zeros", "cancelling", "nan", "infinite"],
)
def test_a_kernel_without_a_sum_is_refused_by_name(kernel: Tensor) -> None:
    for call in (
        lambda: Blur(kernel),
        lambda: VaryingBlur(torch.stack([torch.ones_like(kernel), kernel]), torch.ones(2, 9, 9)),
        lambda: kernels.normalised(kernel),
        lambda: restore.deblur(photo(), kernel=kernel, prior=Flat()),
    ):
        with pytest.raises(ValueError, match=r"^kernel: its sum is"):
            call()


def test_a_kernel_may_have_weights_below_0() -> None:
    sharpen = torch.tensor([[-1.0, 3.0, -1.0]])
    assert float(Blur(sharpen, "circular")(photo()).mean()) == pytest.approx(float(photo().mean()))


@pytest.mark.parametrize(
    ("y", "operator", "said"),
    [
        (photo(side=8), Mask(random_mask(9, 9, 0.5, 0)), "mask of (9, 9)"),
        (photo(side=8), Blur(kernels.gaussian(3)), "'reflect' reaches 12 x 12"),
        (photo(side=8), Grayscale(), "Grayscale() gives (1, 1, 8, 8)"),
        (photo(1, 8), Mask(torch.zeros(1, 3, 8, 8, dtype=torch.bool)), "gives (1, 3, 8, 8)"),
        (photo()[0], Identity(), "got (3, 16, 16) of float32"),
        ((255 * photo()).to(torch.uint8), Identity(), "(1, 3, 16, 16) of uint8"),
        (photo()[:0], Identity(), "got (0, 3, 16, 16)"),
    ],
    ids=["mask", "kernel", "channels", "mask's channels", "no batch", "integers", "empty"],
)
def test_a_measurement_that_the_operator_cannot_give_is_refused(
    y: Tensor, operator: Operator, said: str
) -> None:
    prior = Flat()
    with pytest.raises(ValueError, match=r"^y: ") as caught:
        Restorer(prior).stream(y, operator, noise=0.1)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert prior.asked == 0


def test_a_kernel_far_larger_than_the_photo_is_refused_at_once() -> None:
    kernel = torch.ones(2001, 2001)
    with pytest.raises(ValueError, match="of 2001 x 2001 pixels for a photo of 64 x 48"):
        restore.deblur(torch.rand(1, 3, 48, 64), kernel=kernel, noise=0.01)


def test_a_mask_of_another_size_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^unknown: got torch.bool \(4,\)"):
        Mask(torch.zeros(4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"under a mask of"):
        simulate(Mask(random_mask(8, 9, 0.5, 0)), Gaussian(0.1), photo(), Seeds(0))
    with pytest.raises(ValueError, match=r"^mask .*9 x 8 pixels, the photo has 16 x 16"):
        restore.inpaint(photo(), torch.ones(8, 9) > 0, prior=Flat())


# --- divergence


def test_a_diverging_solver_stops_with_step_level_and_advice() -> None:
    job = Restorer(Flat(), solver=exploding).stream(photo(), Identity(), noise=0.1)
    with pytest.raises(Divergence) as caught:
        list(job)
    told = str(caught.value)
    # Level 2 of 9 on the flow schedule: t = 8/9, whose noise is 8 times the signal.
    assert told.startswith("exploding at noise level 8 of [0, 1], step 2 of 9: the estimate x0")
    assert "try more steps" in told and told.endswith("(zeta)")
    assert "\n" not in told
    with pytest.raises(ValueError, match="not finished"):
        job.result()
    assert next(job, None) is None


def test_a_solver_called_directly_stops_too() -> None:
    measurement = Measurement(photo(), Identity(), Gaussian(0.1))
    states = exploding(measurement, Flat(), Seeds(0))
    assert next(states).step == 1
    with pytest.raises(Divergence, match="step 2 of 9"):
        next(states)
    assert next(states, None) is None


@pytest.mark.parametrize("name", solvers.names())
def test_every_solver_stops_where_the_network_fails(name: str) -> None:
    """The network is asked once or more a step, and what comes of NaN is never a state."""
    measurement = simulate(Mask(random_mask(16, 16, 0.5, 0)), Gaussian(0.1), photo(), Seeds(0))
    prior = Flat(good=2)
    states = solvers.get(name)(measurement, prior, Seeds(0), steps=6)
    # the first five of tradeoff's six are those of dpir
    with pytest.raises(Divergence, match="of 5" if name == "tradeoff" else "of 6"):
        for state in states:
            assert bool(state.x0.isfinite().all())
    assert torch.is_grad_enabled()


def test_a_decoder_that_fails_gives_no_picture() -> None:
    job = Restorer(Flat(decodes=False), "dpir", steps=2, prox_in="states")
    with pytest.raises(Divergence, match="dpir at noise level"):
        job(photo(), Identity(), noise=0.1)


def test_networks_of_few_bits_are_advised_to_take_more() -> None:
    prior = Flat(good=0)
    restorer = Restorer(prior, steps=1)
    with pytest.raises(Divergence) as caught:
        restorer(photo(), Identity(), noise=0.1)
    assert "dtype" not in str(caught.value)
    restorer.dtype = "float16"
    with pytest.raises(Divergence, match="or dtype float32 for float16"):
        restorer(photo(), Identity(), noise=0.1)


def test_the_error_travels_between_processes() -> None:
    error = pickle.loads(pickle.dumps(Divergence("step 2 of 9")))
    assert isinstance(error, RuntimeError) and str(error) == "step 2 of 9"
    assert restore.Divergence is Divergence
