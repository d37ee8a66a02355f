"""A restoration as a diffusers pipeline, with the conventions of diffusers' own.

pipe = RestorationPipeline.from_pretrained("priors/embedded")
picture = pipe(photo, Blur(kernel), generator=torch.Generator().manual_seed(0)).images[0]
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput
from torch import Tensor

from operators.base import Operator
from priors.latent import LatentPrior
from priors.schedule import from_config
from restore.images import read
from restore.restoration import Restoration
from restore.restorer import Restorer

TENSORS = ("latents", "x0")
"""What a callback may ask for: the state, and the clean state that the solver makes of it."""
_SEEDS = 2**31 - 1


class RestorationPipeline(DiffusionPipeline):  # type: ignore[misc, unused-ignore]
    """Restores pictures with an autoencoder, a UNet2DModel on its latents, and a scheduler's
    noise levels: any directory or hub id of an unconditional latent pipeline."""

    model_cpu_offload_seq = "unet->vqvae"
    _callback_tensor_inputs = TENSORS

    def __init__(self: Any, vqvae: Any, unet: Any, scheduler: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.register_modules(vqvae=vqvae, unet=unet, scheduler=scheduler)
        self._interrupt = False

    @property
    def interrupt(self) -> bool:
        """Whether a callback asked to stop, by setting `_interrupt`."""
        return self._interrupt

    @torch.no_grad()
    def __call__(
        self: Any,
        image: Any,
        operator: Operator,
        *,
        noise: float | None = None,
        solver: str = "tradeoff",
        num_inference_steps: int | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable[..., Any] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        **options: Any,
    ) -> Any:
        """Restore what was seen through the operator.

        image: a measurement (B, C, h, w) on [0, 1], or a photo (PIL, array, path, bytes) or a list
        of them of one size. noise: standard deviation on [0, 1], estimated where None. solver and
        options: as of `restore.Restorer`. generator: one, or one an image; each gives an image's
        seed, so that a picture is the same alone and in a batch. output_type: pil, np, pt. A
        callback is given the pipeline, the step, steps done so far, and the tensors that it asks
        for; what it returns is not heeded. Interrupted, the last preview is given.
        ValueError for another output_type, tensor, or number of generators.
        """
        if output_type not in ("pil", "np", "pt"):
            raise ValueError(f"output_type: got {output_type!r}; use pil, np or pt")
        if wrong := set(callback_on_step_end_tensor_inputs) - set(TENSORS):
            raise ValueError(f"callback_on_step_end_tensor_inputs: {wrong} are none of {TENSORS}")
        y = _pixels(image).to(self._execution_device)
        if num_inference_steps is not None:
            options["steps"] = num_inference_steps
        restorer = Restorer(self.prior(), solver, device=str(self._execution_device))
        job = restorer.stream(y, operator, noise=noise, seed=_seeds(generator, len(y)), **options)
        self._iterate(job, callback_on_step_end, callback_on_step_end_tensor_inputs)
        pictures = job.preview().cpu() if self.interrupt else job.result().pixels
        self.maybe_free_model_hooks()
        images = _given(pictures, output_type)
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    def _iterate(
        self: Any, job: Restoration, told: Callable[..., Any] | None, names: Sequence[str]
    ) -> None:
        """Go on until the end, or until a callback sets `_interrupt`."""
        self._interrupt = False
        first = next(job)
        with self.progress_bar(total=first.steps) as bar:
            for state in chain([first], job):
                bar.update()
                if told is not None:
                    tensors = {"latents": state.x, "x0": state.x0}
                    told(self, state.step - 1, state.step, {name: tensors[name] for name in names})
                if self.interrupt:
                    return

    def prior(self: Any) -> LatentPrior:
        """The pipeline's networks as a prior, for solvers of your own."""
        config = self.scheduler.config
        return LatentPrior(self.vqvae, self.unet, from_config(config), config.prediction_type)


def _pixels(image: Any) -> Tensor:
    if isinstance(image, Tensor) and image.ndim == 4:
        return image.float()
    images = image if isinstance(image, list | tuple) else [image]
    return torch.cat([read(one).pixels for one in images])


def _seeds(
    generator: torch.Generator | Sequence[torch.Generator] | None, count: int
) -> tuple[int, ...]:
    if isinstance(generator, list | tuple):
        if len(generator) != count:
            raise ValueError(f"generator: got {len(generator)} for {count} images; give one each")
        return tuple(_drawn(one) for one in generator)
    return tuple(_drawn(generator) for _ in range(count))


def _drawn(generator: Any) -> int:
    device = "cpu" if generator is None else generator.device
    return int(torch.randint(_SEEDS, (), generator=generator, device=device))


def _given(pictures: Tensor, output_type: str) -> Any:
    if output_type == "pt":
        return pictures
    arrays = pictures.permute(0, 2, 3, 1).numpy()
    return arrays if output_type == "np" else DiffusionPipeline.numpy_to_pil(arrays)
