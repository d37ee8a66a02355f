"""What the operator of a server decides."""

import ipaddress
import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from restore.declared import Declared, Memory
from restore.spec import Options
from restore.spec import description as described

LEASE = 15.0
"""Seconds that a worker may be silent before its job is given to another."""
ATTEMPTS = 5
"""How often a job may take its worker down with it before it fails."""
KEY_VARIABLE = "PHOTOMEND_API_KEYS"
RUNNING = ("device", "low_memory", "max_memory", "offline")


class Serve(Declared):
    """Serve restorations over HTTP, from jobs that survive a crash."""

    host: str = Field("127.0.0.1", description="Address. Beyond this machine, keys are required.")
    port: int = Field(8000, ge=0, le=65535, description="Port; 0 takes a free one.")
    store: str = Field("out/serve", description="Folder of jobs and results; one server each.")
    prior: str = Field(
        "embedded",
        min_length=1,
        description="Priors that clients may choose, with commas; the first unless they do.",
    )
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$", description="auto, cpu, cuda, cuda:N, mps."
    )
    low_memory: bool = Field(False, description=described(Options, "low_memory"))
    max_memory: Memory | None = Field(None, description=described(Options, "max_memory"))
    offline: bool = Field(False, description=described(Options, "offline"))
    keys: str | None = Field(
        None, description=f"File of API keys, one a line; else {KEY_VARIABLE} in the environment."
    )
    queue: int = Field(256, ge=1, description="Jobs that may wait; more are told to come back.")
    upload: float = Field(64, gt=0, description="Largest request in MiB.")
    pixels: float = Field(50, gt=0, description="Largest picture, before or after, in megapixels.")
    disk: float = Field(4, gt=0, description="Room for uploads and results in GiB.")
    keep: float = Field(24, gt=0, description="Hours that results are kept.")
    limit: float = Field(3600, gt=0, description="Seconds that a job may take.")
    engine: Literal["local", "ray"] = Field(
        "local", description="local, or ray: restorers on the devices of a Ray cluster."
    )
    ray_address: str | None = Field(
        None,
        description="Cluster, as 10.0.0.1:6379, or auto for the one that runs here. Default: "
        "RAY_ADDRESS, else one is started here.",
    )

    @property
    def priors(self) -> list[str]:
        """What clients may choose."""
        return [name.strip() for name in self.prior.split(",")]

    @property
    def running(self) -> dict[str, Any]:
        """What the operator decides of how every job runs, as of `restore.spec.Options`."""
        return {name: getattr(self, name) for name in RUNNING}

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def upload_bytes(self) -> int:
        """The largest body of a request."""
        return int(self.upload * 2**20)

    @property
    def disk_bytes(self) -> int:
        """The room for uploads and results."""
        return int(self.disk * 2**30)

    @property
    def max_pixels(self) -> int:
        """Of a picture that comes in or goes out."""
        return int(self.pixels * 1e6)

    def read_keys(self) -> tuple[str, ...]:
        """The API keys; ValueError where one is needed and there is none, or it is short."""
        if self.keys is not None:
            lines = Path(self.keys).read_text(encoding="utf-8").splitlines()
        else:
            lines = os.environ.get(KEY_VARIABLE, "").split(",")
        keys = tuple(line.strip() for line in lines if line.strip())
        if not keys and not self.loopback:
            raise ValueError(
                f"host: {self.host} can be reached from other machines; give API keys by --keys "
                f"FILE or in {KEY_VARIABLE}, or use 127.0.0.1"
            )
        if any(len(key) < 16 or not key.isascii() for key in keys):
            raise ValueError("keys: a key needs 16 or more ASCII characters; take random ones")
        return keys

    def told(self) -> str:
        """All of it in one line of JSON, for the worker."""
        return json.dumps(self.model_dump())


def read_told(line: str) -> Serve:
    """The settings that `Serve.told` wrote."""
    values: dict[str, Any] = json.loads(line)
    return Serve.model_validate(values)
