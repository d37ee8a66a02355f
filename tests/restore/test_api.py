"""The Python interface on the embedded prior: small pictures, two steps, every kind of photo."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

import restore
from operators import kernels
from operators.blur import Blur
from operators.exposure import Camera, Exposure
from operators.jpeg import Jpeg
from operators.mask import box_mask, brush_mask, random_mask
from operators.measurement import Measurement, simulate
from operators.noise import Gaussian
from operators.resize import Downsample
from operators.seeds import Seeds
from operators.tone import Gamma
from restore.bench.seams import edge
from restore.blind import Blind, NotBlurred, Unknowable, correlation
from restore.guessed import KERNEL_ERROR, with_estimate
from restore.misled import CHANGED, LITTLE
from restore.preparation import padding
from restore.result import Result
from restore.trials import Guess
from tests.drawings import blurred, scene

FAST: dict[str, Any] = {"steps": 2, "device": "cpu", "dtype": "float32"}
PIXELS = torch.zeros(1, 3, 8, 8)


def smooth(height: int, width: int, channels: int = 3) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A picture with an edge, a ramp and some texture, (H, W, C) in [0, 1]."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    ramp = 0.2 + 0.5 * columns / width + 0.1 * np.sin(rows / 3)
    picture = np.where(rows + columns > (height + width) / 2, ramp, 0.9 - ramp)
    return np.stack([picture * shade for shade in (1.0, 0.8, 0.6)[:channels]], -1)


def eight(height: int = 32, width: int = 48) -> Any:
    return (smooth(height, width) * 255).round().astype(np.uint8)


def png(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", **options)
    return buffer.getvalue()


def tensor(height: int = 32, width: int = 48) -> Tensor:
    return torch.from_numpy(smooth(height, width)).permute(2, 0, 1)[None]


def test_the_same_kind_comes_out(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(png(eight()))
    deblurred = {
        "path": restore.deblur(path, kernel="gaussian:1", camera="none", **FAST).image,
        "bytes": restore.deblur(
            path.read_bytes(), kernel="gaussian:1", camera="none", **FAST
        ).image,
        "pil": restore.deblur(Image.open(path), kernel="gaussian:1", camera="none", **FAST).image,
        "array": restore.deblur(eight(), kernel="gaussian:1", **FAST).image,
        "deep": restore.deblur(
            (smooth(32, 48) * 65535).astype(np.uint16), kernel="disk:1", **FAST
        ).image,
        "tensor": restore.deblur(tensor(), kernel="gaussian:1", **FAST).image,
    }
    assert isinstance(deblurred["path"], Image.Image) and deblurred["path"].size == (48, 32)
    assert isinstance(deblurred["bytes"], bytes)
    assert isinstance(deblurred["pil"], Image.Image)
    assert deblurred["array"].shape == (32, 48, 3) and deblurred["array"].dtype == np.uint8
    assert deblurred["deep"].dtype == np.uint16
    assert (
        deblurred["tensor"].shape == (1, 3, 32, 48) and deblurred["tensor"].dtype == torch.float32
    )
    # one picture through five doors
    for other in ("pil", "array"):
        np.testing.assert_array_equal(np.asarray(deblurred["path"]), np.asarray(deblurred[other]))
    opened = Image.open(io.BytesIO(deblurred["bytes"]))
    np.testing.assert_array_equal(np.asarray(deblurred["path"]), np.asarray(opened))


@pytest.mark.parametrize("size", [(17, 16), (37, 53), (5, 64)])
def test_any_height_and_width(size: tuple[int, int]) -> None:
    assert restore.deblur(eight(*size), kernel="motion:5,30", **FAST).image.shape == (*size, 3)


def test_padding_is_a_crop_to_the_next_multiple() -> None:
    frame = padding((1, 3, 37, 32), 16)
    assert frame is not None and frame.image_shape((1, 3, 37, 32)) == (1, 3, 48, 32)
    assert padding((1, 3, 48, 32), 16) is None


def test_upscale_has_the_factor_and_keeps_grey_and_alpha() -> None:
    assert restore.upscale(eight(20, 24), 2, **FAST).image.shape == (40, 48, 3)
    grey = Image.fromarray(eight()[:, :, 0])
    larger = restore.upscale(grey, 4, **FAST).image
    assert larger.mode == "L" and larger.size == (192, 128)
    rgba = Image.fromarray(np.dstack([eight(), np.full((32, 48), 77, np.uint8)]))
    larger = restore.upscale(rgba, 2, **FAST).image
    assert larger.mode == "RGBA" and larger.size == (96, 64)
    assert np.unique(np.asarray(larger)[..., 3]).tolist() == [77]


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_inpainting_keeps_every_known_pixel_exactly(depth: type) -> None:
    top = np.iinfo(depth).max
    photo: Any = (smooth(32, 48) * top).round().astype(depth)
    photo[::3] += np.random.default_rng(0).integers(0, 9, photo[::3].shape).astype(depth)
    mask = np.zeros((32, 48), np.uint8)
    mask[8:20, 10:30] = 255
    filled = restore.inpaint(photo, mask, **FAST).image
    known = mask == 0
    np.testing.assert_array_equal(filled[known], photo[known])
    assert (filled[~known] != photo[~known]).any()


def test_a_hole_is_filled_from_its_surroundings() -> None:
    photo = np.full((48, 48, 3), 180, np.uint8)
    mask = np.zeros((48, 48), np.uint8)
    mask[16:32, 16:32] = 255
    photo[mask > 0] = 0
    filled = restore.inpaint(photo, mask, device="cpu", steps=6).image
    assert np.abs(filled.astype(int) - 180).max() <= 12


@pytest.mark.parametrize("name", ["astronaut", "chelsea"])
def test_the_edge_of_what_was_filled_is_not_seen(name: str) -> None:
    """Steps across it are at most 1.1 times those in a ring of known pixels."""
    photo = torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None] / 255
    small = torch.nn.functional.avg_pool2d(photo, 2)[..., 20:116, 60:156]
    for unknown in (brush_mask(96, 96, 4, 4.0, 1), box_mask(96, 96, 24, 24)):
        filled = restore.inpaint(small, unknown, steps=10).pixels
        assert edge(filled, unknown) <= 1.1


def test_orientation_is_applied_and_saved_upright(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    path = tmp_path / "turned.png"
    path.write_bytes(png(np.rot90(eight()), exif=turned.tobytes()))
    result = restore.deblur(path, kernel="gaussian:1", camera="none", **FAST)
    upright = restore.deblur(eight(), kernel="gaussian:1", **FAST)
    np.testing.assert_array_equal(np.asarray(result.image), upright.image)
    saved = Image.open(result.save(tmp_path / "out.png"))
    assert saved.getexif().get(0x0112, 1) == 1 and saved.size == (48, 32)
    with pytest.raises(restore.PhotoError, match=r"out\.png"):
        result.save(tmp_path / "out.png")


def test_the_same_seed_gives_the_same_picture_alone_and_in_a_batch() -> None:
    pair = torch.cat([tensor(), 1 - tensor()])
    restorer = restore.Restorer(solver="diffpir", **FAST)
    small = Downsample(2)
    both = restorer(pair, small, noise=0.05, seed=[4, 9]).pixels
    again = restorer(pair, small, noise=0.05, seed=[4, 9]).pixels
    alone = restorer(pair[1:], small, noise=0.05, seed=9).pixels
    assert torch.equal(both, again)
    torch.testing.assert_close(both[1:], alone, atol=2e-5, rtol=0)
    other = restorer(pair[1:], small, noise=0.05, seed=10).pixels
    assert (other - alone).abs().max() > 1e-3


def test_nothing_rings_at_the_frame_of_a_camera() -> None:
    """A camera sees light from beyond its frame: the default must not suppose what is there."""
    scene = tensor(96, 96)
    kernel = kernels.motion(15, 20)
    photo = Blur(kernel, "valid")(scene)
    top, left = ((96 - side) // 2 for side in photo.shape[2:])
    truth = scene[:, :, top : top + photo.shape[2], left : left + photo.shape[3]]

    def errors(boundary: Any) -> tuple[float, float]:
        pixels = restore.deblur(
            photo, kernel=kernel, noise=0.005, boundary=boundary, device="cpu"
        ).pixels
        error = (pixels - truth).square().mean(1)
        inside = error[:, 15:-15, 15:-15]  # the band is as wide as the kernel
        band = (error.sum() - inside.sum()) / (error.numel() - inside.numel())
        return float(band.sqrt()), float(inside.mean().sqrt())

    band, centre = errors("valid")
    assert band <= 1.5 * centre
    assert band < 0.5 * errors("reflect")[0]


def test_samples_differ_and_their_spread_is_reported() -> None:
    result = restore.upscale(tensor(16, 16), 2, solver="diffpir", samples=3, noise=0.05, **FAST)
    assert result.samples.shape == (3, 1, 3, 32, 32)
    assert result.std is not None and bool((result.std.mean() > 1e-4).all())
    torch.testing.assert_close(result.pixels, result.samples.mean(0))
    assert restore.upscale(tensor(16, 16), 2, **FAST).std is None


def test_the_report_is_json_and_says_what_was_done() -> None:
    report = restore.deblur(eight(), kernel="gaussian:1", seed=7, **FAST).report
    again = json.loads(json.dumps(report))
    assert again["solver"] == "tradeoff" and again["seeds"] == [7]
    assert again["options"]["steps"] == 2
    # it was not blurred: twice, as the first left more than the noise
    assert again["evaluations"] == 8 and again["noise"]["estimated"] is True
    assert again["allowed_noise"] > 0 and again["seconds"] > 0
    assert again["size"] == [48, 32] and again["certificate"]["verdict"]
    given = restore.deblur(eight(), kernel="gaussian:1", noise=0.02, **FAST).report
    assert given["noise"] == {"model": "Gaussian(sigma=0.02)", "estimated": False}


def test_leaving_the_loop_cancels_and_a_preview_is_a_picture() -> None:
    restorer = restore.Restorer(device="cpu", dtype="float32")
    job = restorer.stream(tensor(37, 20), Blur(kernels.gaussian(1.0)), noise=0.02, steps=5)
    with pytest.raises(ValueError, match="no step is done"):
        job.preview()
    for state in job:
        assert state.steps == 5
        preview = job.preview()
        assert preview.shape == (1, 3, 37, 20) and 0 <= preview.min() and preview.max() <= 1
        if state.step == 2:
            break
    with pytest.raises(ValueError, match="not finished"):
        job.result()
    job.close()
    assert next(job, None) is None
    assert torch.is_grad_enabled()


def test_steps_of_all_samples_are_counted_through() -> None:
    restorer = restore.Restorer(**FAST)
    job = restorer.stream(tensor(), Blur(kernels.gaussian(1.0)), noise=0.02, samples=2)
    assert [(s.step, s.steps) for s in job] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_solver_follows_from_what_is_asked_for() -> None:
    def solver(**asked: Any) -> str:
        name: str = restore.upscale(tensor(8, 8), 2, noise=0.02, device="cpu", **asked).report[
            "solver"
        ]
        return name

    assert solver(steps=2) == "tradeoff"
    assert solver(steps=2, samples=2, fidelity=0.3) == "tradeoff"
    assert solver(steps=2, samples=2) == "pnpdm"
    assert solver(steps=2, samples=2, solver="diffpir") == "diffpir"
    with pytest.raises(TypeError, match="fidelity"):
        solver(solver="diffpir", fidelity=0.3)


def test_the_last_projection_brings_the_picture_to_the_data() -> None:
    operator, y = Downsample(2), tensor(24, 24)
    restorer = restore.Restorer(**FAST)
    misfit = {
        polish: Measurement(y, operator, Gaussian(0.005)).misfit(
            restorer(y, operator, noise=0.005, polish=polish).pixels
        )
        for polish in (True, False)
    }
    assert misfit[True] < 0.8 * misfit[False]


def test_tiles_change_little() -> None:
    whole, tiles = (
        restore.deblur(tensor(160, 96), kernel="gaussian:1", noise=0.02, tile=tile, **FAST).pixels
        for tile in (0, 96)
    )
    assert (whole - tiles).square().mean().sqrt() < 0.01


def test_a_restored_photo_is_closer_to_the_original() -> None:
    truth = tensor(64, 64)
    operator = Blur(kernels.motion(9, 20))
    y = operator(truth) + 0.01 * torch.randn(
        truth.shape, generator=torch.Generator().manual_seed(0)
    )
    result = restore.restore(y, operator, noise=0.01, device="cpu")
    before, after = ((p - truth).square().mean() for p in (y, result.pixels))
    assert after < before / 2
    assert result.report["certificate"]["accepted"] == [True]


@pytest.mark.parametrize(
    "given, error, said",
    [
        ({"solver": "dpri"}, ValueError, "dpir"),
        ({"stpes": 3}, TypeError, "steps"),
        ({"noise": -0.1}, ValueError, "sigma"),
        ({"samples": 0}, ValueError, "samples"),
        ({"device": "cuda:77"}, ValueError, "cuda:77"),
        ({"device": "tpu"}, ValueError, "tpu"),
        ({"dtype": "int8"}, ValueError, "int8"),
        ({"tile": 5}, ValueError, "tile"),
        ({"seed": [1, 2]}, ValueError, "seed"),
        ({"prior": "./nowhere"}, ValueError, "nowhere"),
        ({"kernel": torch.zeros(3, 3)}, ValueError, "sum"),
        ({"kernel": "mtion:5,0"}, ValueError, "motion"),
        ({"boundary": "open"}, ValueError, "boundary"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(
    given: dict[str, Any], error: type[Exception], said: str
) -> None:
    arguments = {"kernel": "gaussian:1", "device": "cpu", **given}
    with pytest.raises(error, match=said) as caught:
        restore.deblur(eight(), **arguments)
    assert "\n" not in str(caught.value)


def test_wrong_masks_operators_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(restore.PhotoError, match="48"):
        restore.inpaint(eight(), np.zeros((10, 10), np.uint8), **FAST)
    with pytest.raises(TypeError, match="LinearOperator"):
        restore.restore(tensor(), Gamma(), noise=0.1, **FAST)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(restore.PhotoError, match=r"broken\.jpg"):
        restore.deblur(broken, kernel="disk:2", **FAST)
    with pytest.raises(restore.PhotoError, match=r"missing\.jpg"):
        restore.deblur(tmp_path / "missing.jpg", kernel="disk:2", **FAST)


def test_a_blur_that_is_not_given_is_estimated() -> None:
    kernel = kernels.motion(9, 30)
    seen = blurred(kernel, channels=3, side=112)[0]
    found = restore.deblur(seen, **FAST)
    assert found.kernel is not None
    assert correlation(found.kernel, kernel) > 0.9
    assert found.report["blur"]["family"] in {"motion", "free"}
    assert found.report["noise"]["estimated"]
    assert set(found.report["blur"]) >= {"confidence", "evidence", "noise", "parameters"}
    given = restore.deblur(seen, kernel=kernel, noise=0.01, **FAST)
    assert given.kernel is None
    assert "blur" not in given.report


@pytest.mark.parametrize(
    ("camera", "kernel"),
    [
        (None, kernels.motion(9, 30)),
        (Camera(), kernels.motion(9, 30)),
        pytest.param(Camera(), None, marks=pytest.mark.slow),
    ],
)
def test_whether_light_was_blurred_or_values_shows(
    camera: Camera | None, kernel: Tensor | None
) -> None:
    blur = Blur(kernels.motion(9, 30), "valid")
    operator = blur if camera is None else Exposure(blur, camera)
    light = Gamma()(scene(128)[0].expand(1, 3, -1, -1).square())
    y = simulate(operator, Gaussian(0.01), light, Seeds(0)).y[0].permute(1, 2, 0)
    photo = png((255 * y.clamp(0, 1)).round().byte().numpy())
    report = restore.deblur(photo, kernel=kernel, **FAST).report
    trials = report["camera_trials"]
    assert set(trials) == {"none", "srgb"}
    if kernel is not None:
        assert min(trials, key=trials.get) == ("none" if camera is None else "srgb")
    assert (report["camera"] is None) == (camera is None)


CAMERA, FILED, CODED = Camera(), Camera(jpeg=Jpeg(75)), Camera(curve=False, jpeg=Jpeg(75))


def no_cost(result: Result) -> float:
    """Estimates are not told apart by the prior."""
    raise AssertionError


def no_nats(result: Result) -> float:
    """Pictures are all probable."""
    return 0.0


def left_over(chi_square: float, **report: Any) -> Result:
    """A result that leaves so much."""
    certificate = {"chi_square": [chi_square], "band": [0.0, 1.22], "unexplained": [0.0]}
    report = {"certificate": certificate, "noise": {}, **report}
    return Result(PIXELS, PIXELS[None], None, report)


@pytest.mark.parametrize("scale", [1.0, 0.25])
@pytest.mark.parametrize(
    ("cameras", "residuals", "noise", "expected"),
    [
        # accepted by the trial, and by the whole
        ([None], [1.0, 1.0], None, [(None, 1, True), (None, 1, False)]),
        # what the trial lacks, the whole is told of; a last time where it is refused
        ([None], [9.0, 1.0], None, [(None, 1, True), (None, 3, False)]),
        ([None], [1.0, 4.0, 1.0], None, [(None, 1, True), (None, 1, False), (None, 2, False)]),
        # near the bound the whole might be refused
        ([None], [1.21, 1.0], None, [(None, 1, True), (None, 1.1, False)]),
        # what is left is less than noise: there is less of it
        ([None], [0.05, 0.5], None, [(None, 1, True), (None, 0.5, False)]),
        # the camera explains the photo, if only with more noise
        ([FILED, None], [4.0, 1.0, 1.0],
         None, [(FILED, 1, True), (FILED, 2, True), (FILED, 2, False)]),
        ([FILED, None], [1.44, 1.0], None, [(FILED, 1, True), (FILED, 1.2, False)]),
        # it does not, a plain blur does
        ([FILED, None], [4.0, 2.0, 1.0, 1.0],
         None, [(FILED, 1, True), (FILED, 2, True), (None, 1, True), (None, 1, False)]),
        # neither does, before there is so much noise that it does
        ([FILED, None], [4.0, 2.0, 9.0, 9.0, 1.0], None,
         [(FILED, 1, True), (FILED, 2, True), (None, 1, True), (None, 3, False),
          (None, 9, False)]),
        # of cameras with one compression that explain the photo as well the likelier is taken
        ([CAMERA, None], [0.94, 0.9, 1.0],
         None, [(CAMERA, 1, True), (None, 1, True), (CAMERA, 1, False)]),
        ([CAMERA, None], [1.14, 0.9, 1.0],
         None, [(CAMERA, 1, True), (None, 1, True), (None, 1, False)]),
        # what follows the noise is no likelier for that
        ([CAMERA, None], [0.94, 0.5, 1.0],
         None, [(CAMERA, 1, True), (None, 1, True), (CAMERA, 1, False)]),
        ([FILED, CODED, None], [1.14, 0.9, 1.0],
         None, [(FILED, 1, True), (CODED, 1, True), (CODED, 1, False)]),
        # a noise that is given stays
        ([None], [9.0], 0.02, [(None, 2, False)]),
        ([FILED, None], [9.0, 9.0], 0.02, [(FILED, 2, True), (None, 2, False)]),
        ([CAMERA, None], [1.14, 0.9, 1.0], 0.02,
         [(CAMERA, 2, True), (None, 2, True), (None, 2, False)]),
        ([FILED, None], [1.0, 1.0], 0.02, [(FILED, 2, True), (FILED, 2, False)]),
    ],
)  # fmt: skip
def test_the_errors_of_an_estimated_kernel_count_as_noise(
    cameras: list[Any], residuals: list[float], noise: Any, expected: list[Any], scale: float
) -> None:
    left, tried = iter(residuals), []

    def run(guess: Guess, noise: Any, /, *, trial: bool = False, **_: Any) -> Result:
        tried.append((guess.camera, pytest.approx(noise / KERNEL_ERROR), trial))
        return left_over(next(left), by=guess.camera)

    sigma = scale * KERNEL_ERROR
    blind = Blind(torch.ones(1, 1), "free", {}, sigma, 0.5, {"evidence": {"free:15": 50.0}})
    found = [replace(blind, light=True, report={"evidence": {"free:15": 60.0}}), blind]
    hidden = {camera: sigma / 2 for camera in cameras}
    report = with_estimate(found, noise, hidden, run, no_cost).report
    assert tried == expected
    assert report["blur"]["noise"] == sigma


@pytest.mark.parametrize(
    ("cameras", "residuals"),
    [([CAMERA], [9.5]), ([CAMERA, None], [9.5, 12.0]), ([FILED, None], [12.0, 9.5])],
)
def test_a_kernel_that_explains_too_little_is_refused(
    cameras: list[Any], residuals: list[float]
) -> None:
    left = iter(residuals)

    def run(guess: Guess, noise: Any, /, *, trial: bool = False, **_: Any) -> Result:
        return left_over(next(left), by=guess.camera)

    blind = Blind(torch.ones(1, 1), "disk", {"radius": 1.0}, 0.001, 0.9, {"evidence": {}})
    found = [replace(blind, light=True), blind]
    with pytest.raises(Unknowable, match=r"disk, leaves 0.031 of the range .* kernel"):
        with_estimate(found, None, dict.fromkeys(cameras), run, no_cost)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        # of those that explain the photo the first is taken, which has the most evidence
        ({"gaussian": 1.2, "disk": 0.95, "motion": 0.93}, ("disk", CAMERA)),
        # a free kernel only where no other does
        ({"gaussian": 1.2, "free": 0.93, "disk": 0.95}, ("disk", CAMERA)),
        ({"gaussian": 1.2, "free": 0.93, "disk": 1.0}, ("free", CAMERA)),
        # what follows the noise explains it no better
        ({"gaussian": 0.94, "disk": 0.5}, ("gaussian", CAMERA)),
        # each by the camera that makes photo and picture likeliest
        ({"gaussian": 1.5, "disk": 1.4, "disk none": 0.9, "free": 1.2}, ("disk", None)),
    ],
)
def test_families_of_like_evidence_are_tried(left: dict[str, float], expected: Any) -> None:
    families = list(dict.fromkeys(name.split()[0] for name in left))
    first, *rivals = (
        Blind(torch.full((1, 1), float(n)), name, {}, 0.01, 0.5, {"evidence": {}})
        for n, name in enumerate(families)
    )

    def run(guess: Guess, noise: Any, /, *, trial: bool = False, **_: Any) -> Result:
        name = guess.family + ("" if guess.camera else " none")
        return left_over(left.get(name, 2.0), family=guess.family, by=guess.camera)

    values = replace(first, rivals=tuple(rivals))
    light = replace(first, rivals=tuple(replace(one, light=True) for one in rivals), light=True)
    hidden = {CAMERA: None, None: None}
    result = with_estimate([light, values], 0.01, hidden, run, no_cost)
    assert (result.report["blur"]["family"], result.report["by"]) == expected
    assert result.kernel is not None and int(result.kernel) == families.index(expected[0])
    assert [*result.report["blur_trials"]] == families
    assert set(result.report["camera_trials"]) == {"srgb", "none"}
    assert result.report["blur"]["light"] == (expected[1] is CAMERA)


@pytest.mark.parametrize(
    ("evidence", "left", "changed", "expected"),
    [
        # a disk all but taken for a Gaussian leaves far less than that; neither more than noise
        ((117.5, 110.0), (0.193, 0.141), True, "disk"),
        ((117.5, 110.0), (0.193, 0.141), False, "gaussian"),
        # but is not taken for one where its evidence is less
        ((72.1, 61.9), (0.204, 0.153), True, "gaussian"),
        ((117.5, 110.0), (0.15, 0.141), True, "gaussian"),
    ],
)
def test_of_changed_detail_what_is_left_tells_the_family_as_well(
    evidence: tuple[float, float], left: tuple[float, float], changed: bool, expected: str
) -> None:
    nats = {"gaussian:2": evidence[0], "disk:3": evidence[1], "free:21": 124.5}
    free, gaussian, disk = (
        Blind(torch.ones(1, 1), name, {}, 0.001, 0.9, {"evidence": nats}, changed=changed)
        for name in ("free", "gaussian", "disk")
    )
    leaves = {"gaussian": left[0], "disk": left[1], "free": 0.13}

    def run(guess: Guess, noise: Any, /, *, trial: bool = False, **_: Any) -> Result:
        result = left_over(leaves[guess.family], by=guess.camera)
        result.report["certificate"] |= {"map": [[[None, *EVEN]]], "sigma": 0.001}
        return result

    found = [replace(free, rivals=(gaussian, disk))]
    result = with_estimate(found, None, {None: None}, run, no_cost)
    assert result.report["blur"]["family"] == expected


EVEN, UNEVEN = [1.0, 2.0] * 20, [1.0, 4.0] * 20


@pytest.mark.parametrize(
    ("own", "noise", "changed", "parts", "left", "expected"),
    [
        (0.001, None, True, UNEVEN, 0.49, (CHANGED, pytest.approx(0.7 * CHANGED))),
        (0.001, None, True, UNEVEN, 0.1, (CHANGED, pytest.approx(KERNEL_ERROR))),
        (0.001, None, True, UNEVEN, 2.25, (pytest.approx(1.5 * CHANGED), None)),
        (0.001, None, True, EVEN, 0.1, (KERNEL_ERROR, None)),  # the noise is there
        (0.001, None, False, UNEVEN, 0.1, (CHANGED, pytest.approx(KERNEL_ERROR))),
        (0.001, None, False, UNEVEN[:20], 0.5, (KERNEL_ERROR, None)),  # too few to tell
        (0.001, None, False, EVEN, 0.5, (KERNEL_ERROR, None)),
        (0.006, None, False, UNEVEN, 0.5, (KERNEL_ERROR, None)),  # it shows
        (0.001, 0.007, True, UNEVEN, 0.5, (0.007, None)),  # a noise that is given stays
    ],
)
def test_changed_detail_is_told_by_strong_detail_and_allowed_for(
    own: float,
    noise: float | None,
    changed: bool,
    parts: list[float],
    left: float,
    expected: Any,
) -> None:
    asked = []

    def run(
        guess: Guess, noise: Any, /, trial: bool = False, judged_by: Any = None, **_: Any
    ) -> Result:
        asked.append((noise, judged_by))
        result = left_over(left if trial else 1.0, by=guess.camera)
        result.report["certificate"] |= {"map": [[[None, *parts]]], "sigma": 0.001}
        return result

    blind = Blind(torch.ones(1, 1), "disk", {}, own, 0.9, {"evidence": {}}, changed=changed)
    strong = replace(blind, family="motion", changed=True)
    found = with_estimate([blind], noise, {None: None}, run, no_nats, lambda: [strong])
    again = not changed and parts is UNEVEN and own < LITTLE
    assert found.report["blur"]["family"] == ("motion" if again else "disk")
    assert found.report["blur"]["changed"] is (changed or again)
    assert (
        asked.count((LITTLE, None)) == (noise is None and own < LITTLE) + again
    )  # of the other one, too
    assert asked[-1] == expected


@pytest.mark.parametrize(
    ("part", "accepted", "noises"),
    [
        (9.0, True, [CHANGED, "Uneven(sigma=0.02, factors=1 to 1.5)"]),
        (9.0, False, [CHANGED, "Uneven(sigma=0.02, factors=1 to 1.5)"]),
        (6.0, True, [CHANGED]),
    ],
)
def test_where_a_filter_left_noise_more_is_allowed_for(
    part: float, accepted: bool, noises: list[Any]
) -> None:
    """As long as that is accepted."""
    asked = []

    def run(
        guess: Guess, noise: Any, /, trial: bool = False, judged_by: Any = None, **_: Any
    ) -> Result:
        whole = left_over(0.1 if trial else 1.0, by=guess.camera)
        whole.report["certificate"] |= {"map": [[[None, *UNEVEN, part]]], "sigma": judged_by}
        if not trial:
            asked.append((noise if isinstance(noise, float) else repr(noise), judged_by))
            whole.report["certificate"]["accepted"] = [accepted or isinstance(noise, float)]
        return whole

    blind = Blind(torch.ones(1, 1), "disk", {}, 0.001, 0.9, {"evidence": {}}, changed=True)
    found = with_estimate([blind], None, {None: None}, run, no_nats, lambda: [blind])
    assert asked == [(noise, pytest.approx(KERNEL_ERROR)) for noise in noises]
    assert found.accepted


def test_what_only_the_wrong_kernel_leaves_uneven_is_not_allowed_for() -> None:
    asked = []

    def run(guess: Guess, noise: Any, /, *, trial: bool = False, **_: Any) -> Result:
        asked.append((guess.family, noise, trial))
        result = left_over(0.1, by=guess.camera)
        parts = EVEN if guess.family == "motion" else UNEVEN
        result.report["certificate"]["map"] = [[[None, *parts]]]
        return result

    weak = Blind(torch.ones(1, 1), "disk", {}, 0.001, 0.9, {"evidence": {}})
    strong = replace(weak, family="motion", changed=True)
    with_estimate([weak], None, {None: None}, run, no_nats, lambda: [strong])
    assert asked[-1] == ("motion", KERNEL_ERROR, False)


@pytest.mark.parametrize(
    ("nats", "own", "left", "camera", "expected"),
    [
        ((0.2, 0.1), 0.001, 0.95, None, ("motion", CHANGED)),
        ((0.16, 0.1), 0.001, 0.5, None, ("disk", KERNEL_ERROR)),  # a picture of detail
        ((0.06, 0.01), 0.001, 0.5, None, ("disk", KERNEL_ERROR)),  # of little
        ((0.2, 0.1), 0.006, 0.5, None, ("disk", KERNEL_ERROR)),  # its noise shows
        ((0.2, 0.1), 0.006, 0.5, FILED, ("motion", CHANGED)),
        ((0.2, 0.1), 0.001, 0.95, FILED, ("disk", KERNEL_ERROR)),  # its noise is there
    ],
)
def test_an_improbable_picture_tells_of_changed_detail_as_well(
    nats: tuple[float, float],
    own: float,
    left: float,
    camera: Camera | None,
    expected: tuple[str, float],
) -> None:
    asked = []

    def run(guess: Guess, noise: Any, /, *, trial: bool = False, **_: Any) -> Result:
        asked.append((guess.family, noise, trial))
        result = left_over(left if trial else 1.0, by=guess.camera, allowed=noise)
        result.report["certificate"] |= {"map": [[[None, *EVEN]]], "sigma": 0.001}
        return result

    weak = Blind(torch.ones(1, 1), "disk", {}, own, 0.9, {"evidence": {}}, light=bool(camera))
    strong = replace(weak, family="motion", changed=True)

    def cost(result: Result) -> float:
        return nats[result.report["allowed"] == CHANGED]

    with_estimate([weak], None, {camera: None}, run, cost, lambda: [strong])
    assert asked[-1] == (*expected, False)
    assert len(asked) == len(set(asked))  # no trial twice


def test_a_sharp_photo_has_no_blur_to_be_estimated() -> None:
    with pytest.raises(NotBlurred, match="no blur"):
        restore.deblur(scene(128)[0], **FAST)


def test_few_known_pixels_are_not_trusted_beyond_what_the_prior_can_say() -> None:
    photo = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(11))
    for share, told in ((0.3, "Gaussian(sigma=0.0)"), (0.8, "Gaussian(sigma=0.01)")):
        lost = random_mask(32, 32, share, seed=1)
        result = restore.inpaint(photo, lost, steps=2)
        assert result.report["noise"]["model"] == told
        assert torch.equal(result.pixels[~lost.expand_as(photo)], photo[~lost.expand_as(photo)])
