"""What `photomend bench prior` says of a prior: means a set, targets and what was measured."""

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, pstdev
from typing import Any

from restore.bench import ode
from restore.bench.quality import GREY_SIGMA, SIGMAS
from restore.bench.speed import DECODER, ENCODER, EVALUATION, PRODUCT

BF_CNN, DNCNN = "BF-CNN", "DnCNN"
TRIP = ("round_trip", "bits", "bits_blurred")
Row = dict[str, Any]
"""The figures of one picture, as `restore.bench.prior` measures them."""


def line(row: Row) -> str:
    """A picture in a line."""
    scored = [(f"{sigma}/255", row["denoising"][str(sigma)]) for sigma in SIGMAS]
    said = [f"{name} {_pair(each)}" for name, each in [*scored, ("grey", row["grey"])]]
    kept = row["reconstruction"]["psnr"]
    return f"{row['set']}/{row['image']}: autoencoder {kept:.2f} dB; denoised {', '.join(said)}"


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Means of every set (sets) and of all pictures (all); see `means`."""
    names = dict.fromkeys(row["set"] for row in rows)
    sets = {name: means([row for row in rows if row["set"] == name]) for name in names}
    return {"sets": sets, "all": means(rows)}


def means(rows: Sequence[Row]) -> dict[str, Any]:
    """Means over pictures: reconstruction (and the worst one), isometry, denoising, grey, ode.

    isometry holds, for steps of noise and towards another picture, the mean gain and spread, the
    standard deviation of the gains over their mean.
    """
    worst = min(rows, key=lambda row: row["reconstruction"]["psnr"])
    reconstruction = _average([row["reconstruction"] for row in rows])
    trips = [row["ode"] for row in rows if row.get("ode")]
    gains = {
        "noise": [gain for row in rows for gain in row["isometry"]["noise"]],
        "picture": [gain for row in rows if (gain := row["isometry"]["picture"]) is not None],
    }
    return {
        "images": len(rows),
        "reconstruction": {
            **reconstruction,
            "worst": {"image": worst["image"], **worst["reconstruction"]},
        },
        "isometry": {
            name: {"gain": fmean(each), "spread": pstdev(each) / fmean(each)} if each else None
            for name, each in gains.items()
        },
        "denoising": {
            str(sigma): _average([row["denoising"][str(sigma)] for row in rows]) for sigma in SIGMAS
        },
        "grey": _average([row["grey"] for row in rows]),
        "ode": {**_average(trips), "images": len(trips)} if trips else None,
    }


def verdict(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Targets and what was measured over all pictures: target, measured, met (None: not known)."""
    whole, parts = summary["all"], summary["cost"]
    kept, colour, grey = whole["reconstruction"], whole["denoising"]["25"], whole["grey"]
    spread = whole["isometry"]["noise"]["spread"]

    def behind(scores: dict[str, float], peer: str) -> float | None:
        return scores["prior"] - scores[peer] if peer in scores else None

    rows: list[tuple[str, float | None, str, Callable[[float], bool]]] = [
        ("reconstruction at least 38 dB", kept["psnr"], "{:.2f} dB", lambda v: v >= 38),
        ("reconstruction at most .02 LPIPS", kept["lpips"], "{:.4f}", lambda v: v <= 0.02),
        ("isometry within 10 %", 100 * spread, "{:.1f} %", lambda v: v <= 10),
        (
            f"denoising 25/255 within .3 dB of {BF_CNN}",
            behind(colour, BF_CNN),
            "{:+.3f} dB",
            lambda v: v >= -0.3,
        ),
        (
            f"denoising grey {GREY_SIGMA}/255 as {DNCNN}",
            behind(grey, DNCNN),
            "{:+.3f} dB",
            lambda v: v >= 0,
        ),
    ]
    for name in (EVALUATION, ENCODER, DECODER):
        time = 1000 * parts[name]["seconds"]
        rows.append((f"{name} at most 100 ms", time, "{:.0f} ms", lambda v: v <= 100))
    return [
        {
            "target": target,
            "measured": "-" if value is None else form.format(value),
            "met": None if value is None else met(value),
        }
        for target, value, form, met in rows
    ]


def markdown(summary: dict[str, Any]) -> str:
    """Write the report of `restore.bench.prior.main` as Markdown."""
    settings, groups = summary["settings"], {**summary["sets"], "all": summary["all"]}
    said = {None: "-", True: "yes", False: "no"}
    lines = [
        "# Prior",
        "",
        f"{settings['prior']} in {settings['dtype']} on {settings['device']}, "
        f"{settings['threads']} threads; {_size(settings)}central crops of {settings['size']} x "
        f"{settings['size']} pixels. Image i of a set has noise seed 3000 + i; noise is white, "
        "never clipped.",
        "",
        *_table(
            ["target", "measured", "met"],
            ([r["target"], r["measured"], said[r["met"]]] for r in summary["verdict"]),
        ),
    ]
    lines += ["", "## Autoencoder", "", *_autoencoder(groups)]
    lines += ["", "## Denoising by one evaluation, PSNR in dB", "", *_denoising(groups)]
    lines += ["", "## Probability-flow ODE", "", *_ode(groups)]
    lines += ["", "## Cost", "", *_cost(summary["cost"])]
    return "\n".join(lines) + "\n"


def _autoencoder(groups: dict[str, Any]) -> list[str]:
    head = ["set", "photos", "PSNR", "SSIM", "LPIPS", "worst PSNR", "gain", "spread"]
    head += ["gain to a picture", "spread to a picture"]
    rows = []
    for name, group in groups.items():
        kept, worst = group["reconstruction"], group["reconstruction"]["worst"]
        row = [name, str(group["images"]), f"{kept['psnr']:.2f}", f"{kept['ssim']:.4f}"]
        row += ["-" if kept["lpips"] is None else f"{kept['lpips']:.4f}"]
        row += [f"{worst['psnr']:.2f} ({worst['image']})"]
        for each in group["isometry"].values():
            row += (
                ["-", "-"]
                if each is None
                else [f"{each['gain']:.3f}", f"{100 * each['spread']:.1f} %"]
            )
        rows.append(row)
    text = (
        "Gain: |D(z + d) - D(z)| / |d| in the picture's unit, d white noise of 0.05 or a step of "
        "the same size towards another picture; spread: its standard deviation over its mean."
    )
    return [text, "", *_table(head, rows)]


def _denoising(groups: dict[str, Any]) -> list[str]:
    head = ["set", "noise", "noisy", "prior", BF_CNN, DNCNN]
    rows = []
    for name, group in groups.items():
        tested = [(f"{sigma}/255", group["denoising"][str(sigma)]) for sigma in SIGMAS]
        for noise, scores in [*tested, (f"grey {GREY_SIGMA}/255", group["grey"])]:
            figures = (scores.get(one) for one in head[2:])
            rows.append([name, noise, *("-" if f is None else f"{f:.2f}" for f in figures)])
    return _table(head, rows)


def _ode(groups: dict[str, Any]) -> list[str]:
    head = ["set", "photos", "round trip, dB", "bits, photo", "bits, blurred"]
    rows = [
        [name, str(trip["images"]), *(f"{trip[key]:.2f}" for key in TRIP)]
        for name, group in groups.items()
        if (trip := group["ode"]) is not None
    ]
    text = (
        f"The first photo of each set, its middle of at most {ode.SIDE} pixels a side, {ode.STEPS} "
        "steps to noise and as many back, compared with D(E(photo)). Bits per dimension of the "
        f"state, before and after a Gaussian blur of {ode.BLUR:g} pixels: few bits are no quality."
    )
    return [text, "", *_table(head, rows)]


def _cost(parts: dict[str, Any]) -> list[str]:
    names = [name for name in parts if name != PRODUCT] + [PRODUCT]
    rows = (
        [name, f"{1000 * parts[name]['seconds']:.3g}", f"{parts[name]['products']:.3g}"]
        for name in names
    )
    return _table(["part", "ms", "matrix products"], rows)


def _size(settings: dict[str, Any]) -> str:
    if settings["parameters"] is None:
        return ""
    millions, mebibytes = settings["parameters"] / 1e6, settings["bytes"] / 2**20
    return f"{millions:.1f} million parameters, {mebibytes:.1f} MiB; "


def _table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _average(rows: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    """The mean of each figure; None where a picture lacks it."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return {name: _mean(values) for name, values in columns.items()}


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return fmean(present) if len(present) == len(values) else None


def _pair(scores: dict[str, float]) -> str:
    return " / ".join(f"{score:.2f}" for name, score in scores.items() if name != "noisy")
