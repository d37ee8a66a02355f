"""The papers' benchmark: images x, tasks A, measurements y = A(x) + n, alike on every machine.

Image i of a folder is measured with kernel seed 1000 + i, mask seed 2000 + i and noise seed
3000 + i + 100000 seed, so that no result depends on which other images are run.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from operators import Gaussian, LinearOperator, Measurement, Seeds, simulate
from operators import kernels as kernel_families
from operators.blur import Blur
from operators.mask import Mask, box_mask, random_mask
from operators.resize import Downsample

STANDARD_SETS = ("ffhq10", "imagenet10", "bsd100")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
LEVIN_FILE = Path("kernels") / "Levin09.mat"
SIZE = 256
DATA_VARIABLE = "PHOTOMEND_DATA"


class BenchError(ValueError):
    """The benchmark cannot run as asked; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One ground truth: pixels (1, 3, size, size) in [0, 1], its place in the whole set."""

    name: str
    group: str
    index: int
    pixels: Tensor


@dataclass(frozen=True)
class Task:
    """A degradation: operator(index, size) is the operator of image number index."""

    name: str
    title: str
    operator: Callable[[int, int], LinearOperator]


def default_folder() -> Path:
    """Give the folder that the environment variable PHOTOMEND_DATA names; BenchError if unset."""
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        raise BenchError(f"folder: none given; pass a folder of photos or set {DATA_VARIABLE}")
    return Path(named)


def find_pictures(folder: Path, limit: int | None = None) -> list[tuple[str, int, Path]]:
    """List (group, index, path) of the photos to measure, sorted by name.

    A folder that holds the standard sets ffhq10, imagenet10 and bsd100 (or an `eval` folder that
    does) means those; every other folder means the photos in it. limit keeps the first photos of
    each set and leaves their indices as they are. BenchError when there is no photo.
    """
    root = _data_root(folder)
    sets = [root / name for name in STANDARD_SETS if (root / name).is_dir()] or [root]
    found: list[tuple[str, int, Path]] = []
    count = 0
    for subset in sets:
        paths = sorted(p for p in subset.iterdir() if p.suffix.lower() in SUFFIXES)
        listed = [(subset.name, count + i, path) for i, path in enumerate(paths)]
        found += listed[:limit]
        count += len(paths)
    if not found:
        raise BenchError(
            f"folder: {folder} holds no photo; pass a folder of photos, or one that holds the "
            f"sets {', '.join(STANDARD_SETS)}"
        )
    return found


def pictures(folder: Path | None, limit: int | None) -> list[Picture]:
    """Read what `find_pictures` lists, by default of `default_folder`."""
    place = default_folder() if folder is None else folder
    return [load_picture(*found) for found in find_pictures(place, limit)]


def load_picture(group: str, index: int, path: Path, size: int = SIZE) -> Picture:
    """Read a photo: short side resized to size (bilinear, antialiased), then centre crop."""
    from restore.images import read

    return Picture(path.stem, group, index, centre_crop(read(path).pixels, size))


def centre_crop(pixels: Tensor, size: int) -> Tensor:
    """Resize the short side of (B, 3, H, W) to size (bilinear, antialiased), crop the centre."""
    height, width = pixels.shape[-2:]
    short = min(height, width)
    if short != size:
        shape = [size * height // short, size * width // short]
        pixels = F.interpolate(pixels, shape, mode="bilinear", antialias=True)
        height, width = shape
    top, left = round((height - size) / 2), round((width - size) / 2)
    return pixels[..., top : top + size, left : left + size].clamp(0, 1)


def tasks(names: Sequence[str] | None = None, folder: Path | None = None) -> list[Task]:
    """Give the named tasks, by default all that can be had.

    levin needs Levin09.mat in `folder`/kernels (or `folder`/eval/kernels). BenchError for an
    unknown name, or for levin without its kernels.
    """
    levin = _levin(folder, required=names is not None and "levin" in names)
    known = {task.name: task for task in (*_DEBLURRING, *levin, *_OTHERS)}
    if names is None:
        return list(known.values())
    for name in names:
        if name not in known:
            raise BenchError(f"tasks: no task {name!r}; there are {', '.join(known)}")
    return [known[name] for name in names]


def measure(
    task: Task, picture: Picture, sigma: float, seed: int = 0
) -> Measurement[LinearOperator]:
    """Observe a picture; sigma is the noise's standard deviation on the [0, 1] scale.

    Papers that hold images in [-1, 1] and state 0.05 mean 0.025 here.
    """
    operator = task.operator(picture.index, picture.pixels.shape[-1])
    noise_seed = 3000 + picture.index + 100_000 * seed
    return simulate(operator, Gaussian(sigma), picture.pixels, Seeds(noise_seed))


def levin_kernels(path: Path) -> list[Tensor]:
    """Read the eight kernels of Levin et al. (CVPR 2009) from the MATLAB 7.3 file at path."""
    try:
        import h5py  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise BenchError(
            "tasks: levin reads Levin09.mat with h5py; pip install h5py, or name other tasks"
        ) from error
    with h5py.File(path) as file:
        # MATLAB stores columns first, so that h5py sees every matrix transposed.
        arrays = [file[reference][...].T for reference in file["kernels"][...].flat]
    return [torch.from_numpy(a / a.sum()).float() for a in arrays]


def correlation(kernel: Tensor) -> Blur:
    """Blur as the papers do: cross-correlation with the kernel, reflection without the edge."""
    return Blur(kernel.flip(-2, -1), boundary="reflect")


def _gaussian(index: int, size: int) -> LinearOperator:
    # scipy's gaussian_filter truncates at 4 sigma: of the papers' 61 x 61, 25 x 25 is not zero.
    return correlation(kernel_families.gaussian(3.0, 25))


def _motion(index: int, size: int) -> LinearOperator:
    return correlation(kernel_families.random_walk(61, 0.5, 1000 + index))


def _bicubic(index: int, size: int) -> LinearOperator:
    return Downsample(4, "bicubic")


def _box(index: int, size: int) -> LinearOperator:
    return Mask(box_mask(size, size, size // 2, size // 2))


def _random(index: int, size: int) -> LinearOperator:
    return Mask(random_mask(size, size, 0.7, 2000 + index))


def _levin(folder: Path | None, *, required: bool) -> list[Task]:
    path = None if folder is None else _data_root(folder) / LEVIN_FILE
    if path is None or not path.is_file():
        if required:
            raise BenchError(f"tasks: levin needs the file {path or LEVIN_FILE}")
        return []
    kernels = levin_kernels(path)
    operators = [correlation(kernel) for kernel in kernels]
    return [Task("levin", "Levin's motion kernels", lambda i, size: operators[i % len(operators)])]


def _data_root(folder: Path) -> Path:
    if not folder.is_dir():
        raise BenchError(f"folder: {folder} is not a folder; pass a folder of photos")
    return folder / "eval" if (folder / "eval").is_dir() else folder


_DEBLURRING = (
    Task("gaussian", "Gaussian deblurring, 61 x 61, standard deviation 3", _gaussian),
    Task("motion", "motion deblurring, random walk 61 x 61, intensity 0.5", _motion),
)
_OTHERS = (
    Task("x4", "super-resolution x4, bicubic", _bicubic),
    Task("box", "inpainting, centred box of half the side", _box),
    Task("random", "inpainting, 70 % of the pixels at random", _random),
)
