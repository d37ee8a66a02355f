"""Photos are deblurred as the camera took them: light, saturation, the tables of a JPEG."""

import io
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch import Tensor

import restore
from operators import Blur, Downsample, Gamma, Gaussian, Jpeg, Measurement, Seeds, kernels, simulate
from operators.exposure import HEADROOM, Camera, Exposure
from restore import solvers
from restore.camera import camera_of, file_sigma
from restore.images import read
from restore.metrics import psnr
from tests.drawings import scene

KERNEL = kernels.motion(11, 30)
SIGMA = 0.01
FAST: dict[str, Any] = {"steps": 6, "device": "cpu", "kernel": KERNEL}


def lit(side: int = 112) -> Tensor:
    """A drawing with lights, twice as bright as white."""
    x = 0.8 * scene(side) * torch.tensor([1.0, 0.8, 0.6]).reshape(1, 3, 1, 1)
    x[..., 40:46, 60:67], x[..., 80:84, 20:50] = 1.35, 1.35
    return x


def photo(x: Tensor, quality: int | None) -> tuple[bytes, Tensor]:
    """A file of what a camera took, and the clipped original in its window."""
    camera = Exposure(Blur(KERNEL, "valid"), Camera(clip=False, bits=16))
    y = simulate(camera, Gaussian(SIGMA), x, Seeds(0)).y.clamp(0, 1)
    file = io.BytesIO()
    image = Image.fromarray((255 * y[0]).round().byte().permute(1, 2, 0).numpy())
    image.save(file, "PNG") if quality is None else image.save(file, "JPEG", quality=quality)
    top, left = ((a - b) // 2 for a, b in zip(x.shape[2:], y.shape[2:], strict=True))
    window = x[..., top : top + y.shape[2], left : left + y.shape[3]]
    return file.getvalue(), window.clamp(max=1)


@pytest.mark.parametrize("quality", [pytest.param(None, marks=pytest.mark.slow), 75])
def test_the_chain_gains_and_explains_the_photo(quality: int | None) -> None:
    data, truth = photo(lit(), quality)
    naive = restore.deblur(data, camera="none", noise=SIGMA, **FAST)
    whole = restore.deblur(data, noise=SIGMA, **FAST)
    decibels = [float(psnr(result.pixels, truth)) for result in (naive, whole)]
    assert decibels[1] > decibels[0] + 1
    assert float(whole.pixels.max()) <= 1
    assert whole.report["certificate"]["accepted"] == [True]
    wrong = restore.deblur(data, noise=SIGMA, **{**FAST, "kernel": kernels.motion(11, 70)})
    assert wrong.report["certificate"]["accepted"] == [False]
    assert naive.report["camera"] is None
    told = whole.report["camera"]
    assert told["curve"] and told["clip"] and told["bits"] == 8
    if quality is None:
        assert told["jpeg"] is None
    else:
        assert told["jpeg"]["subsampling"] == "4:2:0"
        assert told["jpeg"]["inside_bins"][0] > 0.999


def test_saturation_is_censored() -> None:
    data, truth = photo(lit(), None)
    blind = restore.deblur(data, camera=Camera(clip=False), noise=SIGMA, **FAST)
    seeing = restore.deblur(data, noise=SIGMA, **FAST)
    assert float(psnr(seeing.pixels, truth)) > float(psnr(blind.pixels, truth)) + 0.3


def test_what_is_brighter_than_white_is_shown_to_the_prior_exposed_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    astronaut = torch.from_numpy(skimage.data.astronaut()[60:188, 300:428])
    x = 1.4 * astronaut.permute(2, 0, 1)[None] / 255
    data, truth = photo(x, None)
    seeing = restore.deblur(data, camera="srgb", noise=SIGMA, **FAST)
    monkeypatch.setattr(Exposure, "headroom", lambda *_: None)
    blind = restore.deblur(data, camera="srgb", noise=SIGMA, **FAST)
    assert float(psnr(seeing.pixels, truth)) > float(psnr(blind.pixels, truth)) + 1
    assert float(seeing.pixels.max()) == 1


def test_only_images_with_white_have_headroom() -> None:
    y = torch.full((3, 3, 8, 8), 0.5)
    y[1, 2, 4, 4] = 1
    camera, noise = Exposure(Blur(KERNEL, "reflect")), Gaussian(SIGMA)
    found = camera.headroom(Measurement(y, camera, noise))
    assert found is not None and found.shape == (3, 1, 1, 1)
    torch.testing.assert_close(found.flatten(), torch.tensor([1, HEADROOM, 1]))
    assert camera.headroom(Measurement(y[:1], camera, noise)) is None
    open_ended = replace(camera, camera=Camera(clip=False))
    assert open_ended.headroom(Measurement(y, open_ended, noise)) is None


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_enlarging_a_jpeg_undoes_its_compression(noise: float) -> None:
    x = lit(192).clamp(max=1)
    small = Gaussian(noise).sample(Downsample(2)(x), Seeds(0)).clamp(0, 1)
    file = io.BytesIO()
    image = Image.fromarray((255 * small[0]).round().byte().permute(1, 2, 0).numpy())
    image.save(file, "JPEG", quality=60)
    asked: dict[str, Any] = {"factor": 2, "steps": 6, "device": "cpu"}
    naive = restore.upscale(file.getvalue(), camera="none", **asked)
    whole = restore.upscale(file.getvalue(), **asked)
    decibels = [float(psnr(result.pixels, x)) for result in (naive, whole)]
    assert decibels[1] > decibels[0] + 0.5
    assert whole.accepted and not any(whole.report["certificate"]["unexplained"])
    told = whole.report["camera"]
    assert not told["curve"] and told["jpeg"]["inside_bins"][0] > 0.999
    assert naive.report["camera"] is None
    assert naive.report["noise"]["estimated"] and whole.report["noise"]["estimated"]
    lossless = io.BytesIO()
    image.save(lossless, "PNG")
    assert restore.upscale(lossless.getvalue(), **asked).report["camera"] is None
    light = restore.upscale(lossless.getvalue(), camera="srgb", **asked).report["camera"]
    assert light["curve"] and light["jpeg"] is None


@pytest.mark.slow
def test_several_samples_take_a_camera_too() -> None:
    data, truth = photo(lit(), 75)
    result = restore.deblur(data, noise=SIGMA, samples=2, inner=1, **FAST)
    assert result.report["solver"] == "pnpdm" and result.report["camera"] is not None
    assert float(psnr(result.pixels, truth)) > float(psnr(read(data).pixels, truth)) + 3


@pytest.mark.parametrize(
    "solver", ["dpir", "diffpir", pytest.param("tradeoff", marks=pytest.mark.slow)]
)
def test_solvers_that_linearise_take_a_camera(solver: str) -> None:
    data, truth = photo(lit(), None)
    result = restore.deblur(data, solver=solver, noise=SIGMA, **FAST | {"steps": 10})
    before = float(psnr(read(data).pixels, truth))
    assert result.report["camera"] is not None
    assert float(psnr(result.pixels, truth)) > before + 3


def test_arrays_and_other_solvers_have_no_camera_unless_told() -> None:
    array = np.array(Image.open(io.BytesIO(photo(lit(64), None)[0])))
    assert restore.deblur(array, noise=SIGMA, **FAST).report["camera"] is None
    told = restore.deblur(array, camera="srgb", noise=SIGMA, **FAST).report["camera"]
    assert told["curve"] and told["jpeg"] is None
    data, _ = photo(lit(64), None)
    assert camera_of(read(data), "auto", solvers.get("treg")) is None
    with pytest.raises(ValueError, match="camera: got 'leica'"):
        restore.deblur(array, camera="leica", **FAST)
    with pytest.raises(TypeError, match="needs a LinearOperator"):
        restore.deblur(array, camera="srgb", noise=SIGMA, solver="treg", kernel=KERNEL)
    with pytest.raises(TypeError, match="Bent"):
        restore.restore(array, Gamma(), noise=SIGMA)


@pytest.mark.parametrize(("code", "subsampling"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_the_file_tells_its_compression(code: int, subsampling: str) -> None:
    x = lit(64).clamp(max=1)
    turned, file = Image.Exif(), io.BytesIO()
    turned[0x0112] = 6
    image = Image.fromarray((255 * x[0]).round().byte().permute(1, 2, 0).numpy())
    image.save(file, "JPEG", quality=60, subsampling=code, exif=turned.tobytes())
    camera = camera_of(read(file.getvalue()), "auto", solvers.get("dpir"))
    assert camera is not None and camera.jpeg is not None
    assert (camera.jpeg.subsampling, camera.jpeg.orientation) == (subsampling, 6)
    for own, known in zip(camera.jpeg.tables(x), Jpeg(60).tables(x), strict=True):
        assert torch.equal(own, known)
    grey = io.BytesIO()
    image.convert("L").save(grey, "JPEG", quality=60)
    camera = camera_of(read(grey.getvalue()), "auto", solvers.get("dpir"))
    assert camera is not None and camera.jpeg is not None and camera.jpeg.subsampling == "4:4:4"


@pytest.mark.parametrize("sigma", [0.01, 0.025])
@pytest.mark.parametrize("quality", [85, 95])
def test_noise_is_told_from_coefficients(quality: int, sigma: float) -> None:
    clean = Gamma()(Blur(KERNEL, "valid")(Gamma().inverse(0.1 + 0.6 * lit(240))))
    found = []
    for seed in range(4):
        y = (clean + sigma * Seeds(seed).normal_like(clean)).clamp(0, 1)
        file = io.BytesIO()
        image = Image.fromarray((255 * y[0]).round().byte().permute(1, 2, 0).numpy())
        image.save(file, "JPEG", quality=quality)
        seen = read(file.getvalue())
        camera = camera_of(seen, "auto", solvers.get("dpir"))
        noise = file_sigma(seen.pixels, camera)
        assert noise is not None
        found.append(noise)
    # where rounding hides little the least of many coefficients is not taken for the noise
    assert fmean(found) == pytest.approx(sigma, rel=0.1 if sigma > 0.02 else 0.35)
    assert file_sigma(seen.pixels, Camera()) is None
    assert file_sigma(seen.pixels[..., :64, :64], camera) is None
