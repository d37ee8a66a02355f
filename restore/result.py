"""What a restoration gives back: the picture, its samples, what is known of it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from restore import uncertainty
from restore.enlargement import Enlargement
from restore.images import Photo, write

MEASURED = ("seconds", "peak_memory_bytes")
"""What a report tells of the run rather than of the picture."""


@dataclass(frozen=True, eq=False)
class Result:
    """A restored picture and everything that is known about it.

    pixels: (B, 3, H, W) in [0, 1], the mean of the samples; samples: (S, B, 3, H, W); std: the
    standard deviation over the samples, (B, 3, H, W), None for a single one; report: what was done,
    JSON-able: certificate, seed, options, evaluations, seconds, memory. kernel: the blur (kh, kw),
    or that of R x C equal parts (R, C, kh, kw), where it was estimated. hole: bool (B, 1, H, W),
    pixels far from all that was measured, or None (`restore.uncertainty.holes`).
    """

    pixels: Tensor
    samples: Tensor
    std: Tensor | None
    report: dict[str, Any]
    photo: Photo | None = None
    kernel: Tensor | None = None
    hole: Tensor | None = None

    @property
    def image(self) -> Any:
        """The picture as the kind that came in: tensor, array, PIL, bytes; a path gives PIL."""
        return self.pixels if self.photo is None else self.photo.with_pixels(self.pixels).native()

    @property
    def repeatable(self) -> dict[str, Any]:
        """The report without what differs from run to run."""
        return {name: value for name, value in self.report.items() if name not in MEASURED}

    @property
    def accepted(self) -> bool:
        """Whether what every picture leaves of the photo is no larger than the noise.

        The certificate's verdict asks for more: it shall be noise, too.
        """
        low, high = self.report["certificate"]["band"]
        return all(low <= one <= high for one in self.report["certificate"]["chi_square"])

    def interval(self, level: float = 0.9) -> tuple[Tensor, Tensor]:
        """Ends (B, 3, H, W) between which the truth lies with a probability, the level.

        It is one of 0.5, 0.68, 0.9 and 0.95. Calibrated for draws of pnpdm with the shipped prior:
        `restore.uncertainty`. ValueError for another level, or fewer than two samples.
        """
        return uncertainty.interval(self.samples, level, self.hole)

    @property
    def undetermined(self) -> Tensor:
        """Share in [0, 1] of each pixel's detail that is the prior's and not the photo's,
        (B, 1, H, W); ValueError for fewer than two samples."""
        return uncertainty.undetermined(self.samples)

    def save(self, path: str | Path, *, overwrite: bool = False, gps: bool = True) -> Path:
        """Write the picture with the depth, orientation, colour profile and alpha of what came in.

        gps False leaves out where the photo was taken. The format follows the suffix and the report
        travels in the metadata, but for what differs from run to run: the same seed gives the same
        file. PhotoError when the file exists already, cannot be written, or has an unknown suffix.
        """
        from restore.images import read

        photo = read(self.pixels) if self.photo is None else self.photo.with_pixels(self.pixels)
        photo = photo if gps else photo.without_gps()
        write(photo, Path(path), report=self.repeatable, overwrite=overwrite)
        return Path(path)

    def window(self, top: int, left: int, height: int, width: int) -> "Result":
        """The same result, cut to a window of its pixels."""

        def cut(pixels: Tensor) -> Tensor:
            return pixels[..., top : top + height, left : left + width]

        std = None if self.std is None else cut(self.std)
        hole = None if self.hole is None else cut(self.hole)
        report = {**self.report, "size": [width, height]}
        pixels, samples = cut(self.pixels), cut(self.samples)
        return replace(self, pixels=pixels, samples=samples, std=std, report=report, hole=hole)

    def enlarged(self, how: Enlargement) -> "Result":
        """The same result, enlarged as the photo was that it stands for."""
        pixels, samples = (how.done(one).clamp(0, 1) for one in (self.pixels, self.samples))
        std = None if self.std is None else how.done(self.std).clamp(min=0)
        report = {**self.report, "size": [*reversed(how.image)], "enlarged": how.told}
        return replace(self, pixels=pixels, samples=samples, std=std, report=report)

    def after(self, first: dict[str, Any], noise: float) -> "Result":
        """The same result, which took one of another report before it; noise: allowed for now."""
        cost = {name: first[name] + self.report[name] for name in ("evaluations", "seconds")}
        return replace(self, report={**self.report, **cost, "allowed_noise": noise})

    def of(self, photo: Photo) -> "Result":
        """The same result for the photo that the pixels came from."""
        return replace(self, photo=photo)
