"""P2L tunes the text: against a prior whose text is its mean, in closed form."""

from pathlib import Path
from typing import Any, Self

import pytest
import torch
from torch import Tensor

from operators.mask import Mask, random_mask
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from priors import load
from priors.base import Prior
from priors.schedule import Level, Schedule
from restore import Restorer, solvers
from restore.solvers.p2l import p2l, tuned
from tests.priors import families
from tests.solvers.toys import OPERATORS, SCHEDULES, Counting, last, picture, pixel_prior

SHAPE = (3, 5, 7)
FAST: dict[str, Any] = {"steps": 6, "iterations": 2, "rate": 0.02}


class Told(Prior):
    """Smooth pictures around a grey that is the embedding's (B, 1, 1), above 0.5."""

    unit = 1.0

    def __init__(self, schedule: Schedule, embedding: Tensor | None = None) -> None:
        self.inner, self.schedule = pixel_prior(SHAPE, schedule), schedule
        self.told = torch.zeros(1, 1, 1) if embedding is None else embedding

    @property
    def embedding(self) -> Tensor:
        return self.told

    def with_embedding(self, embedding: Tensor) -> Self:
        return type(self)(self.schedule, embedding)

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        grey = self.told.to(x).expand(-1, SHAPE[0], 1)[..., None]
        return grey + self.inner.denoise(x - level.alpha * grey, level)

    def encode(self, image: Tensor) -> Tensor:
        return image

    def decode(self, x: Tensor) -> Tensor:
        return x


def observed(kind: str = "blur", count: int = 2) -> Measurement[Any]:
    operator, shape = OPERATORS[kind]
    assert shape == SHAPE
    return simulate(operator, Gaussian(0.05), picture(shape, count), Seeds(*range(count)))


@pytest.mark.parametrize("curve", SCHEDULES)
def test_tuning_climbs_the_likelihood_for_each_image_alone(curve: str) -> None:
    measurement, prior = observed(), Told(SCHEDULES[curve])
    level = prior.schedule.at(0.5)
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1)) + 1

    def moved(count: int, iterations: int) -> Tensor:
        given = Measurement(measurement.y[-count:], measurement.operator, measurement.noise)
        found = tuned(given, prior, x[-count:], level, iterations, 0.002).embedding
        assert found is not None and not found.requires_grad
        return found

    def likelihood(embedding: Tensor) -> Tensor:
        x0 = prior.with_embedding(embedding).denoise(x, level)
        return measurement.log_likelihood(prior.decode(x0))

    values = [likelihood(moved(2, iterations)) for iterations in (0, 1, 3)]
    assert bool((torch.stack(values).diff(dim=0) > 0).all())
    # the first step of Adam is the sign of the gradient, times the rate
    start = torch.zeros(2, 1, 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(likelihood(start).sum(), start)
    torch.testing.assert_close(moved(2, 1), 0.002 * gradient.sign(), atol=1e-7, rtol=1e-4)
    torch.testing.assert_close(moved(1, 5), moved(2, 5)[1:], atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("kind", ["blur", "mask"])
@pytest.mark.parametrize("curve", SCHEDULES)
def test_the_contract(kind: str, curve: str) -> None:
    measurement, prior = observed(kind), Told(SCHEDULES[curve])
    states = list(p2l(measurement, prior, Seeds(7, 8), **FAST))
    end = states[-1]
    assert [state.step for state in states] == list(range(1, 7)) and end.steps == 6
    assert torch.equal(end.x, end.x0) and bool(end.x.isfinite().all())
    assert not any(state.x.requires_grad or state.x0.requires_grad for state in states)
    assert torch.equal(last(p2l, measurement, prior, Seeds(7, 8), **FAST).x, end.x)
    one = Measurement(measurement.y[1:], measurement.operator, measurement.noise)
    alone = last(p2l, one, prior, Seeds(8), **FAST).x
    torch.testing.assert_close(alone, end.x[1:], rtol=1e-3, atol=2e-4)
    flat = torch.full(measurement.image_shape, 0.5)
    assert bool((measurement.misfit(end.x) < measurement.misfit(flat)).all())


def test_a_wrong_text_is_mended_by_the_data() -> None:
    truth = picture(SHAPE, 1).expand(4, -1, -1, -1)
    few = Mask(random_mask(*SHAPE[1:], 0.85, seed=0))
    measurement: Measurement[Any] = simulate(few, Gaussian(0.05), truth, Seeds(0, 0, 0, 0))
    wrong = Told(SCHEDULES["vp"], torch.ones(1, 1, 1))

    def error(prior: Prior, iterations: int) -> float:
        options = {"steps": 20, "iterations": iterations, "rate": 0.03}
        end = last(p2l, measurement, prior, Seeds(0, 1, 2, 3), **options)
        return float((end.x - truth).norm())

    right = error(Told(SCHEDULES["vp"]), 0)
    assert error(wrong, 3) - right < 0.7 * (error(wrong, 0) - right)
    # the prior that was given keeps its text
    assert torch.equal(wrong.embedding, torch.ones(1, 1, 1))


def test_evaluations_and_refusals() -> None:
    class Counted(Told):
        asked = 0

        def denoise(self, x: Tensor, level: Level) -> Tensor:
            Counted.asked += 1
            return super().denoise(x, level)

    last(p2l, observed(), Counted(SCHEDULES["vp"]), Seeds(0, 1), **FAST)
    assert Counted.asked == 6 * (2 + 1)
    with pytest.raises(TypeError, match="p2l tunes the prompt, and this prior reads no text"):
        next(p2l(observed(), Counting(pixel_prior(SHAPE, SCHEDULES["vp"])), Seeds(0, 1)))
    with pytest.raises(ValueError, match="steps"):
        next(p2l(observed(), Told(SCHEDULES["vp"]), Seeds(0, 1), steps=0))
    with pytest.raises(TypeError, match="p2l needs a LinearOperator"):
        solvers.check(p2l, OPERATORS["curve"][0], {})
    assert solvers.get("p2l") is p2l
    assert solvers.names(of_text=True) == ["p2l"] and "p2l" not in solvers.names()


def test_a_restorer_tunes_the_text_of_a_diffusers_model(tmp_path: Path) -> None:
    prior: Any = load(str(families.save("sd1", tmp_path)))
    y = torch.rand(1, 3, 10, 13, generator=torch.Generator().manual_seed(4))
    options: dict[str, Any] = {"steps": 3, "iterations": 2, "rate": 0.05}
    restorer = Restorer(prior, "p2l", prompt="a sharp photo", **options)
    operator = OPERATORS["blur"][0]
    result = restorer(y, operator, noise=0.05)
    assert result.pixels.shape == (1, 3, 10, 13)
    assert result.report["evaluations"] == 3 * (2 + 1)
    still = restorer(y, operator, noise=0.05, iterations=0)
    assert not torch.equal(result.pixels, still.pixels)
    assert result.report["solver"] == "p2l"
