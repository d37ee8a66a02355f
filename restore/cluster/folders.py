"""Folders and stores on a Ray cluster: a restorer on every device, the manifest as checkpoint.

Ray Data hands every photo to one of the restorers, and again to another where a node dies. They
read and write by themselves; what they tell of a photo is recorded here, once.
"""

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from restore import spec
from restore.cluster import places
from restore.cluster.actor import AT_ONCE, Order, Restoring
from restore.cluster.connection import CPU, GPU, MEMORY, Devices, connected, devices
from restore.commands.batch import Batch, End, Manner, check_streams
from restore.commands.failure import FAILED, Failure, Refusal
from restore.commands.files import STREAM, Job, is_address, joined
from restore.commands.progress import Progress
from restore.commands.saving import endings_of
from restore.commands.tasks import Restored

WAVE = 10_000
"""Photos that Ray Data is given at once."""
ATTEMPTS = 5
"""How often a photo may lose its restorer before it is tried alone."""


def process(
    task: str,
    options: spec.Options,
    solver_options: dict[str, Any],
    jobs: list[Job],
    manner: Manner,
) -> int:
    """Do the jobs on the cluster; the exit code. Refusal of what a cluster cannot do."""
    check_streams(jobs, manner)
    if any(STREAM in (job.source, job.target) for job in jobs):
        raise Refusal("--engine ray: takes files, no standard input or output")
    import torch

    restored = Restored(task, options, solver_options, manner.overwrite)
    restored.check()
    there, out = _there(jobs), sys.stdout
    with connected(options.ray_address), Progress(len(jobs), quiet=manner.quiet) as progress:
        found = devices(options, torch.get_num_threads())
        batch = Batch(jobs, endings_of(options), manner, progress, restored.settings(), out)
        given = options.model_dump(exclude=spec.PLACING)
        order = Order(task, given, solver_options, os.getcwd(), found.threads)
        waiting = iter(_to_do(batch, there))
        while wave := list(islice(waiting, WAVE)):
            if not _wave(batch, wave, order, found):
                break
    return batch.code()


def _to_do(batch: Batch, there: set[str]) -> Iterator[int]:
    """The numbers of the jobs that are not settled; those that are, are told."""
    for number, job in enumerate(batch.jobs):
        end = batch.settled(job)
        if end is None and job.target in there and not batch.manner.overwrite:
            end = End()
        if end is None:
            yield number
        else:
            batch.tell(number, end)


def _there(jobs: list[Job]) -> set[str]:
    """Of the addresses to write to, those that exist; Refusal where nothing can be written."""
    folders = set()
    for job in jobs:
        if is_address(job.target):
            place, mark, query = job.target.partition("?")
            folders.add(f"{place.rpartition('/')[0]}{mark}{query}")
    return {
        joined(folder, Path(name))
        for folder in folders
        for name in places.listed(folder, recursive=False)
    }


def _wave(batch: Batch, wave: list[int], order: Order, found: Devices) -> bool:
    """Do some jobs, those that lost their restorer too often once more, each alone.

    Whether more make sense.
    """
    if batch.record:
        batch.record.begin(*(batch.jobs[number] for number in wave))
    left = dict.fromkeys(wave)
    for at_once in (AT_ONCE, 1):
        rows = _results(batch.jobs, [*left], order, found, at_once) if left else ()
        for number, told in rows:
            if number in left:
                del left[number]
                if not _ended(batch, number, told):
                    return False
    for number in left:
        line = f"it ended its restorer {ATTEMPTS} times; a smaller --tile needs less memory"
        _ended(batch, number, {"failure": {"message": line, "code": FAILED}, "lines": []})
    return True


def _ended(batch: Batch, number: int, told: dict[str, Any]) -> bool:
    """Record and tell what a restorer told of a job; whether another one makes sense."""
    job, failure = batch.jobs[number], told["failure"] and Failure(**told["failure"])
    if batch.record:
        error = None if failure is None else failure.message
        batch.record.end(job, error, told.get("picture"))
    return batch.tell(number, End(told.get("report"), failure, told["lines"]))


def _results(
    jobs: list[Job], numbers: list[int], order: Order, found: Devices, at_once: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """What the restorers tell, in the order in which they end, of each job at least once."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    context.execution_options.preserve_order = False
    for name in ("ray.data", "ray.data.dataset"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    rows = [{"number": number, **_row(jobs[number])} for number in numbers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            Restoring,
            fn_constructor_args=(order,),
            compute=ray.data.ActorPoolStrategy(
                min_size=1,
                max_size=found.count,
                initial_size=min(found.count, len(rows)),
                max_tasks_in_flight_per_actor=at_once + 1 if at_once > 1 else 1,
                max_concurrent_calls_per_actor=at_once,
                enable_true_multi_threading=True,
            ),
            num_cpus=found.takes.get(CPU),
            num_gpus=found.takes.get(GPU),
            memory=found.takes.get(MEMORY),
            max_task_retries=ATTEMPTS - 1,
        )
        for row in results.iter_rows():
            yield row["number"], json.loads(row["told"])


def _row(job: Job) -> dict[str, str]:
    return {"source": job.source, "target": job.target, "below": str(job.below)}
