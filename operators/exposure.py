"""What a camera makes of light: blur happens to linear light, and then to a file of a few bits.

    y = Jpeg(Quantize(Gamma(Clip(A(Gamma^-1(x))))) + noise         x and y coded as sRGB on [0, 1]

Near a picture x it is a linear measurement: J = Gamma'(A(l)) A Gamma^-1'(x), l = Gamma^-1(x), and

  saturation  is censoring, as in Whyte, Sivic, Zisserman and Ponce ("Deblurring shaken and
              partially saturated images", IJCV 2014): of a value that is white only that it is no
              less is known; where x predicts more, it weighs nothing. x may be brighter than white;
  JPEG        is rounding in the file's coefficients: an error of variance Q^2 / 12, besides that
              of the noise, in each coefficient of step Q. There the residual is weighed;
  few bits    are bins of values (`operators.bins`) where it is told how wrong x may be.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any, overload

import torch
from torch import Tensor

from operators.base import Identity, LinearOperator, Operator, Shape
from operators.bins import FEW, NOISE, among, before, bounds, weights, within
from operators.coefficients import Coefficients
from operators.jpeg import Jpeg
from operators.linearised import Bent, Diagonal, Seen, tangent
from operators.measurement import Measurement
from operators.noise import Gaussian, Uneven
from operators.remembering import Remembering
from operators.resize import Downsample
from operators.tone import Clip, Gamma, Quantize

REACH, AIM = 3.0, 2.0
"""Deviations of what came before the rounding by which bins are wider, to judge and to aim at."""
SHARP = (Identity, Downsample)
"""Before which the spread of a picture is nearly that of its light: a blur leaves less of it."""
HEADROOM = 1.3
"""Where something is saturated: coded values of light of almost twice the brightness of white."""
PROJECTIONS, FIRMNESS = 3, 300.0
"""Of the projection into bins."""


@dataclass(frozen=True, eq=False)
class Camera:
    """What happens to blurred light: the sRGB curve, saturation at 1, so many bits, JPEG.

    curve False: the blur is taken to have happened to the coded values; clip False: white is a
    value like others; bits from 1 to 16; jpeg None: it was not compressed.
    """

    curve: bool = True
    clip: bool = True
    bits: int = 8
    jpeg: Jpeg | None = None


@dataclass(frozen=True, eq=False)
class Exposure(Bent):
    """A photo by `camera` of the light that the linear operator `light` (a blur) makes of a scene.

    scene: what is done to the picture before, such as a crop.
    """

    light: LinearOperator
    camera: Camera = field(default_factory=Camera)
    scene: LinearOperator = field(default_factory=Identity)
    _files: dict[Shape, Coefficients] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, x: Tensor) -> Tensor:
        """Take the photo of pictures (B, 3, H, W), coded as sRGB, which may exceed 1."""
        y = self._coded(self.light(self._linear(self.scene(x))))
        y = Quantize(self.camera.bits)(Clip()(y) if self.camera.clip else y)
        return y if self.camera.jpeg is None else self.camera.jpeg(y)

    def image_shape(self, y_shape: Shape) -> Shape:
        """Walk back through the blur."""
        return self.scene.image_shape(self.light.image_shape(y_shape))

    @overload
    def __matmul__(self, inner: LinearOperator) -> "Exposure": ...
    @overload
    def __matmul__(self, inner: Operator) -> Operator: ...
    def __matmul__(self, inner: Operator) -> Operator:
        if isinstance(inner, LinearOperator):
            return replace(self, scene=self.scene @ inner)
        return super().__matmul__(inner)

    def linearised(
        self, measurement: Measurement[Any], x: Tensor | None, spread: float | None = None
    ) -> Seen:
        """Give the measurement near x; its noise is that of values that are neither white nor
        compressed, in the mean of their precisions where they are; of `SHARP` light that of the
        values and `NOISE` of what was lost. Then bins are seen as by a picture wrong by spread.
        """
        y, sigma, local = measurement.y, self._sigma(measurement), self._local(measurement)
        x = self._first(y) if x is None else x
        jpeg, weighed, noise = self.camera.jpeg, y.new_tensor(sigma) / local, sigma
        if jpeg is not None:
            file = self._file(jpeg, y)
            weighed, noise = weights(file, local, y)
        coded, operator = self._near(x, y, noise)
        residual = y - coded
        if jpeg is not None:
            found, target = file(coded), file.read(y)
            if isinstance(self.light, SHARP):
                told, noise = noise, math.hypot(sigma, NOISE * file.error(y))
                weighed = weighed * (noise / told)
                if spread is not None:
                    target, variance = within(file, local, y, found, spread)
                    weighed = noise / variance.sqrt() * (weighed > 0)
            operator = Diagonal(weighed) @ (file @ operator)
            residual = weighed * (target - found)
        elif spread is not None and self.camera.bits <= FEW:
            target, variance = among(self.camera.bits, sigma, y, coded, spread)
            weighed = noise / variance.sqrt()
            operator = Diagonal(weighed) @ operator
            residual = weighed * (target - coded)
        elif isinstance(local, Tensor):
            operator = Diagonal(weighed) @ operator
            residual = weighed * residual
        operator = operator @ self.scene
        return Measurement(residual + operator(x), operator, Gaussian(noise))

    def headroom(self, measurement: Measurement[Any]) -> Tensor | None:
        """Give `HEADROOM` for images where something is white."""
        white = self._white(measurement.y, self._sigma(measurement)).flatten(1).any(1)
        if not self.camera.clip or not bool(white.any()):
            return None
        return 1 + (HEADROOM - 1) * white.to(measurement.y).view(-1, 1, 1, 1)

    def projected(self, measurement: Measurement[Any], x: Tensor) -> Tensor:
        """Move x as little as brings the file's coefficients into its bins; x where it has none.

        Those that lie outside are led to the bounds of their bins by a prox near x, again and
        again, as each moves others. Bins are wider by `AIM` deviations.
        """
        jpeg, y, local = self.camera.jpeg, measurement.y, self._local(measurement)
        if jpeg is None:
            return x
        file = self._file(jpeg, y)
        low, high = bounds(file, local, y, AIM)
        noise = weights(file, local, y)[1]
        for _ in range(PROJECTIONS):
            found, operator = self._near(x, y, noise)
            found = file(found)
            short = found.clamp(low, high).sub_(found)
            seen = Diagonal(short != 0) @ (file @ operator) @ self.scene
            x = x + seen.prox(torch.zeros_like(x), short, FIRMNESS)
        return x

    def upright(self, measurement: Measurement[Any], residual: Tensor) -> Tensor:
        """Turn coefficients, which lie as in the file, as the photo is."""
        if (jpeg := self.camera.jpeg) is None:
            return residual
        rows, columns = jpeg.stored(measurement.y).shape[-2:]
        return jpeg.upright(residual[..., :rows, :columns])

    def chance(self, measurement: Measurement[Any], x: Tensor) -> Tensor:
        """Give the mean square of rounding at the true x in units of its variance.

        A coefficient that is all but surely rounded to 0 has none. Derived from the error's mean
        square over the bins that the noise may reach, three on either side.
        """
        jpeg = self.camera.jpeg
        if jpeg is None:  # few levels leave what is not white
            return x.new_ones([] if self.camera.bits > FEW else [1] * x.ndim)
        y, local = measurement.y, self._local(measurement)
        file = self._file(jpeg, y)
        light = self.light(self._linear(self.scene(x)))
        c = file(self._unsaturated(light, y, weights(file, local, y)[1]))
        steps, spread = file.steps(y), before(file, local, y)
        error, q = torch.zeros_like(c), steps.clamp(min=1e-12)
        nearest = (c / q).round()
        for k in range(-3, 4):
            level = (nearest + k) * q
            share = _normal((level + q / 2 - c) / spread) - _normal((level - q / 2 - c) / spread)
            error += share * (level - c).square()
        variance = spread.square() + steps.square() / 12
        return torch.where(spread < q, error / variance, 1.0) * (steps > 0)

    def told(self, measurement: Measurement[Any], x: Tensor) -> dict[str, Any]:
        """Give the camera, and per image the share of coefficients that fall into the file's bins.

        Bins are wider by `REACH` deviations of what came before them, noise and whole levels.
        """
        jpeg, y, local = self.camera.jpeg, measurement.y, self._local(measurement)
        told: dict[str, Any] = {**vars(self.camera), "jpeg": None}
        if jpeg is not None:
            file = self._file(jpeg, y)
            light = self.light(self._linear(self.scene(x)))
            found = file(self._unsaturated(light, y, weights(file, local, y)[1]))
            low, high = bounds(file, local, y, REACH)
            known = file.steps(y) > 0
            inside = (found >= low) & (found <= high) & known
            share = inside.flatten(1).double().sum(1) / known.sum()
            told["jpeg"] = {**vars(jpeg), "inside_bins": share.tolist()}
        return {"camera": told}

    def _file(self, jpeg: Jpeg, y: Tensor) -> Coefficients:
        """The coefficients of a file of y's size, which reads y once."""
        size = tuple(y.shape[-2:])
        return self._files.setdefault(size, Coefficients(Remembering.of(jpeg), *size))

    def _near(self, x: Tensor, y: Tensor, noise: float) -> tuple[Tensor, LinearOperator]:
        """The coded values that x gives, and how they change with the picture that is in view."""
        linear, before = tangent(self._linear, self.scene(x))
        coded, after = tangent(lambda v: self._unsaturated(v, y, noise), self.light(linear))
        return coded, Diagonal(after) @ (self.light @ Diagonal(before))

    def _linear(self, x: Tensor) -> Tensor:
        return Gamma().inverse(x) if self.camera.curve else x

    def _coded(self, light: Tensor) -> Tensor:
        return Gamma()(light) if self.camera.curve else light

    def _unsaturated(self, light: Tensor, y: Tensor, sigma: float) -> Tensor:
        """Code light, clipped where y is: elsewhere what is too bright must still come down."""
        coded = self._coded(light)
        if not self.camera.clip:
            return coded
        coded = torch.where(self._white(y, sigma), coded.clamp(max=1), coded)
        return torch.where(y <= 0, coded.clamp(min=0), coded)

    def _white(self, y: Tensor, sigma: float) -> Tensor:
        return y >= 1 - 1 / 255 - 2 * sigma

    def _sigma(self, measurement: Measurement[Any]) -> float:
        """The noise, no less than that of the bits."""
        levels = (1 << self.camera.bits) - 1
        return max(measurement.sigma, 1 / (levels * math.sqrt(12)))

    def _local(self, measurement: Measurement[Any]) -> float | Tensor:
        """The noise, of every pixel (B or 1, 1, h, w) where it is uneven."""
        noise = measurement.noise
        if not isinstance(noise, Uneven):
            return self._sigma(measurement)
        return noise.sigma * noise.relative(measurement.y)

    def _first(self, y: Tensor) -> Tensor:
        """The picture whose every value is the mean of those that it contributed to."""
        seen = self.light @ self.scene
        share = seen.adjoint(torch.ones_like(y))
        return torch.where(
            share > 1e-3 * share.max(), seen.adjoint(y) / share, y.mean((1, 2, 3), keepdim=True)
        )


def _normal(x: Tensor) -> Tensor:
    share: Tensor = torch.special.ndtr(x)
    return share
