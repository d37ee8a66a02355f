"""What a JPEG file holds of a picture, before it is rounded: a linear map and its transpose."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from operators.base import LinearOperator, Shape, conjugate_gradients
from operators.colour import ycc
from operators.convolution import fold
from operators.cosine import SIDE, blocks, pixels, plane
from operators.jpeg import Jpeg, Planes
from operators.rounding import lost


@dataclass(frozen=True, eq=False)
class Coefficients(LinearOperator):
    """Cosine coefficients of Y, Cb, Cr of RGB images (B, 3, height, width), as `jpeg` has them.

    They lie as planes of one size (B, 3, h, w): the blocks of Y side by side, those of reduced
    chroma at every second place with zeros between, so that all lie where their pixels are. In
    units of the range; the level 128 of Y is not subtracted.
    """

    jpeg: Jpeg
    height: int
    width: int

    def __call__(self, x: Tensor) -> Tensor:
        """Transform images."""
        return self._laid(self.jpeg.coefficients(x), 128)

    def read(self, y: Tensor) -> Tensor:
        """Give those of the file that was decoded to y, as `Jpeg.read` does."""
        return self._laid(self.jpeg.read(y), 128)

    def interval(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Give the bounds of the bins of the file that was decoded to y, as `Jpeg.interval` does,
        from 0 to 0 between blocks.
        """
        low, high = (self._laid(planes, 128) for planes in self.jpeg.interval(y))
        return low, high

    def _laid(self, planes: Planes, level: float = 0.0) -> Tensor:
        """Lay blocks (B, 1, rows, columns, 8, 8) in 255ths, Y less a level, side by side."""
        down, right = self.jpeg.factors
        luma = planes[0].clone()
        luma[..., 0, 0] += SIDE * level
        wide = [luma, *(_spread(chroma, down, right) for chroma in planes[1:])]
        rows, columns = wide[1].shape[2:4]
        grow = (0, 0, 0, 0, 0, columns - wide[0].shape[3], 0, rows - wide[0].shape[2])
        wide[0] = functional.pad(wide[0], grow)
        return torch.cat([plane(each) for each in wide], 1) / 255

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the transpose."""
        down, right = self.jpeg.factors
        height, width = self._stored_sides
        luma = blocks(y[:, :1])[:, :, : -(-height // SIDE), : -(-width // SIDE)]
        chroma = blocks(y[:, 1:])[:, :, ::down, ::right]
        bright = _unpadded(pixels(luma), height, width)
        small = _unpadded(pixels(chroma), *self._reduced) / (down * right)
        wide = small.repeat_interleave(down, -2).repeat_interleave(right, -1)
        large = _unpadded(wide, height, width)
        planes = torch.cat([bright, large], 1)
        return self.jpeg.stored_adjoint(torch.einsum("dc,bdhw->bchw", ycc(y), planes))

    def gram_solve(self, r: Tensor, damping: Tensor, start: Tensor | None = None) -> Tensor:
        """Solve by conjugate gradients, which take few iterations: all are of one size."""
        return conjugate_gradients(lambda s: self(self.adjoint(s)) + damping * s, r, x0=start)

    def image_shape(self, y_shape: Shape) -> Shape:
        """Give (B, 3, height, width)."""
        return (y_shape[0], 3, self.height, self.width)

    def steps(self, like: Tensor) -> Tensor:
        """Give the step of quantisation of every coefficient, (1, 3, h, w); 0 between blocks."""
        height, width = self._stored_sides
        counts = [(height, width), *[self._reduced] * 2]
        planes = [
            table.expand(1, 1, -(-rows // SIDE), -(-columns // SIDE), SIDE, SIDE)
            for table, (rows, columns) in zip(self.jpeg.tables(like), counts, strict=True)
        ]
        return self._laid((planes[0], planes[1], planes[2]))

    def deviations(self, sigma: float | Tensor, like: Tensor) -> Tensor:
        """Give the spread (1, 3, 1, 1) that white noise of the pixels has in Y, Cb, Cr; that of
        every coefficient, (B or 1, 3, h, w), where sigma (B or 1, 1, height, width) varies slowly.
        """
        norms: Tensor = ycc(like).norm(dim=1)
        down, right = self.jpeg.factors
        each = (norms / norms.new_tensor([1, down * right, down * right]).sqrt()).view(1, 3, 1, 1)
        if isinstance(sigma, Tensor):
            lying, (rows, columns) = self.jpeg.stored(sigma), self.steps(like).shape[2:]
            grow = (0, columns - lying.shape[3], 0, rows - lying.shape[2])
            sigma = functional.pad(lying, grow, mode="replicate")
        return sigma * each

    def error(self, y: Tensor) -> float:
        """Give the root mean square error that rounding left in y, on [0, 1], by `lost`."""
        weights = torch.linalg.inv(ycc(y)).square().mean(0)
        planes = zip(self.jpeg.read(y), self.jpeg.tables(y), weights, strict=True)
        squares = [weight * lost(c.flatten(0, 3), table).mean() for c, table, weight in planes]
        return math.sqrt(sum(float(square) for square in squares)) / 255

    @property
    def _stored_sides(self) -> tuple[int, int]:
        turned = self.jpeg.orientation > 4
        sides = (self.width, self.height) if turned else (self.height, self.width)
        down, right = self.jpeg.corner
        return sides[0] + down, sides[1] + right

    @property
    def _reduced(self) -> tuple[int, int]:
        (height, width), (down, right) = self._stored_sides, self.jpeg.factors
        return -(-height // down), -(-width // right)


def _spread(planes: Tensor, down: int, right: int) -> Tensor:
    """Put empty blocks between those of a plane."""
    batch, channels, rows, columns = planes.shape[:4]
    wide = planes.new_zeros(batch, channels, rows * down, columns * right, SIDE, SIDE)
    wide[:, :, ::down, ::right] = planes
    return wide


def _unpadded(plane: Tensor, height: int, width: int) -> Tensor:
    """The transpose of `padded`: repeated rows and columns return to the last one."""
    rows, columns = plane.shape[-2] - height, plane.shape[-1] - width
    return fold(plane, (0, 0), (rows, columns), "replicate")
