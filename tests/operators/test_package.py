"""What `import operators` promises: its names, and that it stays light."""

import subprocess
import sys

import operators


def test_every_exported_name_exists_and_is_sorted() -> None:
    assert all(hasattr(operators, name) for name in operators.__all__)
    assert len(set(operators.__all__)) == len(operators.__all__)


def test_importing_it_imports_nothing_heavy_and_sets_nothing() -> None:
    heavy = ("diffusers", "lpips", "kornia", "cv2", "typer", "rich", "PIL", "restore", "priors")
    code = (
        "import torch; dtype, state = torch.get_default_dtype(), torch.get_rng_state();"
        "import sys, operators; assert torch.equal(state, torch.get_rng_state());"
        "assert dtype == torch.get_default_dtype();"
        f"found = [m for m in {heavy} if m in sys.modules]; assert not found, found"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
