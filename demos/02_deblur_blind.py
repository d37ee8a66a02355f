# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # 2. Deblur blind: which blur was it?
#
# Notebook 1 knew how the camera had moved. Hardly anybody does. Here both the picture and the
# kernel are unknown, and the photo alone has to tell: *blind* deblurring.

# %%
from figures import ACCENT, PALE, chart, pictures, show
from IPython.display import Markdown
from skimage import data
from torch.nn.functional import pad

import restore
from operators import Blur, Gaussian, Seeds, kernels, simulate
from restore.blind import NotBlurred, correlation, estimate_kernel
from restore.images import read
from restore.metrics import psnr

# %% tags=["parameters"]
WHOLE = True  # the whole clock; False: a part of it, in less time
SIDE = 256  # pixels, of the pictures with a known blur
STEPS = 25
SHARP = ["chelsea", "astronaut", "coffee"]

# %% [markdown]
# ## A photo that was really blurred
#
# This clock comes with scikit-image. The camera moved while it was taken; no sharp original exists
# and nobody wrote the kernel down. One call estimates the blur and undoes it. `camera="srgb"` says
# that light was blurred before it was coded as pixel values, as happens in every real camera.

# %%
clock = data.clock() if WHOLE else data.clock()[60:220, 120:280]
found = restore.deblur(clock, camera="srgb", steps=STEPS)
as_given = read(clock).pixels
height, width = as_given.shape[2:]
pictures(
    [("as given", as_given), ("restored", found.pixels)],
    "The clock, as it was taken and restored, and the framed piece of both. The rim is round, the "
    "dial has its black ring, and the hands can be read: nothing but the photo itself was used. "
    "Faint ripples remain on the wall, where the kernel's zeros left nothing to restore from.",
    zoom=(height // 3, width // 3, width // 3),
)

# %% [markdown]
# The kernel is the path of the camera during the exposure, drawn into one picture: the longer it
# dwelt at a place, the brighter. Several *families* compete, straight motion, a lens out of focus,
# a Gaussian, and a free kernel of any shape at several sizes. The judge is the power spectrum:
# photos have, on average, a spectrum that falls smoothly with frequency, and a blur multiplies it
# by its own transfer function, whose zeros it cannot hide. The *evidence* of a candidate is how
# much more probable it makes the observed spectrum than no blur does, in nats.

# %%
blur = found.report["blur"]
assert found.kernel is not None
ranked = sorted(blur["evidence"].items(), key=lambda item: item[1])
figure, (left, right) = chart(1, 2, height=2.9, width_ratios=[1, 2])
left.imshow(found.kernel.numpy(), cmap="magma")
left.set_axis_off()
left.set_title(f"the kernel, {found.kernel.shape[1]} x {found.kernel.shape[0]} pixels")
colours = [ACCENT if place == len(ranked) - 1 else PALE for place in range(len(ranked))]
right.barh([name for name, _ in ranked], [value for _, value in ranked], color=colours)
right.set_xlabel("evidence above no blur, in nats")
right.grid(axis="y", visible=False)
values = ", ".join(f"{name} {value:.1f}" for name, value in blur["parameters"].items())
show(
    figure,
    f"Left, the kernel that was found ({blur['family']}{': ' + values if values else ''}; "
    f"confidence {blur['confidence']:.2f}). Right, the candidates: the red one has the most "
    "evidence, and is taken.",
)

# %% [markdown]
# ## How good is such an estimate?
#
# Where the blur is known, it can be compared. Three kernels, of which the first two belong to a
# family and the last is the random walk of a shaking hand, blur three photographs, with noise of
# 1 %. From then on they are forgotten.

# %%
BLURS = {
    "straight motion": (kernels.motion(13, 40), data.chelsea()[20:, 96:]),
    "out of focus": (kernels.disk(4), data.coffee()[40:, 150:]),
    "shaking hand": (kernels.random_walk(25, 0.35, 2), data.astronaut()[:, 90:]),
}
shown, scores = [], {}
for name, (kernel, array) in BLURS.items():
    margin = len(kernel) // 2
    scene = read(array).pixels[:, :, : SIDE + 2 * margin, : SIDE + 2 * margin]
    truth = scene[:, :, margin:-margin, margin:-margin]
    y = simulate(Blur(kernel, "valid"), Gaussian(0.01), scene, Seeds(0)).y.clamp(0, 1)
    result = restore.deblur(y, steps=STEPS)
    assert result.kernel is not None
    before, after = psnr(y, truth).item(), psnr(result.pixels, truth).item()
    scores[name] = correlation(result.kernel, kernel)
    for title, one in ((name, kernel), (f"found, correlation {scores[name]:.2f}", result.kernel)):
        border = [(31 - side) // 2 for side in reversed(one.shape) for _ in range(2)]
        shown.append((title, pad(one, border)))
    shown += [(f"photo, {before:.1f} dB", y), (f"restored, {after:.1f} dB", result.pixels)]
assert min(scores.values()) > 0.8, scores
pictures(
    shown,
    "A row for each blur: the true kernel, the one found, the photo, and the picture restored "
    "with the kernel that was found. Those of the families are found almost exactly; the free "
    "kernel has the right path with some dust around it, which costs the picture some of its "
    "sharpness.",
    columns=4,
)

# %% [markdown]
# ## When not to believe it
#
# A blind method that always answers is dangerous: given a sharp photo it should say that there is
# nothing to undo. Every estimate has a `confidence`, by how far independent estimates agree and how
# clear the evidence is, and below a threshold of evidence the photo is refused with the reason.
# Three sharp photos:

# %%
answers = []
for name in SHARP:
    try:
        blind = estimate_kernel(read(getattr(data, name)()).pixels)
        answers.append(f"- {name}: a {blind.family} kernel, confidence {blind.confidence:.2f}")
    except NotBlurred as refusal:
        answers.append(f"- {name}: refused, \u201c{refusal}\u201d")
assert "refused" in answers[0]
Markdown("\n".join(answers))

# %% [markdown]
# The first two are refused. The last, a still life most of which lies out of the lens's focus, is
# the hardest of the three. Where a kernel is claimed for such a photo, the confidence is far below
# that of the clock: so look at that number, and at the picture. A kernel that you know is always
# better than one that was guessed:
#
#     photomend estimate photo.jpg
#     photomend deblur photo.jpg --kernel motion:13,40
