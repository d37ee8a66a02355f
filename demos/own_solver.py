# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Your own solver, in forty lines
#
# A solver is a generator: it takes a measurement, a prior, seeds and its own options, and yields a
# state a step. Here is plug-and-play proximal gradient descent (Venkatakrishnan et al., GlobalSIP
# 2013, is where plug-and-play begins):
#
#     x <- E(A^T y);   repeat:  x <- E(D(x) - gamma A^T (A D(x) - y));   x <- E[x0 | x_t = x]

# %%
from collections.abc import Iterator

import torch
from skimage import data

from operators import Blur, Gaussian, LinearOperator, Measurement, Seeds, kernels, simulate
from priors import Prior
from restore import Restorer
from restore.images import read
from restore.metrics import psnr
from restore.solvers import State


# %%
@torch.no_grad()
def proximal_gradient(
    measurement: Measurement[LinearOperator],
    prior: Prior,
    seeds: Seeds,
    *,
    steps: int = 60,
    gamma: float = 1.9,
    sigma: float = 0.03,
) -> Iterator[State]:
    """gamma: length of a step, below 2 / |A|^2; sigma: what the denoiser removes, on [0, 1]."""
    operator, y = measurement.operator, measurement.y
    picture = operator.adjoint(y)
    for step in range(1, steps + 1):
        level = prior.schedule.at_ratio(sigma / step**0.5 / prior.unit)
        x = prior.encode(picture - gamma * operator.adjoint(operator(picture) - y))
        x0 = prior.denoise(level.alpha * x, level)
        yield State(step, steps, x0 if step == steps else x, x0)
        picture = prior.decode(x0)


# %% [markdown]
# Whoever calls it gets the rest: options are checked, progress and cancelling are the caller's, the
# result has a certificate. On the command line it is `--solver module:proximal_gradient`.

# %%
photo = read(data.astronaut()).pixels[:, :, 40:136, 170:266]
lens = Blur(kernels.disk(2.5))
measurement = simulate(lens, Gaussian(0.01), photo, Seeds(0))
before = psnr(measurement.y, photo).item()
own = psnr(Restorer(solver=proximal_gradient)(measurement.y, lens, noise=0.01).pixels, photo).item()
best = psnr(Restorer()(measurement.y, lens, noise=0.01).pixels, photo).item()
assert before + 2 < own, (before, own)
f"{before:.1f} dB blurred, {own:.1f} by the forty lines, {best:.1f} by the default"
