# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # First steps: damage a photo, restore it, ask how sure the result is
#
# An inverse problem has four words. The *operator* is what happened to the photo, the *measurement*
# is what was observed, the *prior* knows what photos look like, and the *solver* brings them
# together: y = A(x) + noise, x is sought.

# %%
from skimage import data

from operators import Blur, Gaussian, Seeds, kernels, simulate
from restore import Restorer
from restore.images import read
from restore.metrics import psnr

photo = read(data.chelsea()).pixels[:, :, 60:188, 100:228]  # (1, 3, 128, 128) in [0, 1]

# %% [markdown]
# ## The measurement
#
# A straight camera shake of eleven pixels, and noise of 2 % of the range.

# %%
shake = Blur(kernels.motion(11, 30))
measurement = simulate(shake, Gaussian(0.02), photo, Seeds(0))

# %% [markdown]
# ## The restoration
#
# `Restorer` holds the shipped prior. The default solver alternates between denoising with the prior
# and a projection onto the data.

# %%
restorer = Restorer()
restored = restorer(measurement.y, shake, noise=0.02)
before, after = psnr(measurement.y, photo).item(), psnr(restored.pixels, photo).item()
assert after > before + 3, (before, after)
f"{before:.1f} dB before, {after:.1f} dB after, {restored.report['certificate']['verdict'][0]}"

# %% [markdown]
# ## The certificate
#
# What if the kernel is wrong? Here the shake is taken for one in the other direction. The picture
# that comes out cannot explain the photo, and the certificate says so.

# %%
wrong = restorer(measurement.y, Blur(kernels.motion(31, 120)), noise=0.02)
assert wrong.report["certificate"]["accepted"] == [False]
wrong.report["certificate"]

# %% [markdown]
# ## How sure?
#
# A sampler draws several pictures that agree with the photo. Where they differ, the photo does not
# decide: along the edges.

# %%
drawn = Restorer(solver="pnpdm")(measurement.y, shake, noise=0.02, samples=3, steps=10)
assert drawn.std is not None
f"spread: {drawn.std.mean():.4f} on average, {drawn.std.max():.3f} at most"
