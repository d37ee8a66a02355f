"""ComfyUI nodes: load a prior, degrade, deblur, upscale, inpaint, restore through any operator.

A folder in ComfyUI's custom_nodes whose __init__.py has this line is the node pack:

from restore.interop.comfyui import comfy_entrypoint

Images are (B, H, W, C) on [0, 1], masks (B, H, W) with 1 where to repaint. Each picture of a batch
is restored alone, with a seed of its own that counts up from the node's. ComfyUI runs nodes in
inference mode, in which no solver could take a gradient: these leave it.
"""

import json
from collections.abc import Iterator
from typing import Any

import torch
from comfy_api.latest import ComfyExtension, io  # type: ignore[import-not-found, unused-ignore]
from torch import Tensor

from operators.measurement import simulate
from operators.noise import Gaussian
from operators.seeds import Seeds
from restore import api, asked, chain
from restore.interop.comfyui.widgets import (
    DEFAULT,
    Prior,
    as_image,
    as_pixels,
    choice,
    common,
    device,
    explained,
    number,
    operating,
    seeding,
    watched,
)
from restore.restorer import Restorer

CATEGORY = "photomend"


class LoadPrior(io.ComfyNode):  # type: ignore[misc, unused-ignore]
    """What photos look like, by name, and in words where the prior reads any."""

    @classmethod
    def define_schema(cls) -> Any:
        """Its widgets and its output."""
        return io.Schema(
            node_id="PhotomendLoadPrior",
            display_name="Load Prior (photomend)",
            category=CATEGORY,
            description=cls.__doc__,
            inputs=[
                io.String.Input("name", default="embedded", tooltip=explained("prior")),
                io.String.Input("prompt", default="", multiline=True, tooltip=explained("prompt")),
                io.String.Input(
                    "negative", default="", multiline=True, tooltip=explained("negative")
                ),
                number("guidance", 1.0, 0.0, 30.0, 0.1),
                io.Boolean.Input("low_memory", default=False, tooltip=explained("low_memory")),
            ],
            outputs=[Prior.Output("loaded", display_name="prior")],
        )

    @classmethod
    @torch.inference_mode(False)
    def execute(cls, name: str, **text: Any) -> Any:
        """Load it now, so that what is wrong with it is this node's error."""
        chosen = {"prior": name, "device": device(), **text}
        Restorer(**chosen)
        return io.NodeOutput(chosen)


class Degrade(io.ComfyNode):  # type: ignore[misc, unused-ignore]
    """Make a test input: a chain of operators, the right one first, then white noise."""

    @classmethod
    def define_schema(cls) -> Any:
        """Its widgets and its output."""
        return io.Schema(
            node_id="PhotomendDegrade",
            display_name="Degrade (photomend)",
            category=CATEGORY,
            description=cls.__doc__,
            inputs=[io.Image.Input("image"), operating(), number("noise", 0.0, 0.0), seeding()],
            outputs=[io.Image.Output("degraded", display_name="image")],
        )

    @classmethod
    @torch.inference_mode(False)
    def execute(cls, image: Tensor, operator: str, noise: float, seed: int) -> Any:
        """y = A(x) + noise, clipped to [0, 1]."""
        pixels = as_pixels(image)
        seeds = Seeds(*(seed + k for k in range(len(pixels))))
        seen = simulate(chain.parse(operator), Gaussian(noise), pixels, seeds)
        return io.NodeOutput(as_image(seen.y.clamp(0, 1)))


class _Restoring(io.ComfyNode):  # type: ignore[misc, unused-ignore]
    """What the restoring nodes share: the prior, the solver, and how they run."""

    task: str

    @classmethod
    def define_schema(cls) -> Any:
        """The node's own inputs between the image and those of every restoration."""
        return io.Schema(
            node_id=f"Photomend{cls.__name__}",
            display_name=f"{cls.__name__} (photomend)",
            category=CATEGORY,
            description=cls.__doc__,
            inputs=[io.Image.Input("image"), *cls.own(), *common()],
            outputs=[
                io.Image.Output("restored", display_name="image"),
                io.String.Output("report", display_name="report"),
            ],
        )

    @classmethod
    def own(cls) -> list[Any]:
        """Inputs of this task alone."""
        raise NotImplementedError

    @classmethod
    def told(cls, count: int, **given: Any) -> Iterator[dict[str, Any]]:
        """What the library's function is told of each of so many pictures."""
        for _ in range(count):
            yield given

    @classmethod
    @torch.inference_mode(False)
    def execute(
        cls,
        image: Tensor,
        *,
        noise: float,
        solver: str,
        steps: int,
        fidelity: float,
        seed: int,
        prior: dict[str, Any] | None = None,
        **given: Any,
    ) -> Any:
        """Restore picture after picture; also a JSON list with the report of each."""
        pixels = as_pixels(image)
        options = dict(prior or {"device": device()})
        for name, value in (("noise", noise), ("fidelity", fidelity)):
            options |= {name: value} if value >= 0 else {}
        options |= {"steps": steps} if steps > 0 else {}
        options |= {"solver": solver} if solver != DEFAULT else {}
        restored, reports = [], []
        for k, told in enumerate(cls.told(len(pixels), **given)):
            chosen = watched(asked.chosen_solver(options, 1), k, len(pixels))
            arguments = {**told, **options, "solver": chosen, "seed": seed + k}
            result = getattr(api, cls.task)(pixels[k : k + 1], **arguments)
            restored.append(result.pixels)
            reports.append(result.report)
        return io.NodeOutput(as_image(torch.cat(restored)), json.dumps(reports))


class Deblur(_Restoring):
    """Remove a blur that is known, or estimated from the picture where no kernel is given."""

    task = "deblur"

    @classmethod
    def own(cls) -> list[Any]:
        return [
            io.String.Input("kernel", default="", tooltip=explained("kernel", "deblur")),
            choice("boundary", "deblur"),
        ]

    @classmethod
    def told(cls, count: int, **given: Any) -> Iterator[dict[str, Any]]:
        return super().told(count, **{**given, "kernel": given["kernel"].strip() or None})


class Upscale(_Restoring):
    """Enlarge: find the picture that shrinks to this one."""

    task = "upscale"

    @classmethod
    def own(cls) -> list[Any]:
        help = explained("factor", "upscale")
        factor = io.Int.Input("factor", default=4, min=2, max=16, tooltip=help)
        return [factor, choice("filter", "upscale")]


class Restore(_Restoring):
    """Undo any chain of operators."""

    task = "restore"

    @classmethod
    def own(cls) -> list[Any]:
        return [operating()]

    @classmethod
    def told(cls, count: int, **given: Any) -> Iterator[dict[str, Any]]:
        return super().told(count, operator=chain.parse(given["operator"]))


class Inpaint(_Restoring):
    """Repaint where the mask is 1; every other value stays exactly as it is."""

    task = "inpaint"

    @classmethod
    def own(cls) -> list[Any]:
        return [io.Mask.Input("mask", tooltip="1 where to repaint; one, or one a picture.")]

    @classmethod
    def told(cls, count: int, **given: Any) -> Iterator[dict[str, Any]]:
        """ValueError unless there is one mask, or one a picture."""
        masks = given["mask"].reshape(-1, *given["mask"].shape[-2:]) > 0.5
        if len(masks) not in (1, count):
            raise ValueError(f"mask: got {len(masks)} for {count} pictures; give one, or one each")
        for mask in masks.expand(count, -1, -1):
            yield {"mask": mask.cpu()}


NODES = (LoadPrior, Degrade, Deblur, Upscale, Inpaint, Restore)


class Photomend(ComfyExtension):  # type: ignore[misc, unused-ignore]
    """The node pack."""

    async def get_node_list(self) -> list[Any]:
        """Its nodes."""
        return list(NODES)


async def comfy_entrypoint() -> Photomend:
    """What ComfyUI calls to load the pack."""
    return Photomend()
