"""The matrices in a kernel file: .png, .npy, .npz or .mat, read without running what is in them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy

MOST = 16_000_000
"""Values of all kernels in a file beyond which it holds none."""


def _read_picture(path: Path) -> list[numpy.ndarray]:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            _require_few(picture.width * picture.height)
            laid = numpy.asarray(picture.convert("F"))
            note = json.loads(picture.info.get("photomend") or "{}")
    except Image.DecompressionBombError:
        _require_few(MOST + 1)
    counts = note.get("kernels", (1, 1)) if isinstance(note, dict) else (1, 1)
    rows, columns = (max(int(count), 1) for count in counts)
    if (rows, columns) == (1, 1):
        return [laid]
    height, width = (side // count for side, count in zip(laid.shape, (rows, columns), strict=True))
    return [laid.reshape(rows, height, columns, width).transpose(0, 2, 1, 3)]


def _read_npy(path: Path) -> list[numpy.ndarray]:
    # mapped, so that a header that promises more than the file holds takes no memory
    array = numpy.load(path, mmap_mode="r", allow_pickle=False)
    _require_few(array.size)
    return [array]


def _read_npz(path: Path) -> list[numpy.ndarray]:
    with numpy.load(path, allow_pickle=False) as archive:
        return [archive[name] for name in archive.files]


def _read_mat(path: Path) -> list[numpy.ndarray]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        values = [value for name, value in loadmat(path).items() if not name.startswith("__")]
    except MatReadError as error:
        raise ValueError(str(error)) from error
    except NotImplementedError:
        raise ValueError("MATLAB 7.3; save it with '-v7', or store one matrix as .npy") from None
    cells = [value.flat if value.dtype == object else [value] for value in values]
    return [array for cell in cells for array in cell]


def _require_few(count: int) -> None:
    if count > MOST:
        raise ValueError(f"it has more than the {MOST} pixels that a kernel may have")


READERS: dict[str, Callable[[Path], list[numpy.ndarray]]] = {
    ".png": _read_picture,
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".mat": _read_mat,
}
