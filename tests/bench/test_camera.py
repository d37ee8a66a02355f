"""The benchmark of the camera's chain: how its photos are taken, and its table."""

import pytest
import torch
from torch.nn.functional import interpolate

from operators.seeds import Seeds
from operators.tone import Gamma
from restore.bench import camera
from restore.restorer import Restorer
from tests.drawings import scene


def picture() -> torch.Tensor:
    return scene(80) * torch.tensor([1.0, 0.8, 0.6]).reshape(1, 3, 1, 1)


def test_lights_are_a_few_per_cent_of_the_pixels_and_far_brighter() -> None:
    x = picture()
    bright = camera.lit(x)
    share = float((bright.amax(1) > 1).double().mean())
    assert 0 < share <= camera.SHARE + 1e-6
    light = Gamma().inverse(x)
    rest = bright.amax(1, keepdim=True) <= 1
    ratio = (Gamma().inverse(bright) / light)[rest.expand_as(x)]
    assert float(ratio.max() - ratio.min()) < 1e-3 * float(ratio.max())


def test_photos_are_of_8_bits_in_the_window_of_the_original() -> None:
    for damage in camera.DAMAGE:
        shot = camera.taken(picture(), "disk", damage, 0.01, Seeds(0))
        assert shot.y.shape == shot.x.shape
        torch.testing.assert_close((255 * shot.y).round() / 255, shot.y)
        assert float(shot.x.max()) <= 1
    plain, compressed = (
        camera.taken(picture(), "disk", damage, 0.01, Seeds(0)).y for damage in ("lights", "both")
    )
    assert 0.001 < float((plain - compressed).square().mean().sqrt()) < 0.03


def test_the_table_has_a_row_a_damage_and_model() -> None:
    figures = {"psnr": 30.0, "lpips": None, "chi_square": 1.0, "inside bins": 0.99, "seconds": 1.0}
    rows = [
        {"damage": damage, "models": {"as given": {"psnr": 20.0, "lpips": None}, "values": figures}}
        for damage in camera.DAMAGE
    ]
    settings = {"sigma": 0.01, "quality": camera.QUALITY, "limit": 1, "seed": 0}
    found = {damage: camera.summarised(rows, damage) for damage in camera.DAMAGE}
    text = camera.markdown({"settings": settings, "damage": found})
    assert "| both | values | 30.000 |  | 1.000 | 0.990 | 1.000 |" in text
    assert text.count("\n| ") == 1 + 2 * len(camera.DAMAGE)


def test_the_original_lies_in_the_bins_and_so_does_what_is_restored() -> None:
    shot = camera.taken(picture(), "motion", "jpeg", 0.005, Seeds(0))
    restorer = Restorer(solver="dpir", steps=4, device="cpu")
    models = camera.measured(shot, "jpeg", 0.005, restorer, None)
    assert models["the original"]["inside bins"] > 0.995
    assert models["the whole"]["inside bins"] > 0.999
    assert models["the whole"]["psnr"] > models["values"]["psnr"]
    row = camera.summarised([{"damage": "jpeg", "models": models}], "jpeg")["the original"]
    assert row["psnr"] is None and row["inside bins"] == models["the original"]["inside bins"]


@pytest.mark.parametrize("damage", ["quality 20", "3 bits"])
def test_what_was_compressed_or_rounded_and_no_more_is_restored(damage: str) -> None:
    restorer = Restorer(solver="dpir", steps=4, device="cpu")
    soft = interpolate(picture()[..., ::4, ::4], size=(80, 80), mode="bicubic").clamp(0, 1)
    x = picture() if damage.startswith("quality") else soft
    models = camera.undone(x, camera.ALONE[damage], restorer, None)
    assert models["restored"]["psnr"] > models["as given"]["psnr"] + 0.3
    inside = models["restored"]["inside bins"]
    assert inside > 0.999 if damage.startswith("quality") else inside is None
