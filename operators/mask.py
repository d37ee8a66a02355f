"""Missing pixels: masks (True = unknown), and windows cut out of a larger image."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from operators.base import DiagonalGramOperator, Shape


@dataclass(frozen=True, eq=False, repr=False)
class Mask(DiagonalGramOperator):
    """Lose the pixels where unknown is True: they measure 0.

    unknown is a bool tensor (H, W), or (1 or B, 1 or C, H, W); else ValueError.
    """

    unknown: Tensor

    def __post_init__(self) -> None:
        mask = self.unknown
        if mask.dtype != torch.bool or mask.ndim not in (2, 4):
            raise ValueError(
                f"unknown: got {mask.dtype} {tuple(mask.shape)}; pass a bool tensor (H, W) or"
                " (B, 1, H, W), True where the pixel is unknown"
            )
        if mask.ndim == 2:
            object.__setattr__(self, "unknown", mask[None, None])

    def __call__(self, x: Tensor) -> Tensor:
        """Set the unknown pixels of images (B, C, H, W) to 0."""
        if x.shape[-2:] != self.unknown.shape[-2:]:
            raise ValueError(
                f"x: sides {tuple(x.shape[-2:])} under a mask of {tuple(self.unknown.shape[-2:])};"
                " pass an image of the mask's size"
            )
        return x * self.gram(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Set the unknown pixels to 0, as the mask is symmetric."""
        return self(y)

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape."""
        return y_shape

    def gram(self, y: Tensor) -> Tensor:
        """Give one where the pixel is known, 0 elsewhere."""
        return self._known.to(y.device, y.dtype)

    @cached_property
    def _known(self) -> Tensor:
        return (~self.unknown).float()


@dataclass(frozen=True, eq=False)
class Crop(DiagonalGramOperator):
    """Cut a window out of images of image_height x image_width pixels; its transpose pads.

    `A @ Crop(...)` measures the window with A and lets a solver think of a larger image.
    ValueError when the window is empty or does not lie in the image.
    """

    top: int
    left: int
    height: int
    width: int
    image_height: int
    image_width: int

    def __post_init__(self) -> None:
        inside = (
            0 <= self.top <= self.image_height - self.height
            and 0 <= self.left <= self.image_width - self.width
        )
        if not inside or min(self.height, self.width) < 1:
            raise ValueError(
                f"window: {self.height} x {self.width} at ({self.top}, {self.left}) is not inside"
                f" {self.image_height} x {self.image_width}; move or shrink it"
            )

    @property
    def gram_scale(self) -> float:
        """One: A A^T = I."""
        return 1.0

    def __call__(self, x: Tensor) -> Tensor:
        """Cut the window out of images (B, C, image_height, image_width)."""
        if tuple(x.shape[-2:]) != (self.image_height, self.image_width):
            raise ValueError(
                f"x: sides {tuple(x.shape[-2:])} where the crop expects"
                f" {self.image_height} x {self.image_width}; make a Crop for this size"
            )
        bottom, right = self.top + self.height, self.left + self.width
        return x[..., self.top : bottom, self.left : right]

    def adjoint(self, y: Tensor) -> Tensor:
        """Put the window into an image of zeros."""
        below = self.image_height - self.top - self.height
        beside = self.image_width - self.left - self.width
        return torch.nn.functional.pad(y, (self.left, beside, self.top, below))

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give y_shape with the sides of the larger image."""
        return (*y_shape[:-2], self.image_height, self.image_width)

    def gram(self, y: Tensor) -> Tensor:
        """Give one."""
        return y.new_ones(())


def box_mask(
    height: int,
    width: int,
    box_height: int,
    box_width: int,
    top: int | None = None,
    left: int | None = None,
) -> Tensor:
    """Hide a box of a height x width image, centred unless told; bool (1, 1, height, width).

    ValueError when the box does not lie in the image.
    """
    top = (height - box_height) // 2 if top is None else top
    left = (width - box_width) // 2 if left is None else left
    window = Crop(top, left, box_height, box_width, height, width)
    return window.adjoint(torch.ones(1, 1, box_height, box_width)).bool()


def random_mask(height: int, width: int, fraction: float, seed: int) -> Tensor:
    """Hide the given fraction of the pixels in [0, 1], rounded, at random places.

    bool (1, 1, height, width). ValueError for another fraction.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction: got {fraction}; pass the share of lost pixels in [0, 1]")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(height * width, generator=generator)
    return (order < round(fraction * height * width)).reshape(1, 1, height, width)


def brush_mask(height: int, width: int, strokes: int, thickness: float, seed: int) -> Tensor:
    """Hide straight brush strokes of a thickness in pixels between random points.

    bool (1, 1, height, width). ValueError when strokes < 0 or thickness <= 0.
    """
    if strokes < 0 or not 0 < thickness < math.inf:
        raise ValueError(
            f"brush: got {strokes} strokes of {thickness} pixels; pass a count >= 0 and a size > 0"
        )
    generator = torch.Generator().manual_seed(seed)
    size = torch.tensor([height - 1.0, width - 1.0])
    pixels = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"))
    unknown = torch.zeros(height, width, dtype=torch.bool)
    for start, end in torch.rand(strokes, 2, 2, generator=generator) * size:
        stroke = (end - start)[:, None, None]
        offset = pixels - start[:, None, None]
        along = ((offset * stroke).sum(0) / (stroke**2).sum().clamp(min=1e-12)).clamp(0, 1)
        unknown |= (offset - along * stroke).norm(dim=0) <= thickness / 2
    return unknown[None, None]
