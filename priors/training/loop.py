"""What both stages share: steps, averaged weights, checkpoints that resume, a watch on the loss.

A step is made of parts, `accumulate` of them in every process; each part draws its own crops and
noise from (seed, step, part) and nothing else. So a run that was killed goes on as if nothing had
happened, and two processes train as one process with two parts does.
"""

import copy
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from priors.threads import share_cores
from priors.training.layout import suit
from priors.training.options import Training
from priors.training.record import Record

Report = Callable[[str], None]
TICK = 10
"""Steps between looks at the clock and at the loss."""
EXPLODED = 20.0
"""How many times the lowest mean loss of a tick is a divergence."""


class TrainingError(RuntimeError):
    """Training stopped by itself: diverged, or could not write; the last good checkpoint stands."""


@dataclass(frozen=True)
class Progress:
    """Where training stands: loss and images a second over the last steps, seconds left."""

    step: int
    share: float
    loss: float
    images_per_second: float
    seconds_left: float


Watch = Callable[[Progress], None]


class Objective(nn.Module):
    """A network and what it is trained for."""

    network: nn.Module

    def forward(self, step: int, part: int, parts: int) -> tuple[Tensor, int]:
        """The loss of one of the parts of a step, and how many crops it was made of."""
        raise NotImplementedError


class Trainer:
    """One objective, its optimisers, the average of its weights, and where it stands."""

    def __init__(
        self,
        objective: Objective,
        optimisers: Callable[[nn.Module], list[torch.optim.Optimizer]],
        options: Training,
        folder: Path,
        accelerator: Any,
    ) -> None:
        """Resume from `folder` if it holds a checkpoint; TrainingError if that does not fit."""
        self.options, self.folder, self.accelerator = options, folder, accelerator
        folder.mkdir(parents=True, exist_ok=True)
        self.network = objective.to(accelerator.device).network
        if accelerator.device.type == "cuda":  # a CPU gains nothing by it
            suit(self.network)
        self.optimisers = optimisers(self.network)
        self._clock = time.process_time if options.clock == "processor" else time.monotonic
        self.base_rates = [g["lr"] for o in self.optimisers for g in o.param_groups]
        self.ema = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.step, self.elapsed, self.lowest = 0, 0.0, float("inf")
        if self.checkpoint.exists():
            self._resume()
        self.record = Record(folder, self.step) if accelerator.is_main_process else None
        several = accelerator.num_processes > 1
        self.objective = accelerator.prepare_model(objective) if several else objective

    @property
    def checkpoint(self) -> Path:
        """The file that a run resumes from."""
        return self.folder / "checkpoint.pt"

    @property
    def share(self) -> float:
        """How much of the budget is used, 0 to 1."""
        minutes, steps = self.options.minutes, self.options.steps
        used = [0.0 if minutes is None else self.elapsed / (60 * minutes)]
        used += [0.0 if steps is None else self.step / steps]
        return min(1.0, max(used))

    def run(self, watch: Watch | None) -> Iterator[int]:
        """Train until the budget is spent; yields, in every process, at each checkpoint.

        The last checkpoint is written, too, when the loop is left by an exception of the user's.
        """
        saved, clock, crops, before = self.elapsed, self._clock(), 0, self.step
        loss = nothing = torch.zeros((), device=self.accelerator.device)  # read in ticks only
        try:
            while self.share < 1:
                share_cores(loss.device)
                part_loss, part_crops = self._update()
                loss, crops = loss + part_loss, crops + part_crops
                last = self.options.steps is not None and self.step >= self.options.steps
                if self.step % TICK and not last:
                    continue
                mean = self._agreed(loss.item() / (self.step - before))
                seconds = self._agreed(self._clock() - clock)
                clock, self.elapsed = self._clock(), self.elapsed + seconds
                self._check(mean)
                if watch is not None:
                    watch(self._progress(mean, crops / max(seconds, 1e-9)))
                loss, crops, before = nothing, 0, self.step
                if self.elapsed - saved >= 60 * self.options.every or self.share >= 1:
                    self.log(loss=mean)
                    self.save()
                    yield self.step
                    saved, clock = self.elapsed, self._clock()
        except KeyboardInterrupt:
            self.save()
            raise

    def _progress(self, loss: float, rate: float) -> Progress:
        left = self.elapsed * (1 - self.share) / max(self.share, 1e-9)
        return Progress(self.step, self.share, loss, rate, left)

    def _update(self) -> tuple[Tensor, int]:
        """One step of every optimiser: mean loss of this process's parts, crops of all."""
        groups = [g for o in self.optimisers for g in o.param_groups]
        for group, base in zip(groups, self.base_rates, strict=True):
            group["lr"] = base * self._rate()
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        several = self.options.accumulate
        total, crops = torch.zeros((), device=self.accelerator.device), 0
        for k in range(several):
            wait = self.accelerator.no_sync(self.objective) if k + 1 < several else nullcontext()
            with wait, self._autocast():
                loss, seen = self.objective(self.step, rank * several + k, several * processes)
                self.accelerator.backward(loss / several)
            total, crops = total + loss.detach() / several, crops + seen * processes
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        self._average()
        return total, crops

    def _autocast(self) -> torch.autocast:
        half = self.options.precision == "bf16"
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=half)

    def _rate(self) -> float:
        """Learning-rate factor: linear warm-up, a plateau, down to zero over the last `decay`."""
        rise = min(1.0, (self.step + 1) / max(self.options.warm_up, 1))
        return rise * min(1.0, (1 - self.share) / self.options.decay)

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.options.average, (1 + self.step) / (10 + self.step))
        now = [*self.network.state_dict().values()]
        torch._foreach_lerp_([*self.ema.values()], now, 1 - decay)

    def _check(self, loss: float) -> None:
        """TrainingError where the loss is no number, or far above what it was."""
        if not loss <= EXPLODED * self.lowest:
            kept = f"{self.checkpoint} stands" if self.checkpoint.exists() else "nothing was saved"
            raise TrainingError(
                f"the loss is {loss:.3g} at step {self.step}: diverged; lower --rate "
                f"({self.options.rate:g}) and start again; {kept}"
            )
        self.lowest = min(self.lowest, loss)

    def _agreed(self, value: float) -> float:
        """The main process's value, in every process."""
        if self.accelerator.num_processes == 1:
            return value
        from accelerate.utils import broadcast

        told = torch.tensor(value, device=self.accelerator.device, dtype=torch.float32)
        return float(broadcast(told))

    def averaged(self) -> Any:
        """A copy of the network with the averaged weights, in float32, to look at or to write."""
        model = copy.deepcopy(self.network)
        model.load_state_dict(self.ema)
        return model.eval().requires_grad_(False)

    def log(self, **figures: float) -> None:
        """Write figures of this step; only the main process does."""
        if self.record is not None:
            self.record.write(self.step, self.elapsed, figures)

    def save(self) -> None:
        """Write the checkpoint beside itself and swap it in: a kill leaves the last good one."""
        if not self.accelerator.is_main_process:
            return
        state = {
            "model": self.network.state_dict(),
            "ema": self.ema,
            "optimisers": [o.state_dict() for o in self.optimisers],
            "step": self.step,
            "elapsed": self.elapsed,
            "lowest": self.lowest,
        }
        partial = self.checkpoint.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.checkpoint)
        except (OSError, RuntimeError) as error:  # torch's writer turns a full disk into the latter
            partial.unlink(missing_ok=True)
            raise TrainingError(
                f"{self.checkpoint}: cannot write ({error}); the last checkpoint stands"
            ) from error

    def _resume(self) -> None:
        try:
            state: dict[str, Any] = torch.load(
                self.checkpoint, map_location=self.accelerator.device, weights_only=True
            )
            self.network.load_state_dict(state["model"])
            for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(saved)
        except (RuntimeError, ValueError, KeyError) as error:
            raise TrainingError(
                f"{self.checkpoint}: does not fit these options ({str(error).splitlines()[0]}); "
                "give the options of its run, or another output directory"
            ) from error
        self.ema = state["ema"]
        self.step, self.elapsed, self.lowest = state["step"], state["elapsed"], state["lowest"]


def generator(*numbers: int) -> torch.Generator:
    """A generator on the CPU that depends on the numbers and nothing else."""
    digest = hashlib.sha256(repr(numbers).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
