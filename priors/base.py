"""A prior knows what pictures look like: E[x_0 | x_t], and the way between pictures and states."""

from abc import ABC, abstractmethod
from typing import Self

from torch import Tensor

from priors.schedule import Level, Schedule

Shape = tuple[int, ...]


class PriorError(ValueError):
    """A prior that cannot be had: not there, broken, or of a kind that is not supported."""


class Prior(ABC):
    """A denoiser over states, with the encoder and the decoder between states and pictures.

    Pictures are float, (B, 3, H, W), in [0, 1]. States are whatever the network works on (latents,
    or pixels in its own range), one a picture along the first axis.
    """

    schedule: Schedule
    multiple: int = 1
    """Sides of pictures must be multiples of this."""
    unit: float = 1.0
    """What sigma / alpha = 1 in the state means after the decoder: the standard deviation that unit
    noise of the state has in the picture on [0, 1]."""
    reads_text: bool = False
    """Whether `with_text` gives it one."""

    @abstractmethod
    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """E[x_0 | x_t = x]: shape, dtype and device of x; differentiable in x."""

    def encode(self, image: Tensor) -> Tensor:
        """The state of a picture; differentiable. Identity unless overridden."""
        return image

    def decode(self, x: Tensor) -> Tensor:
        """The picture of a clean state; differentiable. Identity unless overridden."""
        return x

    def state_shape(self, image_shape: Shape) -> Shape:
        """The shape of encode(image); ValueError where sides are not multiples of `multiple`."""
        return image_shape

    def sized(self, image_shape: Shape) -> Self:
        """This prior for pictures of a size: where its noise levels depend on that, they follow."""
        return self

    @property
    def embedding(self) -> Tensor | None:
        """What the network reads of the text, (B or 1, tokens, channels); None without text."""
        return None

    def with_embedding(self, embedding: Tensor) -> Self:
        """This prior with another embedding, to which denoise is differentiable; TypeError where
        it reads none."""
        raise TypeError(f"{type(self).__name__} reads no text, and has no embedding")

    def with_text(self, prompt: str, negative: str = "", guidance: float = 1.0) -> Self:
        """This prior given a text, by classifier-free guidance; TypeError where it reads none."""
        raise TypeError(f"{type(self).__name__} reads no text; leave the prompt out")
