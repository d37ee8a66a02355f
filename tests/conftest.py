"""What all tests share: one torch thread, no hub, and the folder of evaluation photos."""

import os
import signal
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import of huggingface_hub, which reads it once
os.environ["COLUMNS"] = "200"  # rich wraps help and errors at the terminal's width
os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start

import torch

torch.set_num_threads(1)  # small tensors are ten times faster on one thread

# Jobs that a shell starts in the background ignore Ctrl-C, and so would the commands under test.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with eval/, weights/ and peers/: PHOTOMEND_DATA, else ../shared/data."""
    folder = Path(os.environ.get("PHOTOMEND_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "eval").is_dir():
        pytest.skip(f"no evaluation photos in {folder}; set PHOTOMEND_DATA to their folder")
    return folder
