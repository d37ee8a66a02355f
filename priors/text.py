"""Priors that read text: prompts, embedded once, and classifier-free guidance.

    f(x, t) = f(x, t, negative) + guidance (f(x, t, prompt) - f(x, t, negative))

of what the network predicts, noise or velocity, in one call with both halves in a batch (Ho &
Salimans 2022, arXiv:2207.12598). Guidance of 1 is the network's own, and needs no negative.
"""

import inspect
from abc import abstractmethod
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

import torch
from torch import Tensor

from priors.autoencoded import Autoencoded
from priors.base import PriorError
from priors.directory import Directory
from priors.network import cast, checked_prediction
from priors.parameterization import PARAMETERIZATIONS
from priors.schedule import Level, Schedule


@dataclass(frozen=True, eq=False)
class Text:
    """What a network reads of prompts: embedding (B or 1, tokens, channels), pooled (B or 1, P)."""

    embedding: Tensor
    pooled: Tensor | None = None

    def of(self, count: int) -> "Text":
        """For so many states."""
        pooled = None if self.pooled is None else self.pooled.expand(count, -1)
        return Text(self.embedding.expand(count, -1, -1), pooled)

    def beside(self, other: "Text") -> "Text":
        """This and, further down the batch, the other."""
        embedding = torch.cat([self.embedding, other.embedding])
        if self.pooled is None or other.pooled is None:
            return Text(embedding)
        return Text(embedding, torch.cat([self.pooled, other.pooled]))


Texts = tuple[Text, Text | None]
"""The prompt's and, for guidance, the negative one's."""
Embed = Callable[[Any, str, str | None, torch.device], Texts]
"""(pipeline, prompt, negative, device): what a family makes of prompts by its own pipeline."""


class Prompts:
    """The text encoders of a directory: read for a prompt that is new, and then let go.

    The largest of them are larger than the network, and serve a prompt only once.
    """

    def __init__(
        self,
        directory: Directory,
        pipeline: str,
        embed: Embed,
        precision: torch.dtype,
        needed: tuple[str, ...],
    ) -> None:
        """pipeline: the name of the diffusers class that embeds; precision of the encoders.

        needed: the encoders that must be there; PriorError where one is not, as in refiners.
        """
        for part in needed:
            if part not in directory.parts:
                raise PriorError(f"{directory.name}: it has no {part}; not a text-to-image model")
        self.directory, self.pipeline = directory, pipeline
        self.embed, self.precision = embed, precision
        self._known = lru_cache(maxsize=16)(self._embedded)

    def __call__(self, prompt: str, negative: str | None, network: Any) -> Texts:
        """Both texts, on the device of the network; negative None where none is needed.

        PriorError where an encoder is not there, is broken, or needs a package that is not.
        """
        device = next(iter(network.parameters())).device
        return self._known(prompt, negative, network, device)

    @torch.no_grad()
    def _embedded(
        self, prompt: str, negative: str | None, network: Any, device: torch.device
    ) -> Texts:
        import diffusers

        kind = getattr(diffusers, self.pipeline)
        readers = {
            part: self.directory.reader(part)
            for part in self.directory.parts
            if part.startswith(("text_encoder", "tokenizer"))
        }
        for part, reader in readers.items():
            if part.startswith("text_encoder"):
                cast(reader.eval(), device, self.precision)
        given = {**readers, "unet": network, "transformer": network}
        given |= {"requires_safety_checker": False, "add_watermarker": False}
        if "force_zeros_for_empty_prompt" in self.directory.index:
            name = "force_zeros_for_empty_prompt"
            given[name] = self.directory.index[name]
        wanted = list(inspect.signature(kind.__init__).parameters.values())[1:]
        taken = {
            p.name: given.get(p.name) for p in wanted if p.name in given or p.default is p.empty
        }
        return self.embed(kind(**taken), prompt, negative, device)


class TextPrior(Autoencoded):
    """A latent prior that reads text; without any it is given the empty prompt."""

    reads_text = True
    guidance = 1.0
    distilled = False
    """Whether the network is told the guidance, and needs no second text."""
    _texts: Texts | None = None

    def __init__(
        self,
        autoencoder: Any,
        network: Any,
        schedule: Schedule,
        prediction: str,
        prompts: Callable[[str, str | None, Any], Texts],
        *,
        halvings: int = 1,
        latent_channels: int,
    ) -> None:
        """Take diffusers models, frozen here, and what embeds prompts.

        ValueError for an unknown prediction type, and where the network takes other channels than
        the autoencoder gives, as those for inpainting do.
        """
        self.prediction, self.prompts = checked_prediction(prediction), prompts
        if latent_channels != autoencoder.config.latent_channels:
            raise ValueError(
                f"network: it takes {latent_channels} channels, the autoencoder gives "
                f"{autoencoder.config.latent_channels}; not a text-to-image model"
            )
        super().__init__(autoencoder, network, schedule, halvings, least=128)

    def denoise(self, x: Tensor, level: Level) -> Tensor:
        """E[z_0 | z_t = x, text] for scaled latents x (B, C, h, w)."""
        self._settle(self.network, x)
        output = self._guided(x, level).to(x.dtype)
        return PARAMETERIZATIONS[self.prediction](x, output, level)

    def with_text(self, prompt: str, negative: str = "", guidance: float = 1.0) -> Self:
        """This prior given a text, and its opposite, with classifier-free guidance.

        The networks are shared; prompts are embedded now. ValueError for a guidance below 0, and
        for a negative prompt where the network is told the guidance and reads one text alone.
        PriorError where the text encoders cannot be had.
        """
        if not guidance >= 0:
            raise ValueError(f"guidance: got {guidance}; at least 0 is needed, 1 for none")
        if self.distilled and negative:
            raise ValueError("negative: this prior was distilled with its guidance, and reads none")
        needed = negative if guidance != 1 and not self.distilled else None
        bound = copy(self)
        bound.guidance = guidance
        bound._texts = self.prompts(prompt, needed, self.network)
        return bound

    @property
    def texts(self) -> Texts:
        """What was bound by `with_text`, else the empty prompt, embedded at its first use."""
        if self._texts is None:
            self._texts = self.prompts("", None, self.network)
        return self._texts

    @property
    def embedding(self) -> Tensor:
        """What the network reads of the prompt, (B or 1, tokens, channels)."""
        return self.texts[0].embedding

    def with_embedding(self, embedding: Tensor) -> Self:
        """This prior with another embedding of the prompt, to which denoise is differentiable."""
        bound = copy(self)
        bound._texts = (replace(self.texts[0], embedding=embedding), self.texts[1])
        return bound

    @abstractmethod
    def _predicted(self, x: Tensor, level: Level, text: Text) -> Tensor:
        """What the network answers, shaped as x; text is of as many."""

    def _guided(self, x: Tensor, level: Level) -> Tensor:
        prompt, negative = self.texts
        text = prompt.of(len(x))
        if negative is None:
            return self._predicted(x, level, text)
        both = self._predicted(torch.cat([x, x]), level, negative.of(len(x)).beside(text))
        without, along = both.chunk(2)
        return without + self.guidance * (along - without)


def pooled(text: Text) -> Tensor:
    """The pooled embedding that a family of networks needs; PriorError where there is none."""
    if text.pooled is None:
        raise PriorError("the text encoders give no pooled embedding, which this network needs")
    return text.pooled
