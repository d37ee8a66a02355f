"""A solver that leaves the numbers, and what is refused before the prior is loaded."""

from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.fixture
def unstable(photo: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a solver that diverges, beside photo.png."""
    Path("unstable.py").write_text(
        "from restore.solvers import State\n"
        "def solver(measurement, prior, seeds, *, steps: int = 4):\n"
        "    x = measurement.y.new_ones(prior.state_shape(measurement.image_shape))\n"
        "    for step in range(1, steps + 1):\n"
        "        x = 1e30 * x\n"
        "        yield State(step, steps, x, x)\n"
    )
    monkeypatch.syspath_prepend(str(Path().resolve()))
    return "unstable:solver"


def test_divergence_is_one_line_and_no_picture(
    photo: Path, photomend: Command, unstable: str
) -> None:
    outcome = photomend("deblur", photo, "-k", "disk:1", "--solver", unstable)
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    assert "photo.png: solver, step 2 of 4: the estimate x0 is NaN or infinite; try" in line
    assert "unexpected" not in line
    assert outcome.data == b""
    assert {path.suffix for path in Path().iterdir() if path.is_file()} == {".png", ".py"}


def test_names_are_refused_before_the_prior_is_loaded(photo: Path, photomend: Command) -> None:
    words = ("deblur", photo, "-k", "disk:1", "--prior", "./none")
    assert photomend(*words).code == 4
    outcome = photomend(*words, "--solver", "dpir", "--option", "lamda_=1")
    assert outcome.code == 2
    assert outcome.err == "photomend: dpir has no option 'lamda_'; did you mean lambda_?\n"
    outcome = photomend(*words, "--solver", "dpri")
    assert outcome.code == 2
    assert "did you mean dpir" in outcome.err


def test_exact_data_are_refused_for_a_likelihood(photo: Path, photomend: Command) -> None:
    words = ("deblur", photo, "-k", "disk:1", "--noise", 0, "--steps", 1)
    outcome = photomend(*words, "--solver", "dps")
    assert outcome.code == 2
    assert "Gaussian.sigma: got 0.0" in outcome.err
    assert len(outcome.err.splitlines()) == 1
