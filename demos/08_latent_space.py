# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # 8. The latent space
#
# The shipped prior does not look at pixels. An *autoencoder* first makes a smaller picture with
# more channels of each photo, the *latent*, and the network knows what latents look like. This
# notebook looks inside: what is in a latent, what is gained and lost by it, how a photo becomes
# noise and a noise a photo, and what the prior finds probable.

# %%
from pathlib import Path

import torch
from figures import ACCENT, PALE, chart, draw, pictures, show
from PIL import Image, ImageDraw
from skimage import data

import priors
from operators import Blur, Seeds, kernels
from priors.training import patches
from restore import Restorer
from restore.images import read
from restore.metrics import psnr
from restore.solvers.sdedit import edit

# %% tags=["parameters"]
SIDE = 192
SMALL = 96  # pixels, for likelihoods, which need gradients
STEPS = 20

# %% [markdown]
# ## Sixteen small pictures
#
# Each patch of four by four pixels, 48 numbers, becomes 16. The encoder is a principal component
# analysis of patches, an orthonormal rotation of which the most energetic directions are kept, so
# white noise in the picture is white noise in the latent. The decoder is a network that learned
# what the discarded directions probably were.

# %%
cat = read(data.chelsea()).pixels[:, :, 36 : 36 + SIDE, 100 : 100 + SIDE]
cup = read(data.coffee()).pixels[:, :, 60 : 60 + SIDE, 190 : 190 + SIDE]
prior = Restorer().prior
with torch.no_grad():
    latent = prior.encode(cat)
    again = prior.decode(latent)
figure, grid = chart(2, 8, height=2.4)
for number, axis in enumerate(grid.flat):
    channel = latent[0, number]
    reach = channel.abs().quantile(0.98)
    draw(axis, (0.5 + channel / (2 * reach))[None, None], f"{number + 1}")
energy = latent[0].square().flatten(1).mean(1)
show(
    figure,
    f"The sixteen channels of a cat, {latent.shape[-1]} by {latent.shape[-2]}, each with a "
    f"contrast of its own. The first is brightness and holds {energy[0] / energy.sum():.0%} of "
    "the energy; then come colours, and edges of every direction, finer and finer.",
    photo=True,
)

# %%
ceiling = psnr(again, cat).item()
assert ceiling > 30
pictures(
    [
        ("photo", cat),
        (f"encoded, decoded: {ceiling:.1f} dB", again),
        ("error, x 10", 0.5 + 10 * (again - cat)),
    ],
    "There and back. A third of the numbers is enough; what is lost is shown ten times enlarged, "
    "and is the finest of the fur. But for a last projection onto the photo, no restoration "
    "through this latent can be better than that, and so every result says what its ceiling is.",
)

# %% [markdown]
# ## How much to compress: f = 1, 2, 4, 8
#
# The network's work falls with the number of places in the latent: a factor f on each side leaves
# one of $f^2$. What does it cost? We learn such linear autoencoders here and now, from three other
# photos, for f = 1, 2, 4 and 8, keep more or fewer components of each, and look at the cat.


# %%
def shares(factor: int) -> list[tuple[float, float]]:
    """(values kept for each of the picture, PSNR in dB) of codes of f x f patches."""
    found = []
    for channels in sorted({max(1, round(share * 3 * factor**2)) for share in KEPT}):
        found.append((channels / (3 * factor**2), psnr(linear_code(factor, channels), cat).item()))
    return found


def linear_code(factor: int, channels: int) -> torch.Tensor:
    """The cat, by so many components of its patches."""
    basis = BASES[factor][:, :channels]
    features = patches.unshuffle(2 * cat - 1, factor)
    kept = torch.einsum("pc,bchw->bphw", basis, patches.project(basis, features))
    while kept.shape[1] > 3:
        kept = torch.nn.functional.pixel_shuffle(kept, 2)
    return kept / 2 + 0.5


KEPT = (1 / 48, 1 / 24, 1 / 12, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 5 / 6)
others = [
    read(getattr(data, name)()).pixels[:, :, :384, :384]
    for name in ("astronaut", "coffee", "rocket")
]
learned = 2 * torch.cat(others) - 1
BASES = {factor: patches.patch_basis(learned, factor) for factor in (1, 2, 4, 8)}
third = {factor: linear_code(factor, factor**2) for factor in BASES}
scores = {factor: psnr(picture, cat).item() for factor, picture in third.items()}
assert scores[8] > scores[4] > scores[2] > scores[1]
pictures(
    [(f"f = {factor}, {scores[factor]:.1f} dB", third[factor]) for factor in BASES],
    "The same third of the numbers in each. At f = 1 a third of a pixel is its brightness: colour "
    "is gone. With larger patches neighbours share, and the same numbers say more and more.",
)

# %% [markdown]
# So larger patches lose less. Why then not f = 8, or 16? Because the network has to learn what the
# latents look like, and the more a channel holds, the harder that is. The repository has the
# measured table: autoencoder and network trained for two minutes each, for several latents
# (`photomend bench latent`). We read it.

# %%
report = Path("bench-latent.md").read_text(encoding="utf-8")
rows = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in report.splitlines()
    if line.startswith(("| none-", "| kl-"))
]
measured = {row[0]: [float(cell.split("/")[0]) for cell in row[2:6]] for row in rows}
figure, (left, right) = chart(1, 2, height=3.0)
for factor in BASES:
    left.plot(*zip(*shares(factor), strict=True), "o-", ms=3, label=f"f = {factor}")
left.set(
    xlabel="values kept for each of the picture", ylabel="PSNR, dB", title="linear codes, the cat"
)
left.set_ylim(top=50)
left.legend(loc="lower right")
names = sorted(measured, key=lambda name: sum(measured[name][1:]))
means = [sum(measured[name][1:]) / 3 for name in names]
best = means.index(max(means))
colours = [ACCENT if place == best else PALE for place in range(len(names))]
right.barh(names, means, color=colours)
for place, name in enumerate(names):
    right.text(
        means[place] - 0.05, place, f"ceiling {measured[name][0]:.1f}", ha="right", va="center"
    )
right.set(xlim=(min(means) - 1, max(means) + 0.3), xlabel="PSNR of restorations, dB")
right.set_title("after two minutes a stage")
right.grid(axis="y", visible=False)
show(
    figure,
    "Left, reconstruction against the numbers kept. Right, from the table: the mean PSNR of "
    "three restorations, and the ceiling, by names that tell regularisation, f and channels. "
    f"{names[best]} restores best on that budget. none-f2c12 keeps everything, with a ceiling of "
    f"{measured['none-f2c12'][0]:.0f} dB, and is "
    f"{max(means) - means[names.index('none-f2c12')]:.1f} dB worse: what the autoencoder does not "
    "do is left to the network.",
)

# %% [markdown]
# ## Picture to noise, and back
#
# A diffusion prior defines an ordinary differential equation which carries every photo to a noise
# of its own, and every noise to a picture (Song et al., ICLR 2021). There and back it should change
# nothing.

# %%
with torch.no_grad():
    noises = [priors.encode_noise(prior, picture, STEPS) for picture in (cat, cup)]
    back = priors.sample(prior, noises[0], STEPS)
faithful = psnr(back, again).item()
assert faithful > 25
half = (noises[0] + noises[1]) / 2**0.5
with torch.no_grad():
    between = priors.sample(prior, half, STEPS)
    dreamt = priors.sample(prior, Seeds(0).normal_like(half), STEPS)
seen = 0.5 + noises[0][:, :3] / 6
pictures(
    [
        ("photo", cat),
        ("its noise", seen),
        (f"and back, {faithful:.1f} dB", back),
        ("half cat, half cup", between),
        ("from fresh noise", dreamt),
    ],
    f"The noise of the cat (three of its channels; mean {noises[0].mean():.2f}, standard "
    f"deviation {noises[0].std():.2f}) is, by these two numbers, no different from fresh noise, "
    "and to the eye hardly so; yet it is the whole cat. Half way between the noises of the cat "
    "and of the cup lies a picture, not a double exposure. The last one is of fresh noise: the "
    "shipped prior knows light, edges and textures, and no objects.",
)

# %% [markdown]
# ## SDEdit: from a sketch towards a photo
#
# Lay noise over any picture, and let the prior take it away again (Meng et al., ICLR 2022): what
# the noise hid is painted anew, in the way of photographs, and what it left is kept. The amount of
# noise says how far the sketch is believed.

# %%
page = Image.new("RGB", (SIDE, SIDE), (120, 165, 210))
pen = ImageDraw.Draw(page)
unit = SIDE // 16
pen.ellipse((11 * unit, 2 * unit, 14 * unit, 5 * unit), fill=(250, 235, 170))
pen.polygon([(0, 9 * unit), (5 * unit, 4 * unit), (11 * unit, 10 * unit)], fill=(105, 105, 120))
pen.polygon([(6 * unit, 10 * unit), (12 * unit, 6 * unit), (SIDE, 10 * unit)], fill=(85, 90, 105))
pen.rectangle((0, 10 * unit, SIDE, SIDE), fill=(80, 110, 60))
sketch = read(page).pixels
strengths = (0.1, 0.3, 0.8)
edited = []
for strength in strengths:
    *_, state = edit(sketch, prior, Seeds(1), steps=2 * STEPS, start_sigma=strength)
    edited.append((f"noise {strength:g}", prior.decode(state.x0).detach()))
pictures(
    [("a sketch", sketch), *edited],
    "A landscape of flat colours, under more and more noise. A little only softens the outlines; "
    "with more, sky and meadow get shading, and the hills haze; at last the sketch is no more "
    "than a suggestion, and a painting its answer.",
)

# %% [markdown]
# ## What the prior finds probable
#
# Along the same equation the probability density of a picture can be computed, here in bits for
# each value of the latent: few bits, probable. One would like the sharp photo to win.

# %%
photo = read(data.chelsea()).pixels[:, :, 90 : 90 + SMALL, 110 : 110 + SMALL]
changes = [("photo", photo)]
for width in (0.7, 1.5, 3.0):
    changes.append((f"blur {width:g}", Blur(kernels.gaussian(width), "reflect")(photo)))
for size in (0.03, 0.1):
    changes.append((f"noise {size:g}", photo + size * Seeds(0).normal_like(photo)))
bits = {
    name: priors.picture_bits(prior, picture, Seeds(0), steps=STEPS // 2).item()
    for name, picture in changes
}
assert bits["blur 3"] < bits["photo"] < bits["noise 0.1"]
pictures(
    [(f"{name}: {bits[name]:.1f} bits", picture) for name, picture in changes],
    "The more it is blurred, the fewer bits; the noisier, the more. (A density may exceed one, "
    "and then its bits are negative.) Smooth pictures are the most probable, one by one, and yet "
    "photos are not smooth: there are vastly more pictures with texture, each of them improbable.",
    columns=6,
)

# %% [markdown]
# That is why restoring is not *maximising* probability. The prior alone would choose the blur. A
# solver asks for what is typical of the prior *and* agrees with the measurement, and blurring the
# answer again would not give the photo.
