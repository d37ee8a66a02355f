"""Stage 2: a time-conditional UNet2DModel on latents.

    z_t = alpha z + sigma eps        loss = w(sigma / alpha) |f_theta(z_t, t) - target|^2

Targets: eps (Ho et al. 2020, arXiv:2006.11239), z, v = alpha eps - sigma z (Salimans and Ho 2022,
arXiv:2202.00512), all under the cosine schedule (Nichol and Dhariwal 2021, arXiv:2102.09672), and
eps - z under alpha = 1 - t, sigma = t (flow matching: Lipman et al. 2023, arXiv:2210.02747). Noise
ratios sigma / alpha are drawn log-normal where restoration lives (after Karras et al. 2022,
arXiv:2206.00364), some of the times evenly.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from priors.parameterization import PARAMETERIZATIONS
from priors.schedule import Level, Schedule, from_config
from priors.training.loop import Objective, generator
from priors.training.options import DiffusionTraining
from priors.training.photos import TrainingDataError
from priors.training.warm_start import GROUPS

TIMES = 1000
WEIGHTINGS: dict[str, Callable[[Tensor], Tensor]] = {
    # Hang et al. 2023, arXiv:2303.09556
    "min-snr": lambda ratio: ratio.pow(-2).clamp(max=5),
    # in the spirit of what EDM2 learns (Karras et al. 2024, arXiv:2312.02696): one over the error
    # of the embedded prior, which follows this curve within a fifth from r = 0.05 to 8
    "relative": lambda ratio: (ratio.pow(-1.2) + 0.14).clamp(max=100),
}
"""Weights of the squared error of x_0 by r = sigma / alpha."""
BASE_CROP = 64
"""Side in pixels of the crops that `middle` is meant for; larger crops see more noise."""


def scheduler(target: str) -> Any:
    """The diffusers scheduler that the weights belong to; its config travels with them."""
    import diffusers

    if target == "flow_prediction":
        # diffusers' latent pipeline cannot drive its flow-matching scheduler; this one it can
        return diffusers.DPMSolverMultistepScheduler(
            num_train_timesteps=TIMES, use_flow_sigmas=True, prediction_type=target
        )
    return diffusers.DDIMScheduler(
        num_train_timesteps=TIMES,
        beta_schedule="squaredcos_cap_v2",
        prediction_type=target,
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
    )


def schedule(target: str) -> Schedule:
    """The noise levels of the scheduler, as everything else in this project sees them."""
    made = scheduler(target)
    return from_config({**made.config, "_class_name": type(made).__name__})


def network(channels: int, options: DiffusionTraining, sample_size: int = 64) -> Any:
    """A fully convolutional UNet2DModel on `channels` latent channels."""
    from diffusers import UNet2DModel

    width = options.width
    down, up = ["DownBlock2D"] * len(width), ["UpBlock2D"] * len(width)
    if options.attention:
        down[-1], up[0] = "AttnDownBlock2D", "AttnUpBlock2D"
    return UNet2DModel(
        sample_size=sample_size,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=options.layers,
        block_out_channels=width,
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        norm_num_groups=GROUPS,
        time_embedding_dim=options.time_width,
        add_attention=options.attention,
        attention_head_dim=32,
    )


class NoiseLevels:
    """The training distribution of times, and alpha and sigma of each."""

    def __init__(self, schedule: Schedule, middle: float, spread: float, uniform: float) -> None:
        levels = [schedule.at((k + 1) / TIMES) for k in range(TIMES)]
        self.levels = levels
        self.time = torch.tensor([level.time for level in levels])
        self.alpha = torch.tensor([level.alpha for level in levels])
        self.sigma = torch.tensor([level.sigma for level in levels])
        log_ratio = torch.tensor([math.log(min(level.ratio, 1e6)) for level in levels]).double()
        density = torch.exp(-0.5 * ((log_ratio - math.log(middle)) / spread) ** 2)
        # density in log ratio, spent on times that are unevenly spaced in it
        density = density * torch.gradient(log_ratio)[0]
        self.weights = (1 - uniform) * density / density.sum() + uniform / TIMES

    def draw(self, batch: int, draw: torch.Generator) -> Tensor:
        """Places (batch,) in the table of levels."""
        return torch.multinomial(self.weights, batch, replacement=True, generator=draw)


class Denoising(Objective):
    """The loss of stage 2 on crops whose sides are drawn from a mixture."""

    def __init__(
        self,
        network: nn.Module,
        latents: Callable[[int, int, torch.Generator], Tensor],
        options: DiffusionTraining,
        factor: int,
    ) -> None:
        """latents(batch, side, generator): scaled latents of crops of so many pixels a side."""
        super().__init__()
        self.network, self._latents, self._options = network, latents, options
        # in a tuple, so that its weights are not counted twice
        run = torch.compile(network, dynamic=False) if options.compile else network
        self._run: tuple[Any] = (run,)
        self._sides, self._shares = zip(*sorted(options.crops.items()), strict=True)
        deepest = factor * 2 ** (len(options.width) - 1)
        wrong = [side for side in self._sides if side % deepest]
        if wrong:
            raise TrainingDataError(f"crops: {wrong[0]} is no multiple of {deepest} pixels")
        plan, o = schedule(options.target), options
        self._levels = [
            NoiseLevels(plan, o.middle * side / BASE_CROP, o.spread, o.uniform)
            for side in self._sides
        ]

    def forward(self, step: int, part: int, parts: int) -> tuple[Tensor, int]:
        """As Objective.forward; a step has options.batch crops of 64 pixels, or as many pixels."""
        shares = torch.tensor(self._shares, dtype=torch.float64)
        # all parts of a step have the same side, so that no process waits for another
        common = generator(self._options.seed, step)
        which = int(torch.multinomial(shares, 1, generator=common))
        side, levels = self._sides[which], self._levels[which]
        pixels = self._options.batch * min(BASE_CROP / side, 1.0) ** 2
        batch, own = max(1, round(pixels / parts)), generator(self._options.seed, step, part)
        latents = self._latents(batch, side, own)
        return loss(self._run[0], latents, levels, self._options, own), batch


def loss(
    model: Any,
    latents: Tensor,
    levels: NoiseLevels,
    options: DiffusionTraining,
    draw: torch.Generator,
) -> Tensor:
    """Mean loss over scaled latents (B, C, h, w); all that is random comes from `draw`."""
    places = levels.draw(len(latents), draw)
    noise = normal_like(latents, draw)
    alpha, sigma = (v[places].view(-1, 1, 1, 1).to(latents) for v in (levels.alpha, levels.sigma))
    noisy = alpha * latents + sigma * noise
    output = model(noisy, levels.time[places].to(latents.device)).sample.float()
    targets = {
        "epsilon": lambda: noise,
        "sample": lambda: latents,
        "v_prediction": lambda: alpha * noise - sigma * latents,
        "flow_prediction": lambda: noise - latents,
    }
    error: Tensor = output - targets[options.target]()
    if options.weighting == "none":
        return error.square().mean()
    # of the error of x_0: the output's times sigma (v, flow), sigma / alpha (epsilon) or one
    gain = {"epsilon": sigma / alpha.clamp(min=1e-3), "sample": torch.ones_like(sigma)}
    weight = WEIGHTINGS[options.weighting](sigma / alpha.clamp(min=1e-3))
    return torch.mean(weight * gain.get(options.target, sigma).square() * error.square())


def normal_like(x: Tensor, draw: torch.Generator) -> Tensor:
    """White noise shaped as x, drawn on its device from a seed that `draw` gives."""
    if x.device.type == "cpu":
        return torch.randn(x.shape, generator=draw)
    seed = int(torch.randint(2**62, (), generator=draw))
    local = torch.Generator(x.device).manual_seed(seed)
    return torch.randn(x.shape, generator=local, device=x.device)


@torch.no_grad()
def denoising_error(
    model: Any, latents: Tensor, target: str, ratios: Sequence[float], batch: int = 16
) -> dict[str, float]:
    """Mean squared error of x_0 per noise ratio sigma / alpha, in units of scaled latents."""
    plan = schedule(target)
    errors = {}
    for ratio in ratios:
        draw, level = torch.Generator().manual_seed(0), plan.at_ratio(ratio)
        total = 0.0
        for z in latents.split(batch):
            noise = torch.randn(z.shape, generator=draw).to(z)
            noisy = level.alpha * z + level.sigma * noise
            x0 = predicted(model, noisy, level, target)
            total += float((x0 - z).square().mean()) * len(z)
        errors[f"x0_{ratio:g}"] = total / len(latents)
    return errors


def predicted(model: Any, noisy: Tensor, level: Level, target: str) -> Tensor:
    """E[z_0 | z_t] of a network in training."""
    time = torch.full((len(noisy),), level.time, device=noisy.device)
    return PARAMETERIZATIONS[target](noisy, model(noisy, time).sample.float(), level)
