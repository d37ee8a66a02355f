"""The blur of a photo from the photo alone: a kernel, its family and how sure that is.

Kernels are proposed by families of few parameters and by a free estimate from the photo's edges
(`restore.blind.families`, `restore.blind.free`); the photo's power spectrum says which is the most
likely (`restore.blind.spectrum`), and whether parts of the photo were blurred differently
(`restore.blind.varying`).
"""

from restore.blind.averaged import correlation
from restore.blind.estimate import estimate_kernel
from restore.blind.found import Blind, NotBlurred
from restore.blind.seen import Unknowable

__all__ = ["Blind", "NotBlurred", "Unknowable", "correlation", "estimate_kernel"]
