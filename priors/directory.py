"""A diffusers directory: its index, its configurations, and its parts in their own classes."""

import inspect
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from priors.base import PriorError

WHOLE = re.compile(r"(diffusion_pytorch_model|model)(-\d+-of-\d+)?\.safetensors")
"""Names of files of weights that are no variant: in half precision, of another average."""


@dataclass(frozen=True)
class Directory:
    """A folder with model_index.json, as `save_pretrained` of a diffusers pipeline writes it.

    name is what errors call it. All methods raise PriorError, which names what is wrong.
    """

    name: str
    folder: Path

    @cached_property
    def index(self) -> dict[str, Any]:
        """model_index.json: of each part its library and its class."""
        return self._json(self.folder / "model_index.json")

    @property
    def parts(self) -> dict[str, tuple[str, str]]:
        """Library and class of each part that is there."""
        entries = {k: v for k, v in self.index.items() if isinstance(v, list) and len(v) == 2}
        return {k: (v[0], v[1]) for k, v in entries.items() if v[0] and v[1]}

    def kind(self, part: str) -> str:
        """The class of a part; PriorError where diffusers has no such class."""
        import diffusers

        library, name = self.parts.get(part, ("", ""))
        if library != "diffusers" or not hasattr(diffusers, name):
            raise PriorError(f"{self.name}: model_index.json has no usable {part!r}")
        return name

    def scheduler(self) -> dict[str, Any]:
        """The configuration of the scheduler, which tells the noise levels of the training.

        PriorError for schedulers of neither betas nor flows: their networks are asked otherwise.
        """
        import diffusers

        config = self._json(self.place("scheduler") / "scheduler_config.json")
        name = str(config.get("_class_name", ""))
        kind = getattr(diffusers, name, None)
        known = config if kind is None else inspect.signature(kind.__init__).parameters
        if name and not name.startswith("FlowMatch") and "beta_schedule" not in known:
            told = f"{self.name}: networks trained for {name} are not supported"
            raise PriorError(f"{told}; those of DDPM, DDIM and flow matching are")
        return config

    def place(self, part: str) -> Path:
        """The folder of a part: its own, or the whole where parts lie side by side."""
        own = self.folder / part
        return own if own.is_dir() else self.folder

    def network(self, part: str, precision: torch.dtype = torch.float32) -> Any:
        """A part of diffusers, in a precision; with accelerate it is never held twice."""
        import diffusers

        sparing = find_spec("accelerate") is not None
        options: dict[str, Any] = {"torch_dtype": precision, "low_cpu_mem_usage": sparing}
        return self._read(part, getattr(diffusers, self.kind(part)), options)

    def reader(self, part: str) -> Any:
        """A tokenizer or a text encoder, in the precision that it was stored in."""
        try:
            import transformers
        except ImportError as error:
            raise PriorError(
                f"{self.name}: reads text, which needs transformers; pip install 'photomend[text]'"
            ) from error
        name = self.parts[part][1]
        kind = getattr(transformers, name, None)
        if kind is None:
            raise PriorError(f"{self.name}: transformers has no {name} for {part}")
        with _silent(transformers):
            if part.startswith("text_encoder"):
                return self._read(part, kind, {})
            try:
                return kind.from_pretrained(self.place(part), local_files_only=True)
            except (OSError, ValueError, RuntimeError, ImportError) as error:
                raise PriorError(f"{self.name}: cannot load {part} ({line(error)})") from error

    def _read(self, part: str, kind: Any, options: dict[str, Any]) -> Any:
        """A part with weights, of which none may be missing: the libraries would make them up."""
        from safetensors import SafetensorError

        try:
            model, told = kind.from_pretrained(
                self.place(part),
                use_safetensors=True,
                local_files_only=True,
                variant=_variant(self.place(part)),
                output_loading_info=True,
                **options,
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise PriorError(f"{self.name}: cannot load {part} ({line(error)})") from error
        if missing := sorted(told["missing_keys"]):
            raise PriorError(
                f"{self.name}: {part} lacks {len(missing)} of its weights, as {missing[0]}"
            )
        return model

    def _json(self, path: Path) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            told = f"{self.name}: {path.name} is missing; not a diffusers directory"
            raise PriorError(told) from error
        except json.JSONDecodeError as error:
            raise PriorError(f"{self.name}: {path.name} is not JSON ({error})") from error
        return content


def line(error: Exception) -> str:
    """The first line of an error, in no more than 160 letters."""
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__


def _variant(place: Path) -> str | None:
    """The one in half precision, where no whole weights are there."""
    files = [file.name for file in place.glob("*.safetensors")]
    halves = any(".fp16" in name for name in files)
    return "fp16" if halves and not any(map(WHOLE.fullmatch, files)) else None


@contextmanager
def _silent(transformers: Any) -> Iterator[None]:
    """Without the bar that transformers draws while it reads weights."""
    logging = transformers.utils.logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
