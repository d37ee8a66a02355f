"""What a bug report needs: versions, devices, memory, disk, and which priors load."""

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from restore.memory import memory_free

PACKAGES = (
    "photomend",
    "torch",
    "torchvision",
    "diffusers",
    "huggingface-hub",
    "lpips",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "pydantic",
    "safetensors",
    "scikit-image",
    "scipy",
)


def examine() -> dict[str, Any]:
    """The state of the installation as JSON-able values; sizes in bytes.

    "problems" lists, a line each with its cure, what keeps photomend from working.
    """
    report: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "executable": sys.executable,
        "packages": {name: _version(name) for name in PACKAGES},
        "cpus": os.cpu_count(),
        "memory_free_bytes": memory_free(),
        "disk_free_bytes": shutil.disk_usage(Path.cwd()).free,
        "problems": [],
    }
    missing = [name for name, found in report["packages"].items() if found is None]
    required = [name for name in missing if name != "scikit-image"]
    if required:
        report["problems"].append(f"not installed: {', '.join(required)}; pip install photomend")
    try:
        report["devices"] = _devices()
        report["priors"] = [_prior("embedded")]
    except ImportError as error:
        report["problems"].append(
            f"{error}; install matching torch and torchvision in one pip command"
        )
    report["problems"] += [p["problem"] for p in report.get("priors", ()) if "problem" in p]
    return report


def _devices() -> dict[str, Any]:
    import torch

    from restore.device import device, dtype

    chosen = device()
    cards = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return {
        "chosen": str(chosen),
        "dtype": str(dtype("auto", chosen)).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "cuda": [{"name": card.name, "memory_bytes": card.total_memory} for card in cards],
        "mps": torch.backends.mps.is_available(),
    }


def _prior(name: str) -> dict[str, Any]:
    """Whether a prior can be read and its network asked once."""
    import torch

    from priors.hub import PriorError, load

    try:
        prior = load(name, offline=True)
        side = max(32, 2 * prior.multiple)
        with torch.no_grad():
            state = prior.encode(torch.full((1, 3, side, side), 0.5))
            answer = prior.denoise(state, prior.schedule.at(0.5))
    except (PriorError, OSError) as error:
        return {"name": name, "loads": False, "problem": str(error)}
    if not bool(torch.isfinite(answer).all()):
        return {"name": name, "loads": False, "problem": f"{name}: its network gives no numbers"}
    return {"name": name, "loads": True}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
