# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # 5. What a solver does
#
# A diffusion prior is a denoiser. Given a picture with noise of any known size, it returns what the
# clean picture was *on average*, $\hat x_0 = E[x_0 \mid x_t]$. It has never heard of blur. A solver
# lets it restore all the same, by turns: the denoiser makes the picture more like a photograph, the
# operator makes it agree with the measurement, and the noise goes down. This notebook watches.

# %%
from figures import chart, pictures, show
from skimage import data

from operators import Blur, Gaussian, Seeds, kernels, simulate
from restore import Restorer
from restore.images import read
from restore.metrics import psnr

# %% tags=["parameters"]
SIDE = 160
SOLVERS = ["pnpdm", "pigdm", "daps", "diffpir", "tradeoff", "dpir"]
BUDGETS = [3, 5, 10, 20, 40]

# %% [markdown]
# ## One step, by hand
#
# A photo of a cup, from a camera that moved. The shipped prior is latent: its states are not
# pictures but `encode(picture)`, a quarter of the size with sixteen channels. `unit` says what
# noise in the state means in the picture.

# %%
truth = read(data.coffee()).pixels[:, :, 60 : 60 + SIDE, 190 : 190 + SIDE]
shake = Blur(kernels.motion(13, 60))
y = simulate(shake, Gaussian(0.02), truth, Seeds(0)).y

restorer = Restorer()
prior = restorer.prior
sigma = 0.1  # the noise of this step, on [0, 1]
level = prior.schedule.at_ratio(sigma / prior.unit)

noisy = prior.encode(y) + sigma / prior.unit * Seeds(1).normal_like(prior.encode(y))
clean = prior.decode(prior.denoise(level.alpha * noisy, level)).detach()
agreeing = shake.prox(clean, y, weight=(sigma / 0.02) ** 2)
pictures(
    [
        (f"photo, {psnr(y, truth).item():.1f} dB", y),
        ("noise added", prior.decode(noisy)),
        (f"denoised, {psnr(clean, truth).item():.1f} dB", clean),
        (f"prox, {psnr(agreeing, truth).item():.1f} dB", agreeing),
    ],
    "A single turn. Noise hides the fine structure of the blur; the denoiser replaces it by what "
    "is likely, here something smooth with clean edges; the prox moves that picture towards "
    "those whose blur would be the photo. It is sharper now, and grainy: the photo's own noise "
    "came back with the detail. That is the next turn's work.",
)

# %% [markdown]
# `prox` is the operator's part: the picture $z$ that minimises $\tfrac{w}{2} |A z - y|^2 + \tfrac12
# |z - x|^2$. Every linear operator has it, most in closed form.
#
# ## All steps
#
# Solvers are generators. `stream` gives their states one by one: `x`, where the solver is, and
# `x0`, what the network makes of it. Progress bars and previews are made of these, and whoever
# leaves the loop has cancelled. Here are both along the way of DiffPIR (Zhu et al., 2023), which
# begins in heavy noise.

# %%
job = Restorer(solver="diffpir").stream(y, shake, noise=0.02)
states = list(job)
kept = [states[round(share * (len(states) - 1))] for share in (0, 0.25, 0.5, 0.75, 0.95)]
titles = [f"step {state.step} of {state.steps}" for state in kept]
pictures(
    [(title, prior.decode(state.x)) for title, state in zip(titles, kept, strict=True)]
    + [
        (f"{psnr(prior.decode(state.x0), truth).item():.1f} dB", prior.decode(state.x0))
        for state in kept
    ],
    "Above the states x, below the estimates x0, which already agree with the photo. At first "
    "they are grainy, as the network can tell only large shapes from heavy noise, and the photo, "
    "its noise enlarged by undoing the blur, has to say the rest. As the noise falls, the prior "
    "decides finer and finer detail.",
    columns=len(kept),
)

# %% [markdown]
# ## What it costs
#
# All of the time goes into evaluations of the network, so solvers are compared by their number. For
# each we look at the picture it would give if it were stopped there.

# %%
paths = {}
for name in SOLVERS:
    job = Restorer(solver=name).stream(y, shake, noise=0.02)
    paths[name] = [(job.prior.evaluations, psnr(job.preview(), truth).item()) for _ in job]
ends = {}
for steps in BUDGETS:
    result = Restorer(solver="dpir")(y, shake, noise=0.02, steps=steps)
    ends[result.report["evaluations"]] = psnr(result.pixels, truth).item()
assert all(path[-1][1] > psnr(y, truth).item() for path in paths.values())

figure, (left, right) = chart(1, 2, height=3.2, width_ratios=[3, 2])
for name, path in paths.items():
    left.plot(*zip(*path, strict=True), label=name)
left.set(xlabel="evaluations of the network so far", ylabel="PSNR of the estimate, dB")
left.legend(ncols=2, loc="lower right")
right.plot(*zip(*sorted(ends.items()), strict=True), "o-", ms=4)
right.set(xlabel="evaluations in all", title="dpir, planned for fewer or more steps", xscale="log")
right.set_xticks(list(ends), list(ends))
right.minorticks_off()
most = max(ends.values())
enough = min(count for count, value in ends.items() if value > most - 0.2)
show(
    figure,
    "Left, the solvers on their way. dpir begins at a smooth estimate and is soon there; "
    "tradeoff is dpir at first, and then mixes in a draw, which costs a little here and buys "
    "texture; diffpir and daps begin in noise and gain steadily; pnpdm draws from the posterior "
    "and stays below: a draw is not meant to be near the mean. Right, the same dpir with its "
    f"noise levels planned for other numbers of steps: {enough} evaluations come within 0.2 dB of "
    "the best of these.",
)

# %% [markdown]
# Which to take? For the most faithful picture `dpir`; for texture too, the default, `tradeoff`; for
# error bars a sampler. How far each may be trusted is measured where the exact answer is known:
# `help(restore.solvers)` shows the table, and notebook 7 makes such a measurement.
