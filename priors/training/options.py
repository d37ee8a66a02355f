"""The one declaration of every option of training: name, type, range, default, help.

`photomend train` draws its command line from these models; Python callers make them by name.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _numbers(value: object) -> object:
    """Read "64,96" as the numbers that it lists."""
    return value.split(",") if isinstance(value, str) else value


def _pairs(value: object) -> object:
    """Read "64=0.6,256=0.4" as a mapping; a bare number has the weight 1."""
    if not isinstance(value, str):
        return value
    pairs = [item.partition("=") for item in value.split(",")]
    return {name: weight or 1 for name, _, weight in pairs}


Numbers = Annotated[tuple[int, ...], BeforeValidator(_numbers), Field(min_length=1)]
Mixture = Annotated[
    dict[Annotated[int, Field(ge=8)], Annotated[float, Field(gt=0)]],
    BeforeValidator(_pairs),
    Field(min_length=1),
]
Precision = Literal["bf16", "fp32"]


class Training(BaseModel):
    """What both stages take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minutes: float | None = Field(
        None,
        gt=0,
        description="Budget of all runs together. Default: none; give minutes or steps.",
    )
    clock: Literal["wall", "processor"] = Field(
        "wall",
        description="What the minutes are of: wall, or processor, the time that this process "
        "computes on the CPU, which a shared machine does not change.",
    )
    steps: int | None = Field(
        None, gt=0, description="Steps of all runs together; only these resume bit for bit."
    )
    batch: int = Field(64, ge=1, description="Crops a step, over all processes.")
    accumulate: int = Field(1, ge=1, description="Parts in which a step is computed.")
    rate: float = Field(3e-3, gt=0, le=1, description="Peak learning rate.")
    warm_up: int = Field(100, ge=0, description="Steps of linear warm-up.")
    decay: float = Field(0.35, gt=0, le=1, description="Share of the budget in which it falls.")
    average: float = Field(0.999, ge=0, lt=1, description="Decay of the averaged weights a step.")
    precision: Precision = Field("bf16", description="bf16 or fp32, of the networks' products.")
    compile: bool = Field(False, description="Use torch.compile; the first steps take minutes.")
    threads: int = Field(1, ge=1, description="CPU threads of each process.")
    seed: int = Field(0, ge=0, description="Of weights, crops and noise.")
    sources: str | None = Field(
        None, description="TOML file: a table a sub-folder with weight, licence and title."
    )
    licence: str | None = Field(None, description="Licence of the weights, for the model card.")
    every: float = Field(5, gt=0, description="Minutes between checkpoints and validations.")


class AutoencoderTraining(Training):
    """Train stage 1 on a folder of photos: an autoencoder with a near-isometric latent space."""

    factor: Literal[1, 2, 4, 8] = Field(4, description="Compression of each side: 1, 2, 4 or 8.")
    channels: int = Field(16, ge=1, le=256, description="Latent channels.")
    regularization: Literal["none", "kl", "vq"] = Field(
        "none",
        description="none: AutoencoderDC, its encoder the PCA of patches; kl: AutoencoderKL; "
        "vq: VQModel, both with an encoder that starts as that PCA.",
    )
    width: Numbers = Field(
        (64, 128),
        description="Decoder channels, finest level first; the last is used for deeper levels.",
    )
    layers: int = Field(2, ge=0, description="Residual blocks a level.")
    crop: int = Field(64, ge=16, multiple_of=8, description="Side of the crops in pixels.")
    batch: int = Field(16, ge=1, description="Crops a step, over all processes.")
    rate: float = Field(5e-4, gt=0, le=1, description="Peak learning rate.")
    isometry: float = Field(0.05, ge=0, description="Weight of (|D(z + d) - D(z)| / |d| - 1)^2.")
    robustness: float = Field(
        0.0, ge=0, description="Noise on the latents that the decoder learns from, picture units."
    )
    lpips: float = Field(0.0, ge=0, description="Weight of LPIPS in the loss.")
    kl: float = Field(1e-6, ge=0, description="Weight of the KL term.")
    codes: int = Field(4096, ge=2, description="Entries of the codebook.")


class DiffusionTraining(Training):
    """Train stage 2 on the latents of the autoencoder that lies in the output directory."""

    target: Literal["v_prediction", "epsilon", "sample", "flow_prediction"] = Field(
        "v_prediction", description="What the network predicts."
    )
    width: Numbers = Field((64, 96, 128), description="Channels of each level of the UNet.")
    time_width: int | None = Field(
        None, ge=8, description="Width of the embedded time. Default: four times the first level."
    )
    layers: int = Field(2, ge=1, description="Residual blocks a level.")
    attention: bool = Field(False, description="Self-attention at the coarsest level.")
    crops: Mixture = Field(
        {64: 1.0},
        description="Sides of the crops in pixels and their shares of the steps: 64=0.6,256=0.4. "
        "Steps of large crops take fewer of them, and more noise.",
    )
    middle: float = Field(
        0.25, gt=0, description="Median of sigma / alpha in training, for crops of 64 pixels."
    )
    spread: float = Field(1.3, gt=0, description="Standard deviation of its logarithm.")
    uniform: float = Field(0.1, ge=0, le=1, description="Share of times drawn evenly instead.")
    weighting: Literal["none", "min-snr", "relative"] = Field(
        "none",
        description="min-snr: weights min(1 / r^2, 5) on the error of x0, r = sigma / alpha; "
        "relative: about one over the error that a trained network makes, so that all noise "
        "levels count alike.",
    )
    cached: bool = Field(
        False,
        description="Encode every photo once; otherwise every crop anew, at any offset. Worth it "
        "when the autoencoder costs more than the network.",
    )
    init: str | None = Field(
        None, description='Start from the network of "embedded" or a directory where it fits.'
    )


def settings(options: Training) -> dict[str, Any]:
    """The options as plain values, for the log and the model card."""
    return options.model_dump(mode="json")
