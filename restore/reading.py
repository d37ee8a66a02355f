"""The bytes of a file, or why they cannot be had."""

from pathlib import Path

from restore.decode import PhotoError


def file_bytes(path: Path) -> bytes:
    """Read a file; PhotoError for a folder, and where the system refuses."""
    if path.is_dir():
        raise PhotoError(f"{path}: a folder; pass a picture file")
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PhotoError(f"{path}: cannot be read ({reason}); check the name and its rights") from (
            error
        )
