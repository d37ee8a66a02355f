"""`photomend bench noise`: how near the estimated noise of a photo is to that which was added.

White Gaussian noise on whole photos, in floating point and after clipping and rounding to 8 bits,
whose own noise of 0.29/255 then counts. A photo's own grain cannot be told from noise and does not
count, though the estimate has to tell both. Shot noise: variance = gain x + sigma^2.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from operators.noise import Gaussian, PoissonGaussian
from operators.seeds import Seeds
from restore.bench import protocol
from restore.bench.reports import Report, shown, written
from restore.images import read
from restore.noise_level import ROUNDING, estimate_noise, estimate_sigma

LEVELS = (1, 2, 5, 10, 20)
"""Standard deviations that are added, in 1/255."""
SHOT = ((0.0, 5.0), (0.002, 1.0), (0.005, 2.0), (0.02, 2.0))
"""Gain, and sigma in 1/255; without gain none may be found."""
NEAR = 0.1


def main(
    folder: Path | None = None,
    *,
    limit: int | None = 20,
    seed: int = 0,
    output: Path = Path("out/bench-noise"),
    report: Report,
) -> dict[str, Any]:
    """Measure the estimation of noise.

    folder: of photos or of the standard sets, by default what PHOTOMEND_DATA names. limit: photos a
    set. seed: of the noise.

    Writes report.json and report.md into output, tells report a line a level, and gives what
    report.json holds. BenchError where there is no photo.
    """
    folder = protocol.default_folder() if folder is None else folder
    photos = [(i, read(path).pixels) for _, i, path in protocol.find_pictures(folder, limit)]
    own = [float(estimate_sigma(x)) for _, x in photos]
    rows = []
    for level in LEVELS:
        for bits in (None, 8):
            ratios = [ratio(x, level / 255, bits, Seeds(1000 * seed + i)) for i, x in photos]
            grain = [math.hypot(1, one / (level / 255)) for one in own]
            rows.append({"sigma": level, "bits": bits or 32, **shares(ratios)})
            explained = [r / g for r, g in zip(ratios, grain, strict=True)]
            rows[-1]["near with grain"] = shares(explained)["near"]
            report(", ".join(f"{name} {shown(value, 3)}" for name, value in rows[-1].items()))
    summary = {
        "settings": {"limit": limit, "seed": seed, "photos": len(photos)},
        "gaussian": rows,
        "shot": [shot(photos, gain, sigma / 255, seed) for gain, sigma in SHOT],
    }
    return written(summary, markdown(summary), output, report)


def ratio(x: Tensor, sigma: float, bits: int | None, seeds: Seeds) -> float:
    """Estimated over true noise of a photo (1, 3, H, W) with noise added."""
    y = Gaussian(sigma).sample(x, seeds)
    true = sigma if bits is None else math.hypot(sigma, ROUNDING)
    return float(estimate_sigma(y if bits is None else rounded(y))) / true


def rounded(y: Tensor) -> Tensor:
    """Clipped and rounded to 8 bits."""
    return (y.clamp(0, 1) * 255).round() / 255


def shares(ratios: Sequence[float]) -> dict[str, float]:
    """Share of ratios within `NEAR` of one, their mean, and that farthest from one."""
    worst = max(ratios, key=lambda one: abs(math.log(one)))
    near = sum(abs(one - 1) <= NEAR for one in ratios) / len(ratios)
    return {"near": near, "mean": sum(ratios) / len(ratios), "worst": worst}


def shot(
    photos: Sequence[tuple[int, Tensor]], gain: float, sigma: float, seed: int
) -> dict[str, Any]:
    """How often a gain is found in photos with shot noise, in 8 bits, and how near it is."""
    noise = PoissonGaussian(gain, sigma) if gain else Gaussian(sigma)
    found = [estimate_noise(rounded(noise.sample(x, Seeds(1000 * seed + i)))) for i, x in photos]
    gains = [one.gain for one in found if isinstance(one, PoissonGaussian)]
    row: dict[str, Any] = {"gain": gain, "sigma": 255 * sigma, "found": len(gains) / len(found)}
    if gain and gains:
        ratios = sorted(one / gain for one in gains)
        row |= {
            "median": ratios[len(ratios) // 2],
            "within a third": sum(abs(math.log(one)) < math.log(4 / 3) for one in ratios)
            / len(found),
        }
    return row


LEGEND = """\
{photos} photos. sigma in 1/255; near: share of estimates within 10 %; with grain: the same where
what is estimated without added noise counts as noise of the photo. gain: share of photos with
shot noise, 8 bits, in which a gain is found, and how near it is.
"""


def markdown(summary: dict[str, Any]) -> str:
    """The report as two tables."""
    heads = ("sigma", "bits", "near", "mean", "worst", "near with grain")
    shot_heads = ("gain", "sigma", "found", "median", "within a third")
    lines = ["# Noise", "", LEGEND.format(**summary["settings"])]
    for names, rows in ((heads, summary["gaussian"]), (shot_heads, summary["shot"])):
        lines += [f"| {' | '.join(names)} |", "|" + "---:|" * len(names)]
        lines += [f"| {' | '.join(shown(row.get(name), 3) for name in names)} |" for row in rows]
        lines.append("")
    return "\n".join(lines)
