"""Particles: systematic resampling, effective sizes, draws by weight, images apart."""

import pytest
import torch
from torch import Tensor

from operators.base import Operator
from operators.mask import Mask, random_mask
from operators.measurement import Measurement
from operators.noise import Gaussian
from operators.seeds import Seeds
from restore import solvers
from restore.bench.toy import OneStream, cosine, problem
from restore.solvers.particles import Cloud, drawn, each, effective, heaviest, survivors, take
from tests.solvers.toys import last, picture, pixel_prior

SHAPE = (3, 5, 7)
WEIGHTS = torch.tensor([[0.5, 0.25, 0.15, 0.1], [0.7, 0.1, 0.1, 0.1]], dtype=torch.float64)


def test_the_effective_size_counts() -> None:
    weights = torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.0, 1.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]])
    torch.testing.assert_close(effective(weights), torch.tensor([4.0, 1.0, 2.0]))


def test_survivors_are_as_many_as_their_weight_says_rounded_up_or_down() -> None:
    mean = torch.zeros_like(WEIGHTS)
    for seed in range(500):
        index, log_weights = survivors(WEIGHTS.log(), 1.0, Seeds(seed, seed + 1000))
        assert torch.equal(log_weights, torch.zeros_like(WEIGHTS))
        counts = torch.stack([torch.bincount(row, minlength=4) for row in index])
        assert bool(((counts - 4 * WEIGHTS).abs() < 1 + 1e-9).all())
        mean += counts / 500
    # a count is off by less than one, so its mean by 4.5 standard deviations of 0.5 / sqrt(500)
    assert (mean - 4 * WEIGHTS).abs().max().item() < 0.1


def test_images_are_resampled_where_they_need_it() -> None:
    # effective sizes are 2.9 and 1.9 of 4
    index, log_weights = survivors(WEIGHTS.log(), 0.5, Seeds(0, 1))
    assert index[0].tolist() == [0, 1, 2, 3]
    assert torch.equal(log_weights[0], WEIGHTS[0].log())
    assert (index[1] == 0).sum().item() in (2, 3)
    assert torch.equal(log_weights[1], torch.zeros(4, dtype=torch.float64))
    alone, _ = survivors(WEIGHTS[1:].log(), 0.5, Seeds(1))
    assert torch.equal(alone[0], index[1])


def test_huge_log_weights_are_fine() -> None:
    index, _ = survivors(torch.tensor([[-2e5, -1e5, -3e5]]), 0.5, Seeds(0))
    assert index.tolist() == [[1, 1, 1]]


def test_the_last_particle_is_drawn_by_weight() -> None:
    count = 20_000
    x = torch.arange(4.0).expand(count, -1)[..., None]
    log_weights = WEIGHTS[:1].log().expand(count, -1)
    state = drawn(7, x, log_weights, OneStream(0, count))
    assert (state.step, state.steps) == (7, 7)
    assert torch.equal(state.x, state.x0)
    found = torch.bincount(state.x[:, 0].long(), minlength=4) / count
    # 4.5 standard deviations of a share are 4.5 * 0.5 / sqrt(20000)
    assert (found - WEIGHTS[0]).abs().max().item() < 0.016


def test_states_before_it_show_the_heaviest_and_know_them_all() -> None:
    x = torch.arange(8.0).view(2, 4, 1)
    state = heaviest(1, 3, x, -x, WEIGHTS.flip(1).log())
    assert (state.x.tolist(), state.x0.tolist()) == ([[3.0], [7.0]], [[-3.0], [-7.0]])
    moved = state._replace(step=2)
    assert isinstance(moved, Cloud)
    assert moved.step == 2
    assert torch.equal(moved.particles, x)
    torch.testing.assert_close(moved.weights, WEIGHTS.flip(1))
    torch.testing.assert_close(moved.effective, 1 / WEIGHTS.square().sum(1))


def test_functions_of_a_batch_see_it_particle_by_particle() -> None:
    x, offset = torch.randn(2, 3, 4), torch.tensor([[1.0], [2.0]])
    torch.testing.assert_close(each(lambda z: z + offset, x), x + offset[:, None])
    torch.testing.assert_close(each(lambda z: z.sum(1), x[:1]), x[:1].sum(2))
    index = torch.tensor([[2, 2], [0, 1]])
    torch.testing.assert_close(take(x, index), torch.stack([x[0, [2, 2]], x[1, [0, 1]]]))


@pytest.mark.parametrize("name", ["tds", "mcgdiff"])
def test_every_image_may_have_an_operator_of_its_own(name: str) -> None:
    masks = torch.cat([random_mask(5, 7, 0.4, seed) for seed in (1, 2)])
    truth, noise = picture(SHAPE, 2), Gaussian(0.05)
    y = noise.sample(Mask(masks)(truth), Seeds(5, 6))
    prior = pixel_prior(SHAPE, cosine())

    def run(operator: Operator, y: Tensor, *seeds: int) -> Tensor:
        measurement = Measurement(y, operator, noise)
        options = {"steps": 12, "particles": 3}
        return last(solvers.get(name), measurement, prior, Seeds(*seeds), **options).x

    both = run(Mask(masks), y, 3, 4)
    alone = run(Mask(masks[1:]), y[1:], 4)
    torch.testing.assert_close(alone, both[1:], rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("name", ["tds", "mcgdiff"])
def test_no_particle_is_no_sample(name: str) -> None:
    prior, measurement = problem(cosine())
    with pytest.raises(ValueError, match="particles: got 0"):
        next(solvers.get(name)(measurement, prior, Seeds(0), particles=0))
