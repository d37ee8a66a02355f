# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # How sure is a restoration?
#
# Many pictures agree with a small one. Several draws show what all of them have in common, and
# where each has its own.

# %%
from skimage import data

from operators import Downsample, Gaussian, Seeds, simulate
from restore import upscale
from restore.images import read
from restore.metrics import psnr

photo = read(data.chelsea()).pixels[:, :, 60:156, 100:196]
small = simulate(Downsample(3), Gaussian(0.02), photo, Seeds(0)).y
drawn = upscale(small.clamp(0, 1), 3, noise=0.02, samples=4, device="cpu")
mean, one = psnr(drawn.pixels, photo).item(), psnr(drawn.samples[0], photo).item()
f"{mean:.1f} dB the mean, {one:.1f} dB a draw"

# %% [markdown]
# Two pictures between which the original lies, nine times of ten. The factor that makes it so was
# measured on other photographs (`photomend bench interval`).

# %%
low, high = drawn.interval(0.9)
inside = ((low <= photo) & (photo <= high)).float().mean().item()
assert 0.8 < inside <= 1, inside
f"{inside:.0%} of the values lie within; half of the width is {(high - low).mean().item() / 2:.3f}"

# %% [markdown]
# The share of each pixel's detail that is not the photo's but the prior's: high in fur, low along
# the strong edges.

# %%
share = drawn.undetermined
assert drawn.report["uncertainty"]["undetermined"] == [round(share.mean().item(), 4)]
f"{share.mean():.0%} of the detail on average, {share.quantile(0.05):.0%} where it is least"

# %% [markdown]
# Between the safest picture and the most probable detail lies a choice, and it is the user's.

# %%
choices = {
    fidelity: upscale(small.clamp(0, 1), 3, noise=0.02, fidelity=fidelity, device="cpu").pixels
    for fidelity in (1.0, 0.6, 0.0)
}
assert psnr(choices[1.0], photo).item() > psnr(choices[0.0], photo).item()
{fidelity: f"{psnr(picture, photo).item():.1f} dB" for fidelity, picture in choices.items()}
