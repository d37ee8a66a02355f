"""`photomend bench camera`: what the camera's own chain is worth in deblurring.

Photos are taken by `operators.exposure`: light is blurred, noise is added to what is coded, then it
is clipped, rounded to 8 bits and, of some, compressed by libjpeg. In "lights" the brightest pixels
are made lights, several times brighter than white; the original is then what is clipped of it. Each
photo is restored by the default solver with models that know more and more of this. Then the
originals are compressed, and nothing else, by libjpeg with several qualities, or rounded to few
levels, and restored.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators import kernels
from operators.base import Operator
from operators.blur import Blur
from operators.exposure import Camera, Exposure
from operators.jpeg import Jpeg
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from operators.tone import Gamma, Quantize
from restore.bench import protocol
from restore.bench.files import encoded, levels, middle
from restore.bench.reports import Report, shown, written
from restore.bench.run import lpips_distance
from restore.images import read
from restore.metrics import psnr
from restore.observed import fitted, hidden_noise
from restore.restorer import Restorer

SHARE, POWER = 0.03, 4.0
"""Of the pixels become lights; what exceeds white is made so many times as much."""
QUALITY = 75
ALONE: dict[str, Jpeg | Quantize] = {
    **{f"quality {quality}": Jpeg(quality) for quality in (10, 20, 40, 75, 90)},
    **{f"{bits} bits": Quantize(bits) for bits in (2, 3, 4, 5)},
}
"""What happens to photos that are not blurred."""
KERNELS = {"motion": lambda: kernels.motion(17, 30), "disk": lambda: kernels.disk(4)}
DAMAGE = {"lights": (True, False), "jpeg": (False, True), "both": (True, True)}
"""Are there lights, is it compressed?"""
MODELS: dict[str, Camera | None] = {
    "values": None,
    "light": Camera(clip=False),
    "and saturation": Camera(),
    "JPEG alone": Camera(curve=False, clip=False, jpeg=Jpeg(QUALITY)),
    "the whole": Camera(jpeg=Jpeg(QUALITY)),
}


class Shot(NamedTuple):
    """A photo y, what it was taken of in the same window, x (1, 3, H, W), the blur, and all that
    was before the camera, wider and not clipped.
    """

    y: Tensor
    x: Tensor
    blur: Blur
    scene: Tensor


def main(
    folder: Path | None = None,
    *,
    limit: int | None = 2,
    sigma: float = 0.01,
    seed: int = 0,
    lpips_weights: Path | None = None,
    output: Path = Path("out/bench-camera"),
    report: Report,
) -> dict[str, Any]:
    """Measure deblurring with and without the camera's chain, and restoring what was compressed.

    folder: of photos or of the standard sets, by default what PHOTOMEND_DATA names. limit: photos a
    set. sigma: of the noise, on [0, 1]. lpips_weights: a file, by default downloaded or left out.

    Writes report.json and report.md into output, tells report a line a photo, and gives what
    report.json holds. BenchError where there is no photo.
    """
    folder = protocol.default_folder() if folder is None else folder
    lpips, restorer = lpips_distance(lpips_weights, report), Restorer()
    rows: list[dict[str, Any]] = []
    for group, index, path in protocol.find_pictures(folder, limit):
        x = protocol.load_picture(group, index, path).pixels
        for blurred in KERNELS:
            for damage in DAMAGE:
                shot = taken(x, blurred, damage, sigma, Seeds(3000 + index + 100_000 * seed))
                case = {"name": f"{group} {path.stem}", "blur": blurred, "damage": damage}
                rows.append({**case, "models": measured(shot, damage, sigma, restorer, lpips)})
                report(_line(rows[-1]))
        for damage, operator in ALONE.items():
            case = {"name": f"{group} {path.stem}", "damage": damage}
            rows.append({**case, "models": undone(x, operator, restorer, lpips)})
            report(_line(rows[-1]))
    summary = {
        "settings": {"limit": limit, "sigma": sigma, "seed": seed, "quality": QUALITY},
        "damage": {damage: summarised(rows, damage) for damage in (*DAMAGE, *ALONE)},
        "photos": rows,
    }
    return written(summary, markdown(summary), output, report)


def _line(row: dict[str, Any]) -> str:
    """What is told of a photo: the case, and the decibels of every model."""
    case = {name: value for name, value in row.items() if name != "models"}
    decibels = {name: one["psnr"] for name, one in row["models"].items() if "psnr" in one}
    return ", ".join(f"{k} {shown(v, 3)}" for k, v in {**case, **decibels}.items())


def taken(x: Tensor, blurred: str, damage: str, sigma: float, seeds: Seeds) -> Shot:
    """Take a photo of a picture (1, 3, H, W) by a blur and a damage; of 8 bits."""
    lights, damaged = DAMAGE[damage]
    scene, blur = lit(x) if lights else x, Blur(KERNELS[blurred](), "valid")
    # Bits and saturation come after the noise.
    camera = Exposure(blur, Camera(clip=False, bits=16))
    y = simulate(camera, Gaussian(sigma), scene, seeds).y.clamp(0, 1)
    y = _developed(y, QUALITY if damaged else None)
    return Shot(y, middle(scene, *y.shape[2:]).clamp(0, 1), blur, scene)


def lit(x: Tensor) -> Tensor:
    """The picture with its brightest pixels as lights; they exceed 1."""
    light = Gamma().inverse(x)
    light = light / torch.quantile(light.amax(1).flatten(), 1 - SHARE)
    return Gamma()(torch.where(light > 1, 1 + POWER * (light - 1), light))


def measured(
    shot: Shot,
    damage: str,
    sigma: float,
    restorer: Restorer,
    lpips: Callable[[Tensor, Tensor], Tensor] | None,
) -> dict[str, dict[str, Any]]:
    """Restore a photo by each model that fits the damage; figures of each.

    psnr in dB, lpips, chi_square of the certificate, share of coefficients inside the bins of a
    JPEG, seconds; "as given" is the photo itself, "the original" what it was taken of.
    """
    found = {"as given": _quality(shot.y, shot.x, lpips)}
    if DAMAGE[damage][1]:
        whole = Exposure(shot.blur, Camera(jpeg=Jpeg(QUALITY)))
        true = whole.told(Measurement(shot.y, whole, Gaussian(sigma)), shot.scene)
        found["the original"] = {"inside bins": true["camera"]["jpeg"]["inside_bins"][0]}
    for name, camera in MODELS.items():
        if camera is not None and camera.jpeg is not None and not DAMAGE[damage][1]:
            continue
        operator: Operator = shot.blur if camera is None else Exposure(shot.blur, camera)
        result = restorer(shot.y, operator, noise=sigma)
        told = result.report.get("camera", {}).get("jpeg")
        found[name] = {
            **_quality(middle(result.pixels, *shot.y.shape[2:]), shot.x, lpips),
            "chi_square": result.report["certificate"]["chi_square"][0],
            "inside bins": told["inside_bins"][0] if told else None,
            "seconds": result.report["seconds"],
        }
    return found


def undone(
    x: Tensor,
    damage: Jpeg | Quantize,
    restorer: Restorer,
    lpips: Callable[[Tensor, Tensor], Tensor] | None,
) -> dict[str, dict[str, Any]]:
    """Restore a picture that was compressed or rounded, and nothing else; figures as `measured`."""
    quality = damage.quality if isinstance(damage, Jpeg) else None
    y = _developed(
        x if isinstance(damage, Jpeg) else damage(x), quality if isinstance(quality, int) else None
    )
    operator = fitted(damage, restorer.solver)
    result = restorer(y, operator, noise=hidden_noise(operator, y))
    told = result.report["camera"]["jpeg"]
    return {
        "as given": _quality(y, x, lpips),
        "restored": {
            **_quality(result.pixels, x, lpips),
            "chi_square": result.report["certificate"]["chi_square"][0],
            "inside bins": told["inside_bins"][0] if told else None,
            "seconds": result.report["seconds"],
        },
    }


def summarised(rows: list[dict[str, Any]], damage: str) -> dict[str, dict[str, float | None]]:
    """The mean figures of every model."""
    own = [row["models"] for row in rows if row["damage"] == damage]

    def mean(model: str, figure: str) -> float | None:
        values = [models[model].get(figure) for models in own]
        return None if None in values else sum(values) / len(values)

    return {model: {figure: mean(model, figure) for figure in FIGURES} for model in own[0]}


FIGURES = ("psnr", "lpips", "chi_square", "inside bins", "seconds")
LEGEND = """\
Motion of 17 pixels and a disk of radius 4, blurred in linear light, noise {sigma}, 8 bits. lights:
3 % of the pixels are brighter than white; jpeg: compressed with quality {quality}, 4:2:0. values:
blur of the coded values, as if there were no camera; light: blur of linear light; and saturation:
white values are censored; JPEG alone: blur of the coded values, errors in its coefficients.
inside bins: share of the coefficients of the picture, photographed again, that lie in those of the
file, to three deviations of the noise. quality, bits: sharp photos without noise, compressed, or
rounded to so many bits, only.
"""


def markdown(summary: dict[str, Any]) -> str:
    """The report as a table, a row a damage and model."""
    heads = ["damage", "model", *FIGURES]
    lines = [f"| {' | '.join(heads)} |", "|---|---" + "|---:" * len(FIGURES) + "|"]
    for damage, models in summary["damage"].items():
        for model, row in models.items():
            lines.append(
                f"| {damage} | {model} | {' | '.join(shown(cell, 3) for cell in row.values())} |"
            )
    legend = LEGEND.format(**summary["settings"])
    return "\n".join(["# The camera's chain", "", legend, *lines]) + "\n"


def _quality(
    pixels: Tensor, x: Tensor, lpips: Callable[[Tensor, Tensor], Tensor] | None
) -> dict[str, Any]:
    distance = None if lpips is None else lpips(pixels, x).item()
    return {"psnr": psnr(pixels, x).item(), "lpips": distance}


def _developed(y: Tensor, quality: int | None) -> Tensor:
    """Of 8 bits; compressed as a JPEG of a quality, and decompressed."""
    return read(encoded(levels(y), quality)).pixels
