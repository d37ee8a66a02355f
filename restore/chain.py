"""An operator in words: "downsample:4 @ gaussian:2" blurs, then shrinks."""

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from operator import matmul
from typing import Any

from torch import Tensor

from operators import kernels
from operators.base import LinearOperator, Operator, Shape
from operators.blur import Blur
from operators.varying import GridBlur

EXAMPLE = '"downsample:4 @ gaussian:2" or module:name'
KERNELS = ("gaussian", "motion", "disk", "walk")
# word: (module, class, what each argument is)
CLASSES: dict[str, tuple[str, str, tuple[Callable[[str], Any], ...]]] = {
    "downsample": ("operators.resize", "Downsample", (int, str)),
    "grayscale": ("operators.colour", "Grayscale", ()),
    "mosaic": ("operators.colour", "Mosaic", (str,)),
    "gamma": ("operators.tone", "Gamma", ()),
    "clip": ("operators.tone", "Clip", ()),
    "quantize": ("operators.tone", "Quantize", (int,)),
    "jpeg": ("operators.jpeg", "Jpeg", (int,)),
}
WORDS = (*KERNELS, "blur", "mask", *CLASSES)


@dataclass(frozen=True, eq=False, repr=False)
class PartsBlur(LinearOperator):
    """A blur by kernels (R, C, kh, kw) of equal parts of photos of any size, reflected at their
    edges; ValueError for photos with fewer pixels than parts."""

    kernels: Tensor
    _sized: dict[Shape, GridBlur] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, x: Tensor) -> Tensor:
        """Blur images (B, C, H, W)."""
        return self._of(x)(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the transpose."""
        return self._of(y).adjoint(y)

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape."""
        return y_shape

    def _of(self, image: Tensor) -> GridBlur:
        height, width = image.shape[-2:]
        if (height, width) not in self._sized:
            self._sized[height, width] = GridBlur(self.kernels, height, width, "reflect")
        return self._sized[height, width]


def parse(text: str) -> Operator:
    """The operator of a chain `A @ B @ C`, C first; a part is `word`, `word:arguments` or
    `module:name` (an operator, or a function without arguments that gives one).

    Words: the kernels gaussian, motion, disk, walk as in `operators.kernels.parse`; blur:FILE, of
    one kernel or those of parts; mask:FILE (white = unknown); downsample:FACTOR,FILTER; grayscale;
    mosaic:PATTERN; gamma; clip; quantize:BITS; jpeg:QUALITY, or jpeg, as the file tells. ValueError
    in one line names what is wrong and the nearest words.

    >>> parse("downsample:2 @ gaussian:1").image_shape((1, 3, 8, 8))
    (1, 3, 16, 16)
    """
    parts = [part.strip() for part in text.split("@")]
    if not all(parts):
        raise ValueError(f"operator: {text!r} has an empty part; write it as {EXAMPLE}")
    return reduce(matmul, [_part(part) for part in parts])


def _part(text: str) -> Operator:
    word, colon, rest = text.partition(":")
    try:
        if word in WORDS:
            return _known(word, text, rest.split(",") if colon else [])
        if colon:
            return _imported(word, rest)
    except ModuleNotFoundError:
        pass  # neither a word nor a module: the message names the nearest words
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"operator {text!r}: {error}") from error
    near = ", ".join(difflib.get_close_matches(word, WORDS, n=3) or WORDS)
    raise ValueError(f"operator: unknown {text!r}; did you mean {near}? Write it as {EXAMPLE}")


def _known(word: str, text: str, arguments: list[str]) -> Operator:
    if word in KERNELS:
        return Blur(kernels.parse(text))
    if word == "blur":
        kernel = kernels.load(",".join(arguments))
        return Blur(kernel) if kernel.ndim == 2 else PartsBlur(kernel)
    if word == "mask":
        return _mask(",".join(arguments))
    module, name, converters = CLASSES[word]
    if len(arguments) > len(converters):
        raise ValueError(f"takes at most {len(converters)} arguments")
    values = [convert(argument) for convert, argument in zip(converters, arguments, strict=False)]
    operator: Operator = getattr(importlib.import_module(module), name)(*values)
    return operator


def _mask(path: str) -> Operator:
    from operators.mask import Mask
    from restore.images import read, read_mask

    height, width = read(path).pixels.shape[2:]
    return Mask(read_mask(path, height, width))


def _imported(module: str, name: str) -> Operator:
    """The operator module:name, or what the function of that name gives."""
    found = getattr(importlib.import_module(module), name)
    operator = found if isinstance(found, Operator) else found()
    if not isinstance(operator, Operator):
        raise TypeError(f"{name} is no Operator and gives none")
    return operator
