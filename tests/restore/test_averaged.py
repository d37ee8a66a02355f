"""Free kernels averaged: aligned, weighted by evidence."""

import math

import pytest
import torch
from torch.nn.functional import pad

from operators import kernels
from restore.blind import correlation
from restore.blind.averaged import SOFT, averaged

WALK = kernels.random_walk(11, 0.5, 3)


def test_the_same_kernel_at_other_places_is_itself() -> None:
    framed = pad(WALK, (4, 4, 4, 4))
    found = averaged([framed.roll((1, -2), (0, 1)), framed, WALK], [1.0, 2.0, 1.5])
    assert found.shape == framed.shape and float(found.sum()) == pytest.approx(1)
    assert correlation(found, WALK) > 0.999


def test_evidence_weighs() -> None:
    cross, point = torch.zeros(5, 5), torch.zeros(5, 5)
    cross[2, 1:4] = cross[1:4, 2] = 0.2
    point[2, 2] = 1
    found = averaged([cross, point], [SOFT * math.log(3), 0.0])
    torch.testing.assert_close(found, 0.75 * cross + 0.25 * point)
    torch.testing.assert_close(averaged([cross, point], [500.0, 0.0]), cross)


def test_errors_of_their_own_average_out() -> None:
    generator = torch.Generator().manual_seed(0)
    errors = torch.randn(8, *WALK.shape, generator=generator)
    noisy = [WALK + 0.2 * WALK.max() * one for one in errors]
    alone = max(correlation(one, WALK) for one in noisy)
    assert correlation(averaged(noisy, [0.0] * 8), WALK) > alone + 0.05
