"""Mixing two networks, and what their mixtures are worth."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from priors import LatentPrior, load
from restore.bench import mixture


def linear(value: float, width: int = 2) -> torch.nn.Linear:
    layer = torch.nn.Linear(width, 1)
    for weights in layer.parameters():
        torch.nn.init.constant_(weights, value)
    return layer


def test_a_share_of_the_weights_is_the_others() -> None:
    mixed = mixture.mixed(linear(1.0), linear(5.0), 0.75)
    assert {float(w) for values in mixed.values() for w in values.flatten()} == {4.0}


def test_networks_of_other_shapes_do_not_mix() -> None:
    with pytest.raises(ValueError, match="one descent"):
        mixture.mixed(linear(1.0), linear(1.0, width=3), 0.5)


def test_errors_of_a_mixture_lie_where_its_network_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other network has no weights, and takes out no noise."""
    monkeypatch.setattr(mixture, "COUNT", 1)
    monkeypatch.setattr(mixture, "SIDE", 64)
    monkeypatch.setattr(mixture, "RATIOS", (0.25, 1.0))
    ramp = np.linspace(0, 255, 3 * 96 * 96).reshape(96, 96, 3).astype(np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(ramp).save(tmp_path / name)
    one, other = load("embedded"), load("embedded")
    assert isinstance(one, LatentPrior) and isinstance(other, LatentPrior)
    for weights in other.network.parameters():
        weights.data.zero_()
    rows = dict(mixture.measured(tmp_path, one, other, (0.0, 0.05, 1.0)))
    assert all(a < b < c for a, b, c in zip(rows[0.0], rows[0.05], rows[1.0], strict=True))
