"""Errors of networks on held-out photos."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from priors import LatentPrior, load
from restore.bench import errors


def test_a_worse_network_errs_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One with smaller weights takes out less noise; a table has a row for each."""
    monkeypatch.setattr(errors, "COUNT", 1)
    monkeypatch.setattr(errors, "SIDE", 64)
    monkeypatch.setattr(errors, "RATIOS", (0.25, 1.0))
    ramp = np.linspace(0, 255, 3 * 96 * 96).reshape(96, 96, 3).astype(np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(ramp).save(tmp_path / name)
    one, other = load("embedded"), load("embedded")
    assert isinstance(one, LatentPrior) and isinstance(other, LatentPrior)
    for weights in other.network.parameters():
        weights.data.mul_(0.95)
    known = {"good": one, "bad": other}
    monkeypatch.setattr(errors, "load", known.__getitem__)
    lines: list[str] = []
    errors.main(str(tmp_path), *known, report=lines.append)
    rows = [line.strip("| ").split(" | ") for line in "\n".join(lines).splitlines()]
    assert rows[0] == ["prior", "0.25", "1.0"] and [row[0] for row in rows[2:]] == ["good", "bad"]
    good, bad = ([float(cell) for cell in row[1:]] for row in rows[2:])
    assert all(a < b for a, b in zip(good, bad, strict=True))


def test_only_priors_of_an_autoencoder_and_a_network_can_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "load", lambda name: object())
    with pytest.raises(SystemExit, match="pixels: an autoencoder"):
        errors.main(str(tmp_path), "pixels")
