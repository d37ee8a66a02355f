# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # 4. Inpaint: fill what is missing
#
# A scratch, a caption across the sky, dead pixels: parts of the photo are lost, all others are
# right. The operator is a *mask*. One rule holds everywhere: white in the mask, or True, is what to
# fill, and every other pixel of the result keeps its exact value.

# %%
import numpy as np
import torch
from figures import pictures
from IPython.display import Markdown
from PIL import Image, ImageDraw, ImageFont
from scipy.interpolate import griddata
from skimage import data
from torch import Tensor

import restore
from operators import box_mask, brush_mask, random_mask
from restore.images import read
from restore.metrics import psnr

# %% tags=["parameters"]
SIDE = 256
SAMPLES = 3
STEPS = 25

# %% [markdown]
# ## A print that suffered
#
# Scratches, and letters across the picture.

# %%
rocket = read(data.rocket()).pixels[:, :, 40 : 40 + SIDE, 180 : 180 + SIDE]
page = Image.new("L", (SIDE, SIDE))
font = ImageFont.load_default(size=SIDE // 8)
ImageDraw.Draw(page).text((SIDE // 12, SIDE // 2), "DO NOT BEND", fill=255, font=font)
letters = read(page).pixels[:, :1] > 0.5
damaged = letters | brush_mask(SIDE, SIDE, strokes=9, thickness=4, seed=1)
result = restore.inpaint(rocket.masked_fill(damaged, 1), damaged, steps=STEPS)
assert torch.equal(result.pixels[~damaged.expand_as(rocket)], rocket[~damaged.expand_as(rocket)])
score = psnr(result.pixels, rocket).item()
pictures(
    [
        ("as given", rocket.masked_fill(damaged, 1)),
        (f"filled, {score:.1f} dB", result.pixels),
        ("as it was", rocket),
    ],
    f"A rocket before launch, {damaged.float().mean():.0%} of it lost. Gaps as thin as these are "
    "bridged so well that the seams are hard to find; outside them not one value has changed.",
    zoom=(SIDE * 3 // 8, SIDE * 7 // 16, SIDE // 4),
)

# %% [markdown]
# ## Four fifths lost
#
# Now every pixel survives with a probability of one in five, at random. Cubic interpolation between
# the survivors, the classical answer, draws smooth surfaces through them. The prior knows that
# edges go on, and that they are sharp. The survivors keep their exact values.

# %%
coffee = read(data.coffee()).pixels[:, :, 60 : 60 + SIDE, 170 : 170 + SIDE]
lost = random_mask(SIDE, SIDE, 0.8, seed=0)


def interpolated(picture: Tensor, unknown: Tensor) -> Tensor:
    """Cubic between the known pixels, on their Delaunay triangles; the nearest at the border."""
    places = np.argwhere(~unknown[0, 0].numpy())
    values = picture[0].permute(1, 2, 0).numpy()[tuple(places.T)]
    grid = tuple(np.mgrid[:SIDE, :SIDE])
    cubic, nearest = (griddata(places, values, grid, method=m) for m in ("cubic", "nearest"))
    filled = torch.tensor(np.where(np.isnan(cubic), nearest, cubic))
    return filled.permute(2, 0, 1)[None].float().clamp(0, 1)


classical = interpolated(coffee, lost)
filled = restore.inpaint(coffee.masked_fill(lost, 0), lost, steps=STEPS)
scores = psnr(classical, coffee).item(), psnr(filled.pixels, coffee).item()
assert scores[1] > scores[0]
pictures(
    [
        ("one pixel in five", coffee.masked_fill(lost, 0)),
        (f"cubic, {scores[0]:.1f} dB", classical),
        (f"photomend, {scores[1]:.1f} dB", filled.pixels),
        ("as it was", coffee),
    ],
    "From a fifth of the pixels. Interpolation frays the rim of the cup and the spoon; the prior "
    "keeps both as lines.",
    zoom=(SIDE // 2, SIDE // 2, SIDE // 4),
)

# %% [markdown]
# ## A large hole
#
# Where much is missing the photo says little, and the prior has to speak alone. The one that is
# shipped is small and was trained for hours on a processor: it knows edges and textures, and no
# objects. It continues what enters the hole, and does not invent what may have been inside. Several
# draws show it: they agree near the rim, and differ, or are dull, in the middle.

# %%
cat = read(data.chelsea()).pixels[:, :, 20 : 20 + SIDE, 100 : 100 + SIDE]
hole = box_mask(SIDE, SIDE, SIDE * 5 // 16, SIDE * 5 // 16, SIDE // 3, SIDE // 12)
drawn = restore.inpaint(cat.masked_fill(hole, 1), hole, samples=SAMPLES, steps=STEPS)
pictures(
    [("as given", cat.masked_fill(hole, 1))]
    + [(f"draw {k + 1}", draw) for k, draw in enumerate(drawn.samples[:2])]
    + [("where draws differ", drawn.std.mean(1)[0])],
    "An eye is missing. The draws continue fur and shading into the hole, and none draws an eye: "
    "this prior has never learned what a cat is. The map, bright where the draws differ, is dark "
    "outside the hole, where the photo decides.",
)

# %% [markdown]
# Whoever wants an eye there needs a prior that knows cats: `--prior` takes any unconditional
# diffusion model in the layout of diffusers (notebook 9), and `photomend train` makes one from a
# folder of photos. What the report says of this hole:

# %%
share = drawn.undetermined[0, 0]
Markdown(
    f"Undetermined detail: **{share[hole[0, 0]].mean():.0%}** inside the hole, "
    f"**{share[~hole[0, 0]].mean():.0%}** outside."
)
