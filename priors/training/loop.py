"""What both stages share: warm-up, averaged weights, checkpoints that resume, a log in JSON lines.

Started by torchrun, several processes train apart and average their weights every `exchange` steps
(local SGD: Stich, ICLR 2019, arXiv:1805.09767): little to send, and no waiting between exchanges.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

Report = Callable[[str], None]


class TrainingError(RuntimeError):
    """Training stopped by itself: diverged, or could not write; the last good checkpoint stands."""


@dataclass(frozen=True)
class Budget:
    """How long to train: `minutes` of wall clock in all, or `steps`, whichever ends first."""

    minutes: float
    steps: int = 10**9
    warm_up: int = 100
    decay: float = 0.35

    def progress(self, elapsed: float, step: int) -> float:
        """Share of the budget that is used, 0 to 1."""
        return min(1.0, max(elapsed / (60 * self.minutes), step / self.steps))

    def rate(self, elapsed: float, step: int) -> float:
        """Learning-rate factor: linear warm-up, a plateau, down to zero over the last `decay`."""
        rise = min(1.0, (step + 1) / self.warm_up)
        return rise * min(1.0, (1 - self.progress(elapsed, step)) / self.decay)


@dataclass
class Trainer:
    """One network, its optimisers, the average of its weights, and where it stands."""

    model: nn.Module
    optimisers: list[torch.optim.Optimizer]
    budget: Budget
    folder: Path
    every: float = 300.0
    average: float = 0.999
    exchange: int = 20
    step: int = 0
    elapsed: float = 0.0
    ema: dict[str, Tensor] = field(default_factory=dict)
    base_rates: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.base_rates = [g["lr"] for o in self.optimisers for g in o.param_groups]
        self.ema = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        if self.checkpoint.exists():
            self._resume()

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def run(self, loss_of: Callable[[int], Tensor], report: Report) -> Iterator[int]:
        """Train until the budget is spent, yielding at checkpoints; `loss_of(step)` is pure."""
        started, saved = time.monotonic() - self.elapsed, time.monotonic()
        running, count = torch.zeros(()), 0
        rank, peers = place()
        while self.budget.progress(self.elapsed, self.step) < 1:
            loss = self._update(lambda step: loss_of(step * peers + rank))
            running, count = running + loss, count + 1
            if peers > 1 and self.step % self.exchange:
                continue
            self.elapsed = time.monotonic() - started
            self._exchange()
            if rank == 0 and time.monotonic() - saved >= self.every:
                if not torch.isfinite(running):
                    raise TrainingError(
                        f"loss is {running.item()} at step {self.step}; lower the learning "
                        f"rate and resume from {self.checkpoint}"
                    )
                self.log(report, loss=running.item() / count)
                self.save()
                running, count, saved = torch.zeros(()), 0, time.monotonic()
                yield self.step
        if rank == 0:
            self.save()
            yield self.step

    def _update(self, loss_of: Callable[[int], Tensor]) -> Tensor:
        rate = self.budget.rate(self.elapsed, self.step)
        groups = [g for o in self.optimisers for g in o.param_groups]
        for group, base in zip(groups, self.base_rates, strict=True):
            group["lr"] = base * rate
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss = loss_of(self.step)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        self._average()
        return loss.detach()

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.average, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            self.ema[name].lerp_(value, 1 - decay)

    @torch.no_grad()
    def _exchange(self) -> None:
        """Average the weights and their running averages over all processes; agree on the time."""
        if place()[1] == 1:
            return
        tensors = [*self.model.parameters(), *self.ema.values(), torch.tensor([self.elapsed])]
        flat = torch.cat([t.detach().flatten().float() for t in tensors])
        torch.distributed.all_reduce(flat)
        flat /= place()[1]
        for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))
        self.elapsed = tensors[-1].item()

    def averaged(self) -> nn.Module:
        """A copy of the network with the averaged weights."""
        import copy

        model = copy.deepcopy(self.model)
        model.load_state_dict(self.ema)
        return model.eval()

    def log(self, report: Report, **figures: float) -> None:
        """One line of JSON in `log.jsonl`, and a sentence to the reporter."""
        progress = self.budget.progress(self.elapsed, self.step)
        left = self.elapsed * (1 - progress) / max(progress, 1e-6)
        line = {"step": self.step, "seconds": round(self.elapsed, 1), **figures}
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        shown = "  ".join(f"{k} {v:.5g}" for k, v in figures.items())
        report(f"step {self.step}  {shown}  {left / 60:.0f} minutes left")

    def save(self) -> None:
        """Write the checkpoint beside itself and swap it in: a kill leaves the last good one."""
        state = {
            "model": self.model.state_dict(),
            "ema": self.ema,
            "optimisers": [o.state_dict() for o in self.optimisers],
            "step": self.step,
            "elapsed": self.elapsed,
        }
        partial = self.checkpoint.with_suffix(".partial")
        try:
            torch.save(state, partial)
            os.replace(partial, self.checkpoint)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise TrainingError(
                f"{self.checkpoint}: cannot write ({error}); the last checkpoint stands"
            ) from error

    def _resume(self) -> None:
        state: dict[str, Any] = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.ema = state["ema"]
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step, self.elapsed = state["step"], state["elapsed"]


def place() -> tuple[int, int]:
    """This process's number and how many there are: (0, 1) unless torchrun started several."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    return torch.distributed.get_rank(), torch.distributed.get_world_size()
