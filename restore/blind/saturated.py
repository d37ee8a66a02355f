"""Light beyond white: where a photo is saturated, continued as smoothly as it came.

    min over x inside of |laplace x|^2 + tau |grad x|^2,      x outside given

A plateau has edges, kinks, and those have power at frequencies that a blur has none at: they hide
it. Continued smoothly, light has not. (Of membranes and thin plates the latter are what keep the
slope: Terzopoulos, IEEE PAMI 1986.)
"""

import numpy
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

GROWTH = 6
"""Pixels around white ones that are not trusted either: there noise decides what is white."""
LEAST = 0.1
"""Share of a plane that has to be trusted for anything to be told from that alone."""
_TAU = 1e-3


def white(noise: float) -> float:
    """The value on [0, 1] from which on it may be white that is seen in a noise."""
    return 1 - 1 / 255 - 2 * noise


def unsaturated(photo: Tensor, noise: float) -> Tensor:
    """Tell which pixels of a photo (1, C, H, W) on [0, 1] are not near white ones, (H, W)."""
    found = photo.amax(1, keepdim=True) >= white(noise)
    return max_pool2d(found.float(), 2 * GROWTH + 1, 1, padding=GROWTH)[0, 0] == 0


def continued(plane: Tensor, clear: Tensor) -> Tensor:
    """Replace what is not clear (H, W) of a plane (H, W), unless that leaves too little."""
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    unknown = ~clear.flatten().numpy()
    if not unknown.any() or float(clear.float().mean()) < LEAST:
        return plane
    down, right = (
        sparse.diags([-numpy.ones(n - 1), numpy.ones(n - 1)], [0, 1], shape=(n - 1, n))
        for n in plane.shape
    )
    own = [sparse.identity(n) for n in plane.shape]
    along = sparse.kron(own[0], right.T @ right) + sparse.kron(down.T @ down, own[1])
    rows = (along @ along + _TAU * along).tocsr()[unknown]
    x = plane.double().flatten().numpy().copy()
    x[unknown] = spsolve(rows[:, unknown].tocsc(), -rows[:, ~unknown] @ x[~unknown])
    return torch.from_numpy(x).reshape(plane.shape).to(plane)
