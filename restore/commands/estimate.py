"""estimate: the noise and the blur of photos, from the photos alone."""

import json
import sys
from typing import Any

from restore.commands.failure import Failure, overall, understood
from restore.commands.files import gather, read_source


def run(names: list[str], recursive: bool, as_json: bool) -> int:
    """Tell noise and blur of every photo that the names stand for; the exit code."""
    failures: list[Failure] = []
    found = gather(names, ".estimated", recursive=recursive)
    for each in found:
        try:
            told = estimated(each.source)
        except Exception as error:
            failures.append(failure := understood(error))
            named = failure.message.startswith(each.source)
            lead = "" if named else f"{each.source}: "
            sys.stderr.write(f"error: {lead}{failure.message}\n")
            continue
        line = json.dumps(told) if as_json else _line(told)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return overall(failures, len(found) - len(failures))


def estimated(source: str) -> dict[str, Any]:
    """Noise and blur of a photo, JSON-able: sigma and gain on [0, 1], the kernel's family."""
    from operators.noise import PoissonGaussian
    from restore.blind import NotBlurred, Unknowable, estimate_kernel
    from restore.images import read
    from restore.noise_level import estimate_noise, estimate_sigma
    from restore.preparation import at_least

    photo = read(read_source(source))
    pixels = at_least(16, photo.pixels)
    noise = estimate_noise(pixels)
    gain = noise.gain if isinstance(noise, PoissonGaussian) else None
    told: dict[str, Any] = {
        "input": source,
        "size": [photo.pixels.shape[3], photo.pixels.shape[2]],
        "noise": {
            "sigma": float(estimate_sigma(pixels)),
            "gain": gain,
            "read_sigma": None if gain is None else getattr(noise, "sigma", None),
        },
    }
    try:
        blur = estimate_kernel(photo.pixels)
    except (NotBlurred, Unknowable) as error:
        return {**told, "blur": None, "why": " ".join(str(error).split())}
    size = list(blur.kernel.shape)
    parameters, confidence = dict(blur.parameters), blur.confidence
    named = {"family": blur.family, "parameters": parameters, "confidence": confidence}
    return {**told, "blur": {**named, "kernel_size": size}}


def _line(told: dict[str, Any]) -> str:
    noise, blur = told["noise"], told["blur"]
    said = f"noise {noise['sigma']:.4f} ({255 * noise['sigma']:.1f}/255)"
    if noise["gain"] is not None:
        said += f", shot noise of gain {noise['gain']:.4f} and sigma {noise['read_sigma']:.4f}"
    if blur is None:
        return f"{told['input']}: {said}; {told['why']}"
    numbers = ", ".join(f"{name} {value:.3g}" for name, value in blur["parameters"].items())
    named = f"{blur['family']} blur {numbers}".rstrip()
    return f"{told['input']}: {said}; {named}, confidence {blur['confidence']:.2f}"
