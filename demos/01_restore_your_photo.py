# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # 1. Restore your photo
#
# A photograph is blurred: the camera moved while the shutter was open. Every pixel of it is now a
# mean of pixels that lay along the path, and a little noise came on top. Written as an equation,
#
# $$ y = A(x) + \text{noise}, $$
#
# where $x$ is the photo that should have been, $y$ the one you have, and the *operator* $A$ what
# happened in between. Undoing this is an *inverse problem*, and $y$ alone does not solve it: many
# pictures $x$ agree with it. A *prior*, a network that knows what photographs look like, says which
# of them are likely; a *solver* brings both together. These four words are the whole vocabulary.

# %%
import tempfile
from pathlib import Path

from figures import pictures
from IPython.display import Markdown
from skimage import data
from torch import Tensor

import restore
from operators import Blur, Gaussian, Seeds, kernels, simulate
from restore.images import read, write
from restore.metrics import psnr

# %% tags=["parameters"]
SIDE = 256  # pixels, of the cat
STEPS = 25
YOURS = None  # the path of a blurred photo of yours, for the last cell

# %% [markdown]
# ## A photo that went wrong
#
# Chelsea the cat comes with scikit-image. We shake the camera by seventeen pixels, 30 degrees
# above the horizontal, add noise with a standard deviation of 1 % of the range, and write the
# result to a file, as a camera would.

# %%
folder = Path(tempfile.mkdtemp())
shake = kernels.motion(17, 30)
margin = len(shake) // 2  # what lies just outside the frame is smeared into it
whole = SIDE + 2 * margin
scene = read(data.chelsea()).pixels[:, :, 10 : 10 + whole, 96 : 96 + whole]
truth = scene[:, :, margin:-margin, margin:-margin]
taken = simulate(Blur(shake, "valid"), Gaussian(0.01), scene, Seeds(0)).y
write(read(taken.clamp(0, 1)), folder / "cat.png")

# %% [markdown]
# ## One call
#
# A path goes in, and the shake, which here we happen to know. (Notebook 2 does without.) The camera
# is told to be absent, as the blur was made from the pixel values themselves; for a file out of a
# real camera leave that word out, and light is blurred before it is coded.

# %%
photo = folder / "cat.png"
blurred = read(photo).pixels
known = {"noise": 0.01, "camera": "none", "steps": STEPS}
result = restore.deblur(photo, kernel="motion:17,30", **known)
before, after = psnr(blurred, truth).item(), psnr(result.pixels, truth).item()
assert after > before + 3, (before, after)
pictures(
    [
        (f"as given, {before:.1f} dB", blurred),
        (f"restored, {after:.1f} dB", result.pixels),
        ("as it was", truth),
    ],
    "Left the shaken photo, in the middle the restored one, right the original, which the solver "
    "never saw; below, the framed piece. Whiskers and the fur around the eye, smeared into bands, "
    "are hairs again. The number is the peak signal-to-noise ratio: 10 dB more is a tenth of the "
    "squared error.",
    zoom=(SIDE // 4, SIDE // 10, SIDE // 4),
)

# %% [markdown]
# ## May it be trusted?
#
# The restored picture can be put to a test that needs no original. Apply the operator to it, and
# compare with the photo: if the kernel and the noise are right, what is left over is noise of the
# expected size. Its mean square in units of that noise is called chi-square, and should be about
# one. Every result carries this *certificate*.

# %%
certificate = result.report["certificate"]
assert certificate["accepted"] == [True]
Markdown(
    f"chi-square: **{certificate['chi_square'][0]:.2f}**, accepted between "
    f"{certificate['band'][0]:.2f} and {certificate['band'][1]:.2f}. "
    f"Verdict: **{certificate['verdict'][0]}**."
)

# %% [markdown]
# What if the kernel is wrong? We take the shake for one in another direction. The solver does its
# best and returns a picture, as it must; but no picture that looks like a photo, shaken in *that*
# direction, gives the one we have. What is left over shows it, and chi-square says it.


# %%
def left_over(picture: Tensor, kernel: Tensor) -> Tensor:
    """What the picture does not explain of the photo, ten times enlarged, about grey."""
    again = Blur(kernel, "valid")(picture)
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    return 0.5 + 10 * (blurred[:, :, rows:-rows, columns:-columns] - again)


other = kernels.motion(17, 75)
wrong = restore.deblur(photo, kernel=other, **known)
assert wrong.report["certificate"]["accepted"] == [False]
pictures(
    [
        ("right kernel", result.pixels),
        ("left over", left_over(result.pixels, shake)),
        ("wrong kernel", wrong.pixels),
        ("left over", left_over(wrong.pixels, other)),
    ],
    "The right kernel leaves noise behind, without any structure. The wrong one leaves the eyes "
    "and stripes of what it cannot explain: chi-square is "
    f"{wrong.report['certificate']['chi_square'][0]:.1f}, and the verdict "
    f"\u201c{wrong.report['certificate']['verdict'][0]}\u201d.",
)

# %% [markdown]
# ## Safe or lively?
#
# Many pictures agree with the photo. Their mean has the least expected error, and is soft where
# they differ; a draw from among them looks real, but some of its detail is made up. `fidelity`
# leads from the one (1) to the other (0); 0.7 is the default. Which is right depends on what the
# picture is for, so the choice is yours.

# %%
choices = {
    fidelity: restore.deblur(photo, kernel="motion:17,30", fidelity=fidelity, **known).pixels
    for fidelity in (1.0, 0.7, 0.0)
}
scores = {fidelity: psnr(choice, truth).item() for fidelity, choice in choices.items()}
assert scores[1.0] > scores[0.0]
top, left, side = SIDE * 3 // 8, SIDE * 7 // 16, SIDE // 4
shown = [(f"fidelity {f:g}, {scores[f]:.1f} dB", choice) for f, choice in choices.items()]
shown.append(("as it was", truth))
pictures(
    [(title, p[:, :, top : top + side, left : left + side]) for title, p in shown],
    "A piece of fur between the eyes. On the left it is smooth, and pixel by pixel the safest bet; "
    "towards the right there is more grain, as there is in the original, and less certainty that "
    "each hair is where it was.",
)

# %% [markdown]
# ## Keep it
#
# Saving writes the picture with the depth, orientation and colour profile of the photo. The report
# (operator, seed, options, certificate) travels in the file, so that the result can be made again.
# The original is never touched. On the command line all of this is
#
#     photomend deblur cat.png --kernel motion:17,30 --noise 0.01 --camera none

# %%
saved = result.save(folder / "cat.deblurred.png")
report = {name: result.report[name] for name in ("solver", "operator", "seeds", "evaluations")}
report | {"written": saved.name}

# %% [markdown]
# ## Yours
#
# Put the path of a photo of yours into the second cell, and run this one. The blur need not be
# known: it is estimated, and notebook 2 tells how. A sharp photo is refused with the reason.

# %%
if YOURS is not None:
    mine = restore.deblur(YOURS)
    verdict = mine.report["certificate"]["verdict"][0]
    pictures([("as given", read(YOURS).pixels), ("restored", mine.pixels)], f"Yours: {verdict}.")
