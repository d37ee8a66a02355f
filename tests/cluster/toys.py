"""A solver that takes its time, and whose picture depends on the seed."""

import os
import time
from collections.abc import Iterator

import torch

from operators.base import LinearOperator
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from restore.solvers import State

VARIABLE = "PHOTOMEND_TEST_SECONDS"
"""Of a photo, in the environment: what is no option is not in the picture's metadata either."""


@torch.no_grad()
def steady(measurement: Measurement[LinearOperator], prior: Prior, seeds: Seeds) -> Iterator[State]:
    """What `--solver tests.cluster.toys:steady` names."""
    time.sleep(float(os.environ.get(VARIABLE, "0")))
    x = prior.encode(measurement.operator.adjoint(measurement.y))
    x = x + 0.05 * seeds.normal_like(x)
    yield State(1, 1, x, x)
