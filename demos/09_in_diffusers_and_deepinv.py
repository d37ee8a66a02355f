# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # 9. The prior in diffusers and deepinv
#
# Nobody works with one toolkit alone. The shipped prior is a plain diffusers directory, and the
# solvers are callable from diffusers and from deepinv, each by its own conventions. (This notebook
# needs deepinv: `pip install 'photomend[deepinv]'`.)

# %%
import warnings
from typing import Any

import torch
from figures import pictures
from skimage import data

from operators import Blur, Gaussian, Seeds, kernels, simulate
from priors.hub import EMBEDDED
from restore import Restorer
from restore.images import read
from restore.metrics import psnr

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import deepinv
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging

    from restore.interop.deepinv import Denoiser, Physics, Reconstructor
    from restore.interop.diffusers import RestorationPipeline

logging.set_verbosity_error()  # of parts that diffusers has not met in such a pipeline
logging.disable_progress_bar()

# %% tags=["parameters"]
SIDE = 192
STEPS = 25

# %% [markdown]
# ## diffusers alone
#
# `EMBEDDED` is a folder with `model_index.json` and safetensors. diffusers loads it without a line
# of this project, as a latent diffusion pipeline, and samples.

# %%
pipe = DiffusionPipeline.from_pretrained(EMBEDDED, local_files_only=True)
pipe.set_progress_bar_config(disable=True)
dreamt = pipe(
    batch_size=3, generator=torch.Generator().manual_seed(3), num_inference_steps=STEPS
).images
pictures(
    [(f"sample {k + 1}", read(image).pixels) for k, image in enumerate(dreamt)],
    f"Three samples of an {type(pipe).__name__}, without any measurement. Light, edges and "
    "textures, but no objects: that is what this small network knows, and it is enough to "
    "restore with.",
)

# %% [markdown]
# ## Restoring in diffusers
#
# `RestorationPipeline` has the same parts, and takes a photo and an operator. A callback sees every
# step; a generator for each picture makes it repeatable.

# %%
cup = read(data.coffee()).pixels[:, :, 60 : 60 + SIDE, 190 : 190 + SIDE]
shake = Blur(kernels.motion(15, 20))
blurred = simulate(shake, Gaussian(0.02), cup, Seeds(0)).y

mender = RestorationPipeline.from_pretrained(EMBEDDED, local_files_only=True)
mender.set_progress_bar_config(disable=True)
frames = []


def watch(pipeline: Any, step: int, time: int, tensors: dict[str, torch.Tensor]) -> None:
    """Keep what the solver sees at every fifth step."""
    if step % 5 == 0:
        frames.append((f"step {step + 1}", mender.prior().decode(tensors["x0"])))


restored = mender(
    blurred,
    shake,
    noise=0.02,
    num_inference_steps=STEPS,
    generator=torch.Generator().manual_seed(0),
    callback_on_step_end=watch,
    callback_on_step_end_tensor_inputs=["x0"],
    output_type="pt",
).images
before, after = psnr(blurred, cup).item(), psnr(restored, cup).item()
assert after > before + 2
pictures(
    [(f"photo, {before:.1f} dB", blurred), *frames[:3], (f"restored, {after:.1f} dB", restored)],
    "The callback's view of a restoration. The first picture is the smooth estimate that the "
    "solver starts from; edges sharpen within a few steps.",
)

# %% [markdown]
# ## The prior as deepinv's denoiser
#
# deepinv's plug-and-play methods take any denoiser. Ours is one, and handles every noise level, as
# a diffusion network must. Below it runs in *deepinv's* DPIR with *deepinv's* physics of blur.
# Total variation in its accelerated gradient method, which needs no network, stands beside it.

# %%
physics = deepinv.physics.BlurFFT(
    (3, SIDE, SIDE),
    filter=kernels.motion(15, 20)[None, None],
    noise_model=deepinv.physics.GaussianNoise(0.02, rng=torch.Generator().manual_seed(0)),
)
y = physics(cup)
denoiser = Denoiser(Restorer().prior)
noisy = cup + 0.1 * Seeds(0).normal_like(cup)
with torch.no_grad(), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    denoised = denoiser(noisy, 0.1)
    variation = deepinv.optim.optim_builder(
        "FISTA",
        prior=deepinv.optim.TVPrior(n_it_max=20),
        data_fidelity=deepinv.optim.L2(),
        max_iter=40,
        params_algo={"stepsize": 1.0, "lambda": 0.005, "a": 3},
    )(y, physics)
    theirs = deepinv.optim.DPIR(sigma=0.02, denoiser=denoiser)(y, physics)
scores = {
    name: psnr(picture, cup).item()
    for name, picture in (
        ("noise", noisy),
        ("denoised", denoised),
        ("TV", variation),
        ("DPIR", theirs),
    )
}
assert scores["denoised"] > scores["noise"] + 5 and scores["DPIR"] > before

# %% [markdown]
# ## A restorer as deepinv's reconstructor
#
# And the other way about: `Reconstructor` makes a solver of this project a network of deepinv's
# kind, which is called with a measurement and *their* physics. Every linear physics works; its
# noise model tells the noise. `Physics` alone makes it an operator of ours.

# %%
reconstructor = Reconstructor(Restorer(), steps=STEPS)
with torch.no_grad():
    ours = reconstructor(y, physics)
scores["ours"] = psnr(ours, cup).item()
operator = Physics(physics, (3, SIDE, SIDE))
assert torch.allclose(operator.adjoint(y), physics.A_adjoint(y))
assert scores["ours"] > scores["TV"]
pictures(
    [
        (f"noise, {scores['noise']:.1f} dB", noisy),
        (f"our denoiser, {scores['denoised']:.1f} dB", denoised),
        (f"total variation, {scores['TV']:.1f} dB", variation),
        (f"their DPIR, {scores['DPIR']:.1f} dB", theirs),
        (f"our default, {scores['ours']:.1f} dB", ours),
    ],
    "Left, the denoiser at work on noise of 0.1. Then the blurred photo (deepinv's blur wraps "
    "around the frame): restored by total variation (forty iterations, not tuned), by deepinv's "
    "DPIR with the denoiser in it, and by the default solver through the reconstructor.",
    zoom=(SIDE // 4, SIDE // 2, SIDE // 3),
)

# %% [markdown]
# Which is better is beside the point here, as each has settings of its own; `photomend bench peers`
# compares them with care. The point is that prior, solver and operator can each be exchanged.
