# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # 3. Super-resolve, and how sure it is
#
# Enlarge a photo four times, and fifteen of every sixteen pixels have to come from somewhere. The
# small photo still says a great deal about them: shrunk again, the large picture must give back the
# small one. But many large pictures do. Which of their details are the photo's, and which are made
# up? Draw several pictures from among those that agree with the photo, and look where they differ.

# %%
import torch
from figures import ACCENT, PALE, SECOND, chart, pictures, show
from IPython.display import Markdown
from skimage import data

from operators import Downsample, Gaussian, Seeds, simulate
from restore import upscale
from restore.images import read
from restore.metrics import psnr

# %% tags=["parameters"]
SIDE = 192  # pixels, of the large picture
SAMPLES = 8
STEPS = 20

# %% [markdown]
# ## A small photo
#
# Eileen Collins, a pilot of the Space Shuttle, photographed by NASA; made four times smaller, with
# noise of 1 %. We draw eight pictures, each by its own seed. The result is their mean.

# %%
truth = read(data.astronaut()).pixels[:, :, 8 : 8 + SIDE, 128 : 128 + SIDE]
small = simulate(Downsample(4), Gaussian(0.01), truth, Seeds(0)).y.clamp(0, 1)
result = upscale(small, 4, noise=0.01, samples=SAMPLES, steps=STEPS, device="cpu")
bicubic = torch.nn.functional.interpolate(small, scale_factor=4, mode="bicubic").clamp(0, 1)
plain, mean = psnr(bicubic, truth).item(), psnr(result.pixels, truth).item()
one = psnr(result.samples[0], truth).item()
assert mean > plain and mean > one
pictures(
    [
        ("the small photo", small),
        (f"bicubic, {plain:.1f} dB", bicubic),
        (f"mean of {SAMPLES} draws, {mean:.1f} dB", result.pixels),
        ("as it was", truth),
    ],
    "The same face, from the small photo to the original. Bicubic interpolation knows nothing of "
    f"faces or edges. The mean of the draws is sharper, and {mean - one:.1f} dB better than a "
    "single draw: averaging removes what each of them made up.",
    zoom=(SIDE * 3 // 8, SIDE * 5 // 16, SIDE * 3 // 8),
)

# %% [markdown]
# ## Several answers
#
# Every draw explains the small photo equally well. Here are some of them, side by side with what
# they do not have in common. The *spread* is the standard deviation of the draws. The
# *undetermined* share puts it in relation: of the detail at a place, how much is the prior's and
# not the photo's?

# %%
top, left, side = SIDE * 3 // 8, SIDE * 5 // 16, SIDE * 3 // 8
window = (..., slice(top, top + side), slice(left, left + side))
spread, share = result.std.mean(1)[0], result.undetermined[0, 0]
pictures(
    [(f"draw {k + 1}", draw[window]) for k, draw in enumerate(result.samples[:3])]
    + [
        ("as it was", truth[window]),
        (f"spread, at most {spread.max():.2f}", spread),
        (f"undetermined, at most {share.max():.0%}", share),
    ],
    "Three draws of the face, and the truth: they agree on where eyes, nose and mouth are, and "
    "each has eyes and teeth of its own. The maps show the whole picture. The spread is largest "
    "at eyes and mouth. The outlines of head and collar are the photo's (dark), the grain of the "
    "wall and the strands of hair the prior's (bright).",
    columns=3,
)

# %% [markdown]
# ## Between which values does the truth lie?
#
# `interval(0.9)` gives two pictures between which the original should lie nine times of ten. The
# spread of so few draws of so small a prior is too narrow, so it is widened by a factor, which was
# measured on other photographs (`photomend bench interval`), as in conformal prediction. What is
# promised is a share of all pixels, not of each.

# %%
low, high = result.interval(0.9)
inside = ((low <= truth) & (truth <= high)).float().mean().item()
assert 0.7 < inside <= 1, inside
row = SIDE * 12 // 25
figure, (wide, narrow) = chart(1, 2, height=2.9, width_ratios=[3, 2])
columns = range(SIDE)
floor, ceiling, guess, real = (p[0, 1, row].numpy() for p in (low, high, bicubic, truth))
wide.fill_between(columns, floor, ceiling, color=SECOND, alpha=0.25, lw=0, label="interval of 0.9")
wide.plot(columns, guess, color=PALE, lw=1.2, label="bicubic")
wide.plot(columns, real, color=ACCENT, lw=1.3, label="truth")
wide.set(
    xlabel="column",
    ylabel="green",
    xlim=(0, SIDE - 1),
    ylim=(-0.05, 1.1),
    title=f"row {row}, through the eyes",
)
wide.legend(loc="upper center", ncols=3)
half = (high - low)[0].flatten() / 2
error = (result.pixels - truth)[0].flatten().abs()
parts = zip(half.sort().values.chunk(10), error[half.argsort()].chunk(10), strict=True)
said, made = zip(*((h.mean().item(), e.quantile(0.9).item()) for h, e in parts), strict=True)
narrow.plot([0, max(said)], [0, max(said)], color=PALE, lw=1.2, label="perfect")
narrow.plot(said, made, "o", color=ACCENT, ms=4, label="tenths of all values")
narrow.set(xlabel="half of the interval's width", ylabel="error, its 90 % quantile")
narrow.set_title("is it unsure where it is wrong?")
narrow.legend(loc="upper left")
worst = max(e / h for h, e in zip(said, made, strict=True))
show(
    figure,
    "Left, one row of pixels: the band widens where the picture is busy, and the truth leaves it "
    f"now and then; over all pixels {inside:.0%} of the values lie inside. Right, all values "
    "sorted by the width of their interval, in ten groups: nine tenths of the errors of a group "
    "are below its point. Points rise, so the width does tell where the errors are. Those below "
    f"the line are too careful, those above it too bold: there the error is up to {worst:.1f} "
    "times what was said.",
)

# %% [markdown]
# A single number each, for a report that travels with the picture:

# %%
unsure = result.report["uncertainty"]
Markdown(
    f"Half of the width of the interval of 0.9 is **{unsure['interval_90'][0]:.3f}** on average; "
    f"**{unsure['undetermined'][0]:.0%}** of the detail is undetermined."
)

# %% [markdown]
# If a licence plate or a face is at stake, look at this before the picture. On the command line
# `photomend upscale small.png --samples 8` writes the draws, the spread and the undetermined share,
# in orange, beside the result.
