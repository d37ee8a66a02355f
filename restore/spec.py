"""The one declaration of every option of every task: name, type, range, default, help.

The command line is drawn from these models and values are checked by them; the defaults of the
Python signatures are held equal to them by the tests. `Deblur.model_json_schema()` is the schema.
"""

import difflib
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from restore.declared import Declared, Guidance, Memory, Negative, Prompt, Sigma

Tile = Literal["auto"] | Annotated[int, Field(ge=0)]


PLACING = {"engine", "ray_address"}
"""Options that say where the work is done, and change nothing in what comes out."""
WRITTEN = {"gps"}
"""Options of the file that is written; the library has them where it writes."""
KERNELS = "gaussian:SIGMA, motion:LENGTH,DEGREES, disk:RADIUS, walk:SIZE,INTENSITY,SEED in pixels"


class Options(Declared):
    """What every task takes."""

    noise: Sigma | None = Field(
        None,
        description="Standard deviation of the noise, in [0, 1], or as 6.4/255. "
        "Default: estimated from the photo.",
    )
    seed: int = Field(0, ge=0, description="The same seed gives the same picture.")
    samples: int = Field(1, ge=1, description="How many pictures to draw; their mean is given.")
    polish: bool = Field(True, description="End with a projection onto what was observed.")
    prior: str = Field(
        "embedded", description='"embedded", a diffusers directory, or a hub id owner/model.'
    )
    prompt: Prompt = None
    negative: Negative = None
    guidance: Guidance = 1.0
    solver: str | None = Field(
        None,
        description="Algorithm: a name or module:function. Default: tradeoff; pnpdm for several "
        "samples.",
    )
    fidelity: float | None = Field(
        None,
        ge=0,
        le=1,
        description="From 1, the safest picture, to 0, the most probable detail. Default: 0.7.",
    )
    steps: int | None = Field(None, ge=1, description="Steps. Default: the solver's own.")
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$", description="auto, cpu, cuda, cuda:N, mps."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Precision of the networks: auto, float32, bfloat16, float16."
    )
    tile: Tile = Field(
        "auto", description="Side of the windows of a large picture in pixels, 0 for none."
    )
    max_memory: Memory | None = Field(
        None,
        description="Memory to stay within, as 6GB: windows shrink, what cannot fit is refused. "
        "Default: what is free.",
    )
    low_memory: bool = Field(
        False,
        description="For a large prior: keep on the card what is at work, compute gradients anew.",
    )
    offline: bool = Field(False, description="Never ask the network, not even for a hub prior.")
    gps: bool = Field(True, description="Keep where the photo was taken.")
    engine: Literal["local", "ray"] = Field(
        "local", description="local, or ray: a restorer on every device of a Ray cluster."
    )
    ray_address: str | None = Field(
        None,
        description="Cluster, as 10.0.0.1:6379, or auto for the one that runs here. Default: "
        "RAY_ADDRESS, else one is started here.",
    )


class Deblur(Options):
    """Remove a blur."""

    kernel: str | None = Field(
        None,
        description=f"{KERNELS}, or a file (.png .npy .npz .mat). Default: estimated.",
    )
    boundary: Literal["reflect", "replicate", "circular", "valid"] = Field(
        "valid",
        description="The world beyond the frame: valid supposes nothing (photos from a camera); "
        "reflect, replicate, circular suit simulated blur.",
    )
    camera: Literal["auto", "none", "srgb"] = Field(
        "auto",
        description="What was blurred: auto tries light, then clipped, coded and compressed as "
        "the file says, and coded values; srgb is light without JPEG; none values as they are.",
    )


class Upscale(Options):
    """Enlarge: find the picture that shrinks to this one."""

    factor: int = Field(4, ge=2, le=16, description="How many times larger.")
    filter: Literal["bicubic", "lanczos", "box"] = Field(
        "bicubic", description="How the small picture was made: bicubic, lanczos, box."
    )
    camera: Literal["auto", "none", "srgb"] = Field(
        "auto",
        description="What happened to it besides: auto is the compression of a JPEG; srgb: light "
        "was shrunk, then coded; none: values were.",
    )


class Inpaint(Options):
    """Fill what is white in a mask; every other pixel keeps its value."""

    mask: str = Field(
        description="Picture of the photo's size, white = unknown; or a folder with one a photo."
    )
    noise: Sigma | None = Field(
        None,
        description="Standard deviation of the noise, in [0, 1], or as 6.4/255: what is known is "
        "denoised too. Default: it keeps its exact value.",
    )


class Restore(Options):
    """Undo any known degradation."""

    operator: str = Field(
        description='A chain such as "downsample:4 @ gaussian:2" (the right one came first), '
        "jpeg for the artefacts of a JPEG, or module:name."
    )


class Degrade(Declared):
    """Make a test input: blur, shrink, mask, add noise, clip, compress, in this order."""

    kernel: str | None = Field(None, description=f"Blur: {KERNELS}, or a file.")
    boundary: Literal["reflect", "replicate", "circular", "valid"] = Field(
        "reflect", description="The world beyond the frame: reflect, replicate, circular, valid."
    )
    downsample: int | None = Field(None, ge=2, le=16, description="Shrink so many times (bicubic).")
    mask: str | None = Field(
        None,
        description="Lose pixels: box (half the sides, centred), box:PIXELS, "
        "random:FRACTION, or a picture, white = lost.",
    )
    noise: Sigma = Field(
        0.0, description="Standard deviation of white noise, in [0, 1], or as 6.4/255."
    )
    camera: Literal["none", "srgb"] = Field(
        "none",
        description="What is blurred: srgb is light, which is then coded and clipped; "
        "none the values as they are.",
    )
    jpeg: int | None = Field(None, ge=1, le=100, description="Compress at last; the quality.")
    seed: int = Field(0, ge=0, description="Of the noise and of a random mask.")


class Sample(Declared):
    """Draw pictures from the prior alone, or send a photo to its noise and back."""

    count: int = Field(1, ge=1, description="How many; their seeds follow one another.")
    size: int = Field(256, ge=1, description="Side in pixels; of a photo at most, of its middle.")
    steps: int = Field(25, ge=1, description="Steps; with --eta 0 of two evaluations each.")
    eta: float = Field(0.0, ge=0, le=1, description="0 is the ODE, 1 ancestral: use more steps.")
    seed: int = Field(0, ge=0, description="Of the first; the same seed gives the same picture.")
    prior: str = Field("embedded", description="As of the other commands.")
    prompt: Prompt = None
    negative: Negative = None
    guidance: Guidance = 1.0
    sheet: bool = Field(False, description="All samples on one contact sheet.")
    round_trip: str | None = Field(
        None, description="Photo: the PSNR after the way to noise and back, bits per dimension."
    )


TASKS: dict[str, type[Options]] = {
    "deblur": Deblur,
    "upscale": Upscale,
    "inpaint": Inpaint,
    "restore": Restore,
}

AnyOptions = TypeVar("AnyOptions", bound=BaseModel)


def checked(model: type[AnyOptions], given: dict[str, Any]) -> AnyOptions:
    """The options, converted and within their ranges; ValueError names the first that is wrong."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        if first["type"] == "missing":
            raise ValueError(f"{name}: is missing; {description(model, name)}") from None
        if first["type"] == "extra_forbidden":
            close = difflib.get_close_matches(name, model.model_fields, n=3)
            near = ", ".join(close or model.model_fields)
            raise ValueError(f"{name}: there is no such option; did you mean {near}?") from None
        if first["type"] == "value_error":
            raise ValueError(str(first["ctx"]["error"])) from None
        reason = first["msg"].replace("Input should", "it must")
        if first["type"] == "string_pattern_mismatch":
            reason = f"it must be one of {description(model, name)}"
        raise ValueError(f"{name}: got {given[name]!r}, {reason}") from None


def description(model: type[BaseModel], name: str) -> str:
    """The help of one option."""
    return model.model_fields[name].description or ""
