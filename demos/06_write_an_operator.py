# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # 6. Write an operator, in ten lines
#
# Films in CinemaScope were squeezed: an anamorphic lens pressed a wide scene onto a narrow
# negative. Our camera does it with its sensor, which records the mean of every two neighbouring
# columns. No toolkit has this operator; we write it. Whatever can be applied and transposed can be
# undone, by every solver, with the certificate, the samples and all the rest.

# %%
from dataclasses import dataclass

import torch
from figures import pictures
from IPython.display import Markdown
from skimage import data
from torch import Tensor

from operators import Blur, Gaussian, LinearOperator, Operator, Seeds, kernels, simulate
from operators.testing import check_operator
from restore import Restorer
from restore.images import read
from restore.metrics import psnr

# %% tags=["parameters"]
SIDE = 256
STEPS = 25


# %%
@dataclass(frozen=True, eq=False)
class Anamorphic(LinearOperator):
    def __call__(self, x: Tensor) -> Tensor:
        return (x[..., ::2] + x[..., 1::2]) / 2

    def adjoint(self, y: Tensor) -> Tensor:
        return y.repeat_interleave(2, dim=-1) / 2

    def image_shape(self, y_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*y_shape[:-1], 2 * y_shape[-1])


# %% [markdown]
# Three methods: what it does, its transpose, and which picture belongs to a measurement of a given
# shape. The transpose is the only one that needs thought: $A^T$ is the map with
# $\langle A x, y \rangle = \langle x, A^T y \rangle$ for all $x$ and $y$. Each value of $y$ was
# made of two pixels with weights of one half, so it goes back to both with the same weights.
#
# ## The laws
#
# It is easy to be wrong here, and a wrong transpose makes solvers that almost work. So the laws
# that every operator obeys are a public function, which tries them on random pictures: the dot
# product above, the gradient against differences, linearity, pseudo-inverse and prox, pictures of a
# batch that do not mix.

# %%
check_operator(Anamorphic(), (2, 3, 8, 12))


@dataclass(frozen=True, eq=False)
class Careless(Anamorphic):
    def adjoint(self, y: Tensor) -> Tensor:
        return y.repeat_interleave(2, dim=-1)  # stretches the picture, which is another thing


try:
    check_operator(Careless(), (2, 3, 8, 12))
    complaint = ""
except AssertionError as error:
    complaint = str(error)
assert complaint
Markdown(f"The right one passes. Of the careless one it is said: “{complaint}”")

# %% [markdown]
# ## It restores at once
#
# Pseudo-inverse and prox follow from the two maps, by conjugate gradients. (An operator may
# override them where it knows better.)

# %%
truth = read(data.astronaut()).pixels[:, :, 4 : 4 + SIDE, 90 : 90 + SIDE]
squeezed = simulate(Anamorphic(), Gaussian(0.01), truth, Seeds(0)).y
result = Restorer()(squeezed, Anamorphic(), noise=0.01, steps=STEPS)
stretched = torch.nn.functional.interpolate(squeezed, (SIDE, SIDE), mode="bicubic").clamp(0, 1)
plain, found = psnr(stretched, truth).item(), psnr(result.pixels, truth).item()
assert found > plain, (plain, found)
assert result.report["certificate"]["accepted"] == [True]
pictures(
    [
        ("on the negative", squeezed),
        (f"stretched, {plain:.1f} dB", stretched),
        (f"restored, {found:.1f} dB", result.pixels),
        ("as it was", truth),
    ],
    "Half of the columns are gone. Stretching gives back the shape; the solver gives back fine "
    "edges as well, of teeth and eyelids. The certificate: "
    f"{result.report['certificate']['verdict'][0]}.",
    zoom=(SIDE * 3 // 8, SIDE * 7 // 16, SIDE // 4),
)

# %% [markdown]
# ## Operators compose
#
# `A @ B` first applies B, then A. A lens out of focus in front of the squeezing sensor is one
# expression, its transpose and its prox included.

# %%
camera = Anamorphic() @ Blur(kernels.disk(2.5))
check_operator(camera, (1, 3, 16, 16))
soft = simulate(camera, Gaussian(0.01), truth, Seeds(0)).y
sharp = Restorer()(soft, camera, noise=0.01, steps=STEPS)

# %% [markdown]
# ## Operators that bend
#
# Not everything is linear. Old copying film had a steep curve: shadows went black, lights white.
# Such an operator is written with two methods, as there is no transpose; solvers differentiate it
# instead. `pigdm` takes any operator; a solver that cannot says so before it starts.


# %%
@dataclass(frozen=True, eq=False)
class Film(Operator):
    def __call__(self, x: Tensor) -> Tensor:
        return torch.sigmoid(8 * (x - 0.5))

    def image_shape(self, y_shape: tuple[int, ...]) -> tuple[int, ...]:
        return y_shape


copy = Film() @ Blur(kernels.disk(1.5))
check_operator(copy, (2, 3, 16, 16))
harsh = simulate(copy, Gaussian(0.02), truth, Seeds(0)).y
mild = Restorer(solver="pigdm")(harsh, copy, noise=0.02)
scores = [psnr(picture, truth).item() for picture in (sharp.pixels, harsh, mild.pixels)]
assert scores[2] > scores[1] + 3, scores
pictures(
    [
        ("squeezed and soft", torch.nn.functional.pad(soft, (SIDE // 4, SIDE // 4), value=1.0)),
        (f"restored, {scores[0]:.1f} dB", sharp.pixels),
        (f"copied on film, {scores[1]:.1f} dB", harsh),
        (f"restored, {scores[2]:.1f} dB", mild.pixels),
    ],
    "Two more cameras. Left a lens out of focus before the squeezing sensor; right a copy on steep "
    "film through a soft lens. The tones of skin, hair and suit return.",
)

# %% [markdown]
# `restore.restore(y, operator)` does all of this in one call, for files, too. What is left is to
# write the solver: notebook 7.
