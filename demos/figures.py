"""What the notebooks draw with: pictures in rows, charts in one style, a caption beneath each."""

import io
import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import PIL.Image
from IPython.display import Image, Markdown, display
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

warnings.filterwarnings("ignore", message="IProgress not found")  # there are no progress bars here

INK, ACCENT, SECOND, THIRD, PALE = "#30323d", "#d1495b", "#00798c", "#edae49", "#b8bcc6"
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": PALE,
    "axes.titlesize": 9,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": mpl.cycler(color=[SECOND, ACCENT, THIRD, "#6a4c93", "#7a8450", INK]),
    "grid.color": "#ecedf0",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}
mpl.rcParams.update(STYLE)

WIDTH, DOTS = 8.4, 100
"""Of every figure, in inches; and dots an inch."""


def chart(rows: int = 1, columns: int = 1, *, height: float = 2.9, **options: Any) -> Any:
    """A figure in the common style, and its axes; height in inches, options as of `subplots`."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def pictures(
    shown: Sequence[tuple[str, Tensor]],
    caption: str,
    *,
    columns: int | None = None,
    zoom: tuple[int, int, int] | None = None,
    width: float = WIDTH,
) -> None:
    """Show (title, picture): (1, C, H, W) in [0, 1], or a map (H, W), bright where large.

    columns: in a row, by default all. zoom: a window (top, left, side) in pixels of the last
    picture, which a further row magnifies; other sizes are scaled. width: of all, in inches.
    """
    columns = columns or len(shown)
    rows = -(-len(shown) // columns) + (zoom is not None)
    tall, wide = shown[-1][1].shape[-2:]
    heights = [width / columns * tall / wide + 0.27] * rows
    if zoom is not None:
        heights[-1] = width / columns  # squares without a title
    size = width, sum(heights)
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.03, wspace=0.01, hspace=0.01)
    grid = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    for axis in grid.flat:
        axis.set_axis_off()
    for axis, (title, values) in zip(grid.flat, shown, strict=False):
        draw(axis, values, title)
        centred(axis, values, wide / tall)
    if zoom is not None:
        for above, below, (_, values) in zip(grid[0], grid[-1], shown, strict=True):
            down, over = values.shape[-2] / tall, values.shape[-1] / wide
            top, high = round(zoom[0] * down), round(zoom[2] * down)
            left, broad = round(zoom[1] * over), round(zoom[2] * over)
            box = Rectangle((left, top), broad, high, fill=False, color="white", lw=1.2)
            above.add_patch(box)
            part = values[..., top : top + high, left : left + broad]
            draw(below, part)
            centred(below, part, 1.0)
    show(figure, caption, photo=True)


def draw(axis: Any, values: Tensor, title: str = "") -> None:
    """Draw a picture or a map on axes of one's own."""
    values = values.detach().cpu().float()
    axis.set_axis_off()
    if values.ndim == 2:
        axis.imshow(values.numpy(), cmap="magma", vmin=0, vmax=float(values.max()))
    else:
        pixels = values[0].clamp(0, 1).permute(1, 2, 0).numpy()
        axis.imshow(np.repeat(pixels, 3, -1) if pixels.shape[-1] == 1 else pixels)
    axis.set_title(title, pad=4)


def centred(axis: Any, values: Tensor, ratio: float) -> None:
    """Leave room beside a picture that is narrower than its axes: width over height."""
    height, width = values.shape[-2:]
    if width < ratio * height:
        axis.set_xlim((width - ratio * height) / 2 - 0.5, (width + ratio * height) / 2 - 0.5)


def reduced(file: io.BytesIO) -> io.BytesIO:
    """A PNG file in 255 colours, which a chart does with: a third of the bytes."""
    small = io.BytesIO()
    PIL.Image.open(file).convert("RGB").quantize(255, dither=PIL.Image.Dither.NONE).save(
        small, format="png", optimize=True
    )
    return small


def show(figure: Figure, caption: str, *, photo: bool = False) -> None:
    """Display a figure, its caption beneath; photo: as JPEG, which photographs need."""
    kind = "jpeg" if photo else "png"
    file = io.BytesIO()
    options = {"pil_kwargs": {"quality": 80}} if photo else {"metadata": {"Software": None}}
    figure.savefig(file, format=kind, dpi=DOTS, facecolor="white", **options)
    if not photo:
        file = reduced(file)
    display(Image(file.getvalue(), format=kind, alt=caption))
    display(Markdown(f"*{caption}*"))
