"""What a mask leaves known of the states of a prior, and how noisy it is."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from operators.mask import Mask
from operators.measurement import Measurement
from operators.seeds import Seeds
from priors.base import Prior
from priors.schedule import Level
from restore.solvers.smooth import smooth_estimate


@dataclass(frozen=True, eq=False)
class Known:
    """The encoded measurement z (B, C, h, w), True where it is known (B, 1, h, w), its variance."""

    z: Tensor
    whole: Tensor
    variance: Tensor

    @classmethod
    def of(cls, measurement: Measurement[Mask], prior: Prior) -> Self:
        """What a mask, or one on a crop, leaves of the states; ValueError as `blended` has it."""
        operator, y, image = measurement.operator, measurement.y, measurement.image_shape
        seen = operator.adjoint(operator(y.new_ones(image)))
        noise = Seeds(*[0] * len(y)).normal_like(seen)
        if not torch.equal(operator.adjoint(operator(noise)), seen * noise):
            raise ValueError(
                f"operator: {operator!r} mixes or scales pixels; blended replaces them and needs a "
                "Mask, so take a solver of linear operators such as diffpir"
            )
        shape = prior.state_shape(image)
        if len(shape) != 4 or image[2] % shape[2] or image[3] % shape[3]:
            raise ValueError(f"prior: states of shape {shape} are no grid of patches of {image}")
        patch = (image[2] // shape[2], image[3] // shape[3])
        whole = -max_pool2d(-seen.amin(1, keepdim=True), patch) > 0
        if bool((seen.flatten(1).any(1) & ~whole.flatten(1).any(1)).any()):
            raise ValueError(
                f"mask: no patch of {patch[0]} x {patch[1]} pixels is known as a whole, so blended "
                "would hear nothing; take a solver that hears single pixels such as diffpir"
            )
        picture = operator.adjoint(y) + (1 - seen) * smooth_estimate(measurement)
        variance = operator.adjoint(measurement.noise.variance(y)).mean(1, keepdim=True)
        return cls(prior.encode(picture), whole, avg_pool2d(variance, patch) / prior.unit**2)

    def above(self, level: Level) -> bool:
        """Whether the level has more noise than the measurement has in any known state."""
        return bool((~self.whole | self._heard(level)).all())

    def replace(self, x: Tensor, level: Level, seeds: Seeds) -> Tensor:
        """x_s with its known states noised afresh, where the level has the room."""
        missing = (level.sigma**2 - level.alpha**2 * self.variance).clamp(min=0)
        fresh = level.alpha * self.z + missing.sqrt() * seeds.normal_like(x)
        return torch.where(self.whole & self._heard(level), fresh, x)

    def nearer(self, x0: Tensor, t: Level) -> Tensor:
        """x0 moved to z in known states, all the way without noise, half where it is t's."""
        share = self.whole * t.sigma**2 / (t.sigma**2 + t.alpha**2 * self.variance)
        return x0.lerp(self.z, share)

    def _heard(self, level: Level) -> Tensor:
        return level.sigma**2 >= level.alpha**2 * self.variance
