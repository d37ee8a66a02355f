"""The benchmark of the verdict: its cases, its counts, its table."""

from functools import partial

import pytest
import torch

from operators.seeds import Seeds
from restore import Restorer, deblur
from restore.bench import certificate
from restore.blind import correlation
from tests.drawings import scene

TINT = torch.tensor([1.0, 0.8, 0.6]).reshape(1, 3, 1, 1)


@pytest.mark.parametrize(
    "file",
    [pytest.param(f, marks=pytest.mark.slow if f == "JPEG" else ()) for f in certificate.FILES],
)
def test_a_photo_is_restored_with_both_kernels_and_both_are_judged(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "Restorer", partial(Restorer, steps=10))
    monkeypatch.setattr(certificate, "deblur", partial(deblur, solver="dpir", steps=8))
    case = certificate.CASES["motion of 15, not 17"]
    row = certificate.judged(scene(150) * TINT, case, file, 0, Seeds(0))
    assert row["right_accepted"] and not row["wrong_accepted"]
    assert row["right_nats"] < 15 < row["wrong_nats"]


def test_the_kernels_of_a_case_are_another_walk_or_nearly_alike() -> None:
    for name, case in certificate.CASES.items():
        alike = correlation(case.right(3), case.wrong(3))
        assert alike < 0.6 if name.startswith("walk") else 0.75 < alike < 0.995


def test_the_table_counts_what_was_accepted() -> None:
    rows = [
        {"case": "one", "file": file, "photo": photo, "right_accepted": True, "wrong_accepted": bad}
        for file, bad in (("values", False), ("JPEG", True))
        for photo in ("a", "b")
    ]
    assert "| one | 2 | 2 | 0 | 2 | 2 |" in certificate.markdown(rows)
